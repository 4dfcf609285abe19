"""The client for code that blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from learning_client._base import BaseClient
from learning_client._calls import Call
from learning_client._decision import Decision
from learning_client._endpoint import Endpoint
from learning_client._learning import Learned, Scored, arm_to_execute, observe, result_and_signals, scoring
from learning_client._requests import DecisionOptions
from learning_client._results import ReleaseResult, RewardResult
from learning_client._signals import SignalValues
from learning_client._steps import Block, Steps
from learning_client._transport import GrpcTransport, Transport, send

T = TypeVar("T")


class DecisionBlock(Block):
    """What `LearningClient.decide` gives: enter it to get the `Decision`, leave it to report."""

    def __init__(self, transport: Transport, steps: Steps, ask: Call[Decision], on_error: str) -> None:
        """Made by `LearningClient.decide`."""
        super().__init__(steps, ask, on_error)
        self._transport = transport

    def __enter__(self) -> Decision:
        try:
            return self._opened(send(self._transport, self._ask))
        except BaseException:  # Ctrl-C: nothing else gets out of here
            send(self._transport, self._steps.abandon(self._ask))
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        report = self._due(error)
        if report is not None:
            self._closed(send(self._transport, report))


class LearningClient(BaseClient[Transport]):
    """Asks the sidecar which arm to use and reports what happened. Safe to share between threads.

    The sidecar is never in the app's way: each call to it takes at most `timeout_ms`, and when it is missing,
    late or failing, the first candidate is used and nothing raises. Only mistakes in the program raise.

        client = LearningClient()
        with client.decide("route", ["small", "large"], context={"tokens": 812}) as decision:
            answer = ask_model(decision.arm)
            decision.observe(quality=grade(answer), cost_usd=answer.cost_usd)
    """

    def decide(
        self, domain: str, candidates: Sequence[str], *, on_error: str = "worst", **options: Unpack[DecisionOptions]
    ) -> DecisionBlock:
        """Open a block that asks for a decision when it begins, and times and reports the act when it ends.

        The report blocks for at most `timeout_ms` more. It carries the block's duration as `latency_ms` and what
        `Decision.observe` has noted. Nothing is reported when nothing was recorded: a fallback, a refusal, a
        degraded sidecar, mode off. If the block raises, the exception propagates untouched, and `on_error` says what is
        reported; an exception from outside the act (KeyboardInterrupt, SystemExit, asyncio.CancelledError)
        always releases the decision.

        Args:
            domain: The kind of decision, such as `route` or `prompt`.
            candidates: 1 to 1,000 arms, each once. The first is the baseline: what the app would do without learning.
            on_error: What is reported when the act raises, see `OnError`: `worst`, `release` or `ignore`.
            options: See `DecisionOptions`.

        Raises:
            TypeError: A name is not a string, the candidates are not a list or tuple, or an argument does not exist.
            ValueError: There are no candidates, one is there twice, or a name or rule is not allowed.
        """
        ask = self._steps.recommend(domain, candidates, **options)
        return DecisionBlock(self._transport, self._steps, ask, on_error)

    @overload
    def learn(
        self,
        domain: str,
        candidates: Sequence[str],
        act: Callable[[str], tuple[T, Scored]],
        *,
        score: None = None,
        on_error: str = "worst",
        **options: Unpack[DecisionOptions],
    ) -> Learned[T]: ...

    @overload
    def learn(
        self,
        domain: str,
        candidates: Sequence[str],
        act: Callable[[str], T],
        *,
        score: Callable[[T], Scored],
        on_error: str = "worst",
        **options: Unpack[DecisionOptions],
    ) -> Learned[T]: ...

    def learn(
        self,
        domain: str,
        candidates: Sequence[str],
        act: Callable[[str], Any],
        *,
        score: Callable[[Any], Scored] | None = None,
        on_error: str = "worst",
        **options: Unpack[DecisionOptions],
    ) -> Learned[Any]:
        """Decide, call `act(arm)`, score its result and report: a whole `decide` block in one call.

        Args:
            domain: As in `decide`.
            candidates: As in `decide`.
            act: Executes the arm; only this is timed. Without `score` it returns `(result, signals)`.
            score: Turns the result into signals, or into one number that is taken as its quality. An exception
                in it is logged, and the signals are missing; the result is returned all the same.
            on_error: As in `decide`.
            options: As in `decide`.

        Raises:
            Refused: No candidate is affordable; the act was not called.
            TypeError: As in `decide`, or the act returned no `(result, signals)`.
            ValueError: As in `decide`.
            Exception: Whatever the act raises.
        """
        with self.decide(domain, candidates, on_error=on_error, **options) as decision:
            result = act(arm_to_execute(decision))
            if score is None:
                result, signals = result_and_signals(result)
                observe(decision, signals)
            else:
                with scoring(self._steps, decision):
                    observe(decision, score(result))
        return Learned(result, decision)

    def recommend(self, domain: str, candidates: Sequence[str], **options: Unpack[DecisionOptions]) -> Decision:
        """Ask for a decision without a block: report with `reward`, or give it back with `release`.

        Takes and raises what `decide` does, but for `on_error`.
        """
        return send(self._transport, self._steps.recommend(domain, candidates, **options))

    def reward(
        self,
        decision: Decision | str,
        *,
        domain: str | None = None,
        more_to_come: bool = False,
        **signals: Unpack[SignalValues],
    ) -> RewardResult:
        """Report what happened. Idempotent: the first final report counts, later ones are answered `duplicate`.

        Args:
            decision: The decision, or its id.
            domain: Its domain; needed with an id, ignored with a decision.
            more_to_come: Keep the decision open for more signals.
            signals: See `SignalValues`; they go over those that the decision has observed.

        Returns:
            What became of it; `unsent` when there is nothing to reward or the sidecar did not answer in time.

        Raises:
            TypeError: The id is not a string, or comes without its domain.
            ValueError: The id or the domain is not allowed.
        """
        step = self._steps.reward(decision, domain, signals, more_to_come=more_to_come)
        return send(self._transport, step) if isinstance(step, Call) else step

    def release(self, decision: Decision | str, *, domain: str | None = None) -> ReleaseResult:
        """Declare that the act never took place: the reserved money is given back and nothing is learned.

        Takes and raises what `reward` does. Idempotent.
        """
        step = self._steps.release(decision, domain)
        return send(self._transport, step) if isinstance(step, Call) else step

    def close(self) -> None:
        """Close the connection. Later calls fall back as if nobody listened."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _connect(self, to: Endpoint) -> Transport:
        return GrpcTransport(to)
