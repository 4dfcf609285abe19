"""The client for asyncio. `LearningClient` documents the arguments, which are the same."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
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
from learning_client._transport import AsyncGrpcTransport, AsyncTransport, send_async

T = TypeVar("T")


class AsyncDecisionBlock(Block):
    """What `AsyncLearningClient.decide` gives: enter it to get the `Decision`, leave it to report."""

    def __init__(self, transport: AsyncTransport, steps: Steps, ask: Call[Decision], on_error: str) -> None:
        """Made by `AsyncLearningClient.decide`."""
        super().__init__(steps, ask, on_error)
        self._transport = transport

    async def __aenter__(self) -> Decision:
        try:
            return self._opened(await send_async(self._transport, self._ask))
        except asyncio.CancelledError:
            await send_async(self._transport, self._steps.abandon(self._ask))
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        report = self._due(error)
        if report is not None:
            self._closed(await send_async(self._transport, report))


class AsyncLearningClient(BaseClient[AsyncTransport]):
    """Asks the sidecar which arm to use and reports what happened, as `LearningClient` does, with `async with`.

    Belongs to the event loop of its first call; it may be made before that loop runs.

        client = AsyncLearningClient()
        async with client.decide("route", ["small", "large"], context={"tokens": 812}) as decision:
            answer = await ask_model(decision.arm)
            decision.observe(quality=grade(answer), cost_usd=answer.cost_usd)
    """

    def decide(
        self, domain: str, candidates: Sequence[str], *, on_error: str = "worst", **options: Unpack[DecisionOptions]
    ) -> AsyncDecisionBlock:
        """Open a block that asks for a decision when it begins, and times and reports the act when it ends.

        A task that is cancelled inside the block releases the decision, which takes at most `timeout_ms`, and
        then stops. All else is as in `LearningClient.decide`.
        """
        ask = self._steps.recommend(domain, candidates, **options)
        return AsyncDecisionBlock(self._transport, self._steps, ask, on_error)

    @overload
    async def learn(
        self,
        domain: str,
        candidates: Sequence[str],
        act: Callable[[str], Awaitable[tuple[T, Scored]]],
        *,
        score: None = None,
        on_error: str = "worst",
        **options: Unpack[DecisionOptions],
    ) -> Learned[T]: ...

    @overload
    async def learn(
        self,
        domain: str,
        candidates: Sequence[str],
        act: Callable[[str], Awaitable[T]],
        *,
        score: Callable[[T], Scored | Awaitable[Scored]],
        on_error: str = "worst",
        **options: Unpack[DecisionOptions],
    ) -> Learned[T]: ...

    async def learn(
        self,
        domain: str,
        candidates: Sequence[str],
        act: Callable[[str], Awaitable[Any]],
        *,
        score: Callable[[Any], Scored | Awaitable[Scored]] | None = None,
        on_error: str = "worst",
        **options: Unpack[DecisionOptions],
    ) -> Learned[Any]:
        """Decide, await `act(arm)`, score and report, as `LearningClient.learn` does; `score` may be async too."""
        async with self.decide(domain, candidates, on_error=on_error, **options) as decision:
            result = await act(arm_to_execute(decision))
            if score is None:
                result, signals = result_and_signals(result)
                observe(decision, signals)
            else:
                with scoring(self._steps, decision):
                    scored = score(result)
                    observe(decision, await scored if inspect.isawaitable(scored) else scored)
        return Learned(result, decision)

    async def recommend(self, domain: str, candidates: Sequence[str], **options: Unpack[DecisionOptions]) -> Decision:
        """Ask for a decision without a block; see `LearningClient.recommend`."""
        return await send_async(self._transport, self._steps.recommend(domain, candidates, **options))

    async def reward(
        self,
        decision: Decision | str,
        *,
        domain: str | None = None,
        more_to_come: bool = False,
        **signals: Unpack[SignalValues],
    ) -> RewardResult:
        """Report what happened; see `LearningClient.reward`."""
        step = self._steps.reward(decision, domain, signals, more_to_come=more_to_come)
        return await send_async(self._transport, step) if isinstance(step, Call) else step

    async def release(self, decision: Decision | str, *, domain: str | None = None) -> ReleaseResult:
        """Declare that the act never took place; see `LearningClient.release`."""
        step = self._steps.release(decision, domain)
        return await send_async(self._transport, step) if isinstance(step, Call) else step

    async def close(self) -> None:
        """Close the connection. Later calls fall back as if nobody listened."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def _connect(self, to: Endpoint) -> AsyncTransport:
        return AsyncGrpcTransport(to)
