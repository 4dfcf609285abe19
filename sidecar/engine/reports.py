"""Reports and releases: into the store, or while it is away into the spool."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from sidecar.clock import Clock
from sidecar.engine import flows
from sidecar.engine.flow import Flow, run_all, run_async
from sidecar.engine.learner import Learner
from sidecar.engine.recall import Dropped, Recall, Told, put_back
from sidecar.errors import InvalidInput, SidecarError, StoreUnavailable
from sidecar.model.names import Scope
from sidecar.model.signals import Signals
from sidecar.settings.flags import Flags
from sidecar.spool.record import Record
from sidecar.spool.spool import Spool
from sidecar.store.redis_store import RedisStore

_SPOOLED = flows.Settled(flows.RewardOutcome.SPOOLED)
_TAKEN = {flows.RewardOutcome.APPLIED, flows.RewardOutcome.COLLECTED, flows.RewardOutcome.DUPLICATE}
"""What came too late stays so, also on a server that has forgotten it."""
_UNKNOWN = flows.Settled(flows.RewardOutcome.UNKNOWN)


class Reports:
    """Takes what happened after decisions.

    A report whose decision has others waiting in the spool goes there too: behind them, not past them.

    Args:
        store: the shared state.
        learner_of: the learner of a scope.
        flags: kill switches.
        clock: for when a report was accepted, and how old a decision is.
        recall: remembers what the store has taken, and the decisions.
        spool: None for none; then who reports while the store is away is told so.
    """

    def __init__(
        self,
        store: RedisStore,
        learner_of: Callable[[Scope], Learner],
        flags: Flags,
        clock: Clock,
        recall: Recall,
        spool: Spool | None,
    ) -> None:
        """Keep all six."""
        self._store = store
        self._learner_of = learner_of
        self._flags = flags
        self._clock = clock
        self._recall = recall
        self._spool = spool

    async def reward(self, told: Told, until: float = math.inf) -> flows.Settled:
        """Report what happened; wait for the store at most until that moment of the loop's clock.

        Raises:
            InvalidInput: a signal is not allowed, or there is none that makes a reward.
            Overloaded: the store is away and the spool is full; nothing was kept.
            StoreUnavailable: the store is away and there is no spool; whether it was counted is not known.
        """
        if self._goes_behind(told):
            await self._append([self._record(told)])
            return _SPOOLED
        try:
            settled = await run_async(self.rewarding(told), self._store, until)
        except StoreUnavailable as error:
            await self._append([self._record(told)], error)
            return _SPOOLED
        self._remember(told, settled)
        return settled

    async def reward_all(self, told: Iterable[Told], until: float = math.inf) -> list[flows.Settled | SidecarError]:
        """Report several together; each as `reward` does, with its error in place of raising it."""
        reports = list(told)
        outcomes: list[flows.Settled | SidecarError] = [_SPOOLED] * len(reports)
        waiting: list[int] = []
        going: list[int] = []
        for at, one in enumerate(reports):
            try:
                (waiting if self._goes_behind(one) else going).append(at)
            except InvalidInput as error:
                outcomes[at] = error
        answers = await run_all((self.rewarding(reports[at]) for at in going), self._store, until)
        missed: StoreUnavailable | None = None
        for at, answer in zip(going, answers, strict=True):
            if isinstance(answer, StoreUnavailable):
                missed = answer
                waiting.append(at)
                continue
            outcomes[at] = answer
            if isinstance(answer, flows.Settled):
                self._remember(reports[at], answer)
        if waiting:
            try:
                await self._append([self._record(reports[at]) for at in sorted(waiting)], missed)
            except SidecarError as error:
                outcomes = [error if at in waiting else outcome for at, outcome in enumerate(outcomes)]
        return outcomes

    async def release(self, scope: Scope, decision_id: str, until: float = math.inf) -> flows.ReleaseOutcome:
        """Close a decision that was not acted on.

        Raises:
            Overloaded: the store is away and the spool is full; nothing was kept.
            StoreUnavailable: the store is away and there is no spool; whether it was closed is not known.
        """
        if not self._flags.learning(scope.domain):
            return flows.ReleaseOutcome.UNKNOWN
        dropped = Dropped(scope, decision_id)
        if self._spool is not None and self._spool.holds(scope, decision_id):
            await self._append([self._record(dropped)])
            return flows.ReleaseOutcome.SPOOLED
        try:
            outcome = await run_async(self.releasing(dropped), self._store, until)
        except StoreUnavailable as error:
            await self._append([self._record(dropped)], error)
            return flows.ReleaseOutcome.SPOOLED
        if outcome is flows.ReleaseOutcome.RELEASED:
            self._recall.reported(dropped)
        return outcome

    def rewarding(self, told: Told) -> Flow[flows.Settled]:
        """Report into the store. A decision that it lost a moment ago is put back first."""
        if not self._flags.learning(told.scope.domain):
            return _UNKNOWN
        learner = self._learner_of(told.scope)
        settled = yield from flows.reward(learner, told.decision_id, told.signals, final=told.final)
        if settled.outcome is flows.RewardOutcome.UNKNOWN and (
            made := self._recall.decision(told.scope, told.decision_id)
        ):
            yield from put_back(learner, made, self._clock.monotonic() - made.at)
            return (yield from flows.reward(learner, told.decision_id, told.signals, final=told.final))
        return settled

    def releasing(self, dropped: Dropped) -> Flow[flows.ReleaseOutcome]:
        """Release in the store."""
        if not self._flags.learning(dropped.scope.domain):
            return flows.ReleaseOutcome.UNKNOWN
        return (yield from flows.release(self._learner_of(dropped.scope), dropped.decision_id))

    def _goes_behind(self, told: Told) -> bool:
        """Whether earlier reports of the decision wait; then this one is checked here, as the store is not asked.

        Raises:
            InvalidInput: a signal is not allowed.
        """
        if self._spool is None or not self._spool.holds(told.scope, told.decision_id):
            return False
        if not self._flags.learning(told.scope.domain):
            return False
        self._learner_of(told.scope).pipe.check(told.signals)
        return True

    def _remember(self, told: Told, settled: flows.Settled) -> None:
        if settled.outcome in _TAKEN:
            self._recall.reported(told)

    async def _append(self, records: Sequence[Record], missed: StoreUnavailable | None = None) -> None:
        if self._spool is None:
            assert missed is not None  # without a spool nothing goes behind anything
            raise missed
        await self._spool.append(records)

    def _record(self, report: Told | Dropped) -> Record:
        now = self._clock.unix_ms()
        if isinstance(report, Told):
            signals = report.signals.observed()
            return Record("reward", *report.scope, report.decision_id, now, signals, report.final)
        return Record("release", *report.scope, report.decision_id, now)


def report_of(record: Record) -> Told | Dropped:
    """The call in a record.

    Raises:
        InvalidInput: it has a signal that this version does not know.
    """
    if record.kind == "release":
        return Dropped(record.scope, record.decision_id)
    try:
        signals = Signals(**record.signals)
    except TypeError as error:
        raise InvalidInput("signals", sorted(record.signals), "signals that this version knows") from error
    return Told(record.scope, record.decision_id, signals, final=record.final)
