"""Every step of a decision without its I/O: what to send, if anything, and what the answer means.

The sync and the async client differ in how they send a `Call`, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Unpack

from learning_client import _answers
from learning_client._calls import RECOMMEND, RELEASE, REWARD, Call
from learning_client._decision import Decision
from learning_client._log import SparseLog
from learning_client._observations import Observations
from learning_client._requests import DecisionOptions, RequestBuilder, identity, name
from learning_client._results import ReleaseResult, RewardResult
from learning_client._terms import OnError, ReleaseOutcome, RewardOutcome
from learning_client.v1 import learning_pb2 as pb

_NOT_RECORDED = "nothing was recorded for this decision"


class Steps:
    """The steps of the decisions of one workspace."""

    def __init__(self, tenant: str, workspace: str) -> None:
        """Keep whose decisions these are; raises TypeError or ValueError when one is not a name."""
        self.log = SparseLog()
        self._build = RequestBuilder(tenant, workspace, self.log)

    def recommend(self, domain: str, candidates: Sequence[str], **options: Unpack[DecisionOptions]) -> Call[Decision]:
        """Ask for a decision."""
        request = self._build.recommend(domain, candidates, **options)
        return Call(RECOMMEND, request, partial(_answers.decision, request, log=self.log))

    def reward(
        self, decision: Decision | str, domain: str | None, signals: Mapping[str, object], *, more_to_come: bool = False
    ) -> Call[RewardResult] | RewardResult:
        """Report `signals`, over those that the decision has observed."""
        domain, decision_id = _named(decision, domain)
        observed = Observations(self.log)
        if isinstance(decision, Decision):
            if not decision.recorded:
                return RewardResult(RewardOutcome.UNSENT, reason=_NOT_RECORDED)
            observed.add(decision.observations.values())
        observed.add(signals)
        request = self._build.reward(domain, decision_id, observed.values(), more_to_come=more_to_come)
        return Call(REWARD, request, partial(_answers.reward, request, log=self.log))

    def release(self, decision: Decision | str, domain: str | None) -> Call[ReleaseResult] | ReleaseResult:
        """Declare that the act never took place."""
        domain, decision_id = _named(decision, domain)
        # A decision whose answer was missed may well have been recorded, and then holds money.
        if isinstance(decision, Decision) and not (decision.recorded or decision.answer_missed):
            return ReleaseResult(ReleaseOutcome.UNSENT, reason=_NOT_RECORDED)
        request = self._build.release(domain, decision_id)
        return Call(RELEASE, request, partial(_answers.release, request, log=self.log))

    def abandon(self, ask: Call[Decision]) -> Call[ReleaseResult]:
        """Give back what the sidecar may have decided although asking was interrupted."""
        asked = ask.request
        assert isinstance(asked, pb.RecommendRequest)  # as `recommend` made it
        request = self._build.release(asked.domain, asked.decision_id)
        return Call(RELEASE, request, partial(_answers.release, request, log=self.log))


def _named(decision: Decision | str, domain: str | None) -> tuple[str, str]:
    if isinstance(decision, Decision):
        return decision.domain, decision.decision_id
    if domain is None:
        message = "a decision given by its id needs its domain: reward(decision_id, domain=...)"
        raise TypeError(message)
    return name("domain", domain), identity(decision)


class Block:
    """One decision from asking to reporting: what the `with` and the `async with` blocks share."""

    def __init__(self, steps: Steps, ask: Call[Decision], on_error: str) -> None:
        """Keep what to ask, and what to report should the act fail; raises ValueError for an unknown rule."""
        self._steps = steps
        self._ask = ask
        self._on_error = OnError(on_error)
        self._decision: Decision | None = None

    def _opened(self, decision: Decision) -> Decision:
        self._decision = decision
        decision.observations.start()
        return decision

    def _due(self, error: BaseException | None) -> Call[RewardResult | ReleaseResult] | None:
        """Say what to report, now that the act ended with `error` or without one."""
        decision = self._decision
        if decision is None:
            return None
        decision.observations.stop()
        step = self._rule(decision, error)
        return step if isinstance(step, Call) else None

    def _rule(
        self, decision: Decision, error: BaseException | None
    ) -> Call[RewardResult] | RewardResult | Call[ReleaseResult] | ReleaseResult | None:
        if error is None and not decision.answer_missed:
            return self._steps.reward(decision, None, {}, more_to_come=decision.observations.more_to_come)
        # A CancelledError or a KeyboardInterrupt came from outside and says nothing about the arm. And an answer
        # that was missed may have left a decision behind that nobody acts on.
        from_outside = error is not None and not isinstance(error, Exception)
        if from_outside or decision.answer_missed or self._on_error is OnError.RELEASE:
            return self._steps.release(decision, None)
        if self._on_error is OnError.WORST:
            decision.observations.add({"reward": 0.0})  # kept, so that sending it again says the same
            return self._steps.reward(decision, None, {})
        return None

    def _closed(self, result: RewardResult | ReleaseResult) -> None:
        if self._decision is not None:
            self._decision.observations.report = result
