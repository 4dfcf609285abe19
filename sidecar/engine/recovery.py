"""What is made up for when the store is back: what a server lost, then what waits in the spool.

    the store answers -> is it the server that it was? no: decisions put back, reports sent again, kept segments too
                      -> spooled records in order, up to 64 at once, those of one decision one after the other

All of it is safe to repeat. What is interrupted goes on where it was, and with fewer at once: a store that is barely
quick enough must not be asked for the same again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from random import Random
from typing import Any, TypeVar

from sidecar.clock import Clock
from sidecar.engine.flow import Flow, run_all
from sidecar.engine.learner import Learner
from sidecar.engine.recall import RECORDS_MAX, Dropped, Made, Recall, Told, put_back
from sidecar.engine.reports import Reports, report_of
from sidecar.errors import InvalidInput, SidecarError, StoreMisbehaved, StoreUnavailable
from sidecar.model.names import Scope
from sidecar.spool.record import Record
from sidecar.spool.spool import Spool, Waiting
from sidecar.store.connection import Server
from sidecar.store.redis_store import RedisStore

T = TypeVar("T")

_log = logging.getLogger(__name__)

_TOGETHER = 64
_BACKOFF_S, _BACKOFF_MAX_S = 0.05, 1.5
_MISBEHAVED_MOST = 10
_UNKNOWN_AGAIN_S = (1.0, 4.0)
"""After a failover another sidecar may not yet have put back the decision: its report is tried again so much later."""
_SAID_EVERY_S = 60.0
_TIDY_S = 5.0

Replayed = Callable[[str, str], None]
"""Told what became of each: where it comes from (`spool`, `recall`), and the outcome."""


class Recovery:
    """Makes up for what the store missed.

    Args:
        store: the shared state.
        reports: knows how to report.
        recall: what was done of late.
        spool: what waits; None where there is none.
        learner_of: the learner of a scope.
        clock: for ages and waits.
        replayed: told of each.
    """

    def __init__(
        self,
        store: RedisStore,
        reports: Reports,
        recall: Recall,
        spool: Spool | None,
        learner_of: Callable[[Scope], Learner],
        clock: Clock,
        replayed: Replayed,
    ) -> None:
        """Nothing is known of the server yet."""
        self._store, self._reports, self._recall, self._spool = store, reports, recall, spool
        self._learner_of, self._clock, self._replayed = learner_of, clock, replayed
        self._run_ids: set[str] = set()
        self._is_another = False
        self._decisions: deque[Made] = deque()
        """To be put back, because another server may not have them."""
        self._told: deque[Told | Dropped] = deque()
        """To be sent again, likewise."""
        self._patient = self._rewinds = False
        self._most = _TOGETHER
        self._answered = 0
        self._wake = asyncio.Event()
        self._jitter = Random()  # noqa: S311 - spreads load, keeps no secret
        self._again: list[tuple[float, int, str, Told | Dropped]] = []
        self._misbehaved: Counter[str] = Counter()
        self._said_at = -math.inf
        self._unknown = 0
        if spool is not None:
            spool.appended = self._wake.set

    def met(self, server: Server) -> None:
        """Note who answered. One that is not who it was may have lost what was acknowledged."""
        self._recall.prune()
        answering = set(filter(None, server.run_id.split(",")))
        if answering <= self._run_ids:  # of a cluster some may be silent for a while
            return
        if self._run_ids:
            _log.warning("another server answers, or it was started anew: what may be lost is sent again")
            self._is_another = True
            self._wake.set()
        self._run_ids = answering

    async def forever(self) -> None:
        """Make up for whatever there is to make up for, as soon as the store answers."""
        failures = 0
        while True:
            if not self._due():
                await self._woken()
                continue
            before = self._answered
            try:
                await self.once()
            except (SidecarError, OSError) as error:
                _log.debug("not yet: %s (%s)", error, error.__cause__)
                failures = failures if before == self._answered else 0
                longest = min(_BACKOFF_MAX_S, _BACKOFF_S * 2**failures)
                await asyncio.sleep(longest * (0.5 + self._jitter.random() / 2))
                failures = min(failures + 1, 10)
            else:
                failures = 0

    async def once(self) -> None:
        """Make up for all there is.

        Raises:
            StoreUnavailable: the store went away again; what was done is noted.
            StoreMisbehaved: a record meets an answer that this version does not understand.
            OSError: the spool cannot be read.
        """
        self.met(await self._store.server())
        if self._is_another:
            self._is_another, self._patient, self._rewinds = False, True, True
            self._owe()
        await self._recall_all()
        if self._rewinds and self._spool is not None:
            self._spool.rewind()
        self._rewinds = False
        await self._replay_all()
        self._patient = False
        await self._try_again()

    async def drain(self, within_s: float) -> None:
        """Try once more before the process ends; say what is left."""
        if self._spool is None:
            return
        if self._spool.waiting:
            try:
                async with asyncio.timeout(within_s):
                    await self.once()
            except (SidecarError, OSError, TimeoutError) as error:
                _log.debug("the spool is not drained: %s", error)
            if left := self._spool.waiting:
                where = ", ".join(map(str, self._spool.directories))
                told = "%d reports stay in the spool %s: the next sidecar that starts there replays them"
                _log.warning(told, left, where, extra={"facts": {"spool_left_at_shutdown": left}})
            else:
                _log.info("the spool is drained")
        await self._spool.close()

    # --- when to do something

    def _due(self) -> bool:
        waits = self._spool is not None and self._spool.waiting > 0
        lost = self._is_another or self._patient
        return waits or lost or any(due <= self._clock.monotonic() for due, *_ in self._again)

    async def _woken(self) -> None:
        self._wake.clear()
        soonest = min((due for due, *_ in self._again), default=math.inf)
        kept = self._spool is not None and self._spool.kept > 0
        wait_s = min(soonest - self._clock.monotonic(), _TIDY_S if kept else math.inf)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if wait_s == math.inf else max(0.0, wait_s)):
                await self._wake.wait()
        if self._spool is not None and kept:
            await self._spool.tidy()

    # --- what a server lost

    def _owe(self) -> None:
        """Whatever was done of late, after what an earlier server has not got yet."""
        decisions = [*self._decisions, *self._recall.decisions]
        self._decisions = deque({(one.issue.menu.scope, one.issue.decision_id): one for one in decisions}.values())
        self._told = deque(dict.fromkeys([*self._told, *self._recall.reports]))

    async def _recall_all(self) -> None:
        while part := list(islice(self._decisions, self._most)):
            now = self._clock.monotonic()
            outcomes = await self._all(
                put_back(self._learner_of(one.issue.menu.scope), one, now - one.at) for one in part
            )
            for _, outcome in _answered(self._decisions, part, outcomes):
                self._replayed("recall", outcome.reason.lower() if isinstance(outcome, SidecarError) else outcome)
            _raise_missed(outcomes)
        while wave := _wave(self._told, self._most):
            outcomes = await self._all(map(self._flow, wave))
            for report, outcome in _answered(self._told, wave, outcomes):
                self._note("recall", report, _word(outcome), again=0)
            _raise_missed(outcomes)

    # --- what waits in the spool

    async def _replay_all(self) -> None:
        while self._spool is not None and (waiting := await self._spool.batch()):
            done, error = await self._replay(waiting)
            await self._spool.advance(waiting, done)
            if error is not None:
                raise error

    async def _replay(self, waiting: Waiting) -> tuple[int, SidecarError | None]:
        """Replay in order; return how many from the first on are done, and why not all."""
        done = 0
        reports = [self._readable(*one) for one in zip(waiting.records, waiting.payloads, strict=True)]
        while wave := _wave(islice(reports, done, None), self._most):
            known = [one for one in wave if one is not None]
            answers = iter(await self._all(map(self._flow, known)))
            for report in wave:
                outcome = None if report is None else next(answers)
                if isinstance(outcome, StoreUnavailable):
                    return done, outcome
                if isinstance(outcome, StoreMisbehaved) and not self._given_up(waiting.payloads[done]):
                    return done, outcome
                if report is not None:
                    self._note("spool", report, _word(outcome), again=0 if self._patient else None)
                    self._say_rejected(waiting.payloads[done], outcome)
                done += 1
        return done, None

    def _readable(self, record: Record | None, payload: bytes) -> Told | Dropped | None:
        try:
            if record is not None:
                return report_of(record)
        except InvalidInput:
            pass
        self._replayed("spool", "unreadable")
        _log.error("a record in the spool is not one that this version knows: %s", payload.decode(errors="replace"))
        return None

    def _given_up(self, payload: bytes) -> bool:
        """Whether a record was answered strangely so often that it must not hold up all others."""
        key = payload.decode()
        self._misbehaved[key] += 1
        if self._misbehaved[key] < _MISBEHAVED_MOST:
            return False
        del self._misbehaved[key]
        return True

    def _say_rejected(self, payload: bytes, outcome: Any) -> None:  # noqa: ANN401 - what a flow ended with
        if isinstance(outcome, SidecarError):
            _log.error("a spooled report cannot be applied: %s; it was %s", outcome, payload.decode())

    # --- what the store says

    async def _try_again(self) -> None:
        now = self._clock.monotonic()
        due = [one for one in self._again if one[0] <= now]
        missed: StoreUnavailable | None = None
        while due:  # all of them, for one that is missed may be another server's
            part, due = due[: self._most], due[self._most :]
            for one, outcome in zip(part, await self._all(self._flow(one[-1]) for one in part), strict=True):
                if isinstance(outcome, StoreUnavailable):
                    missed = outcome
                    continue
                _, tries, source, report = one
                self._again.remove(one)
                self._note(source, report, _word(outcome), again=tries)
        if missed is not None:
            raise missed

    async def _all(self, flows: Iterable[Flow[Any]]) -> list[Any]:
        """Carry several flows through; fewer next time when the store does not come along, and more when it does."""
        outcomes = await run_all(flows, self._store)
        missed = sum(isinstance(one, StoreUnavailable) for one in outcomes)
        self._most = max(1, self._most // 2) if missed else min(_TOGETHER, self._most * 2)
        self._answered += len(outcomes) - missed
        return outcomes

    def _flow(self, report: Told | Dropped) -> Flow[Any]:
        return self._reports.rewarding(report) if isinstance(report, Told) else self._reports.releasing(report)

    def _note(self, source: str, report: Told | Dropped, outcome: str, *, again: int | None) -> None:
        """Count what became of a report; `again`: how often an unknown one was tried anew, None if it shall not be."""
        if outcome == "unknown":
            if again is not None and again < len(_UNKNOWN_AGAIN_S) and len(self._again) < RECORDS_MAX:
                self._again.append((self._clock.monotonic() + _UNKNOWN_AGAIN_S[again], again + 1, source, report))
                return
            self._unknown += 1
            if self._clock.monotonic() - self._said_at >= _SAID_EVERY_S:
                self._said_at = self._clock.monotonic()
                told = "%d replayed reports so far name decisions that nobody knows, such as %s of %s"
                _log.warning(told, self._unknown, report.decision_id, report.scope)
        self._replayed(source, outcome)


def _word(outcome: Any) -> str:  # noqa: ANN401 - what a flow ended with
    if isinstance(outcome, InvalidInput):
        return "rejected"
    if isinstance(outcome, SidecarError):
        return "misbehaved"
    return str(getattr(outcome, "outcome", outcome))


def _answered(queue: deque[T], asked: Sequence[T], outcomes: Sequence[Any]) -> list[tuple[T, Any]]:
    """Take the first ones off a queue, and say what became of them; those without an answer stay in it, in front."""
    pairs = list(zip(asked, outcomes, strict=True))
    for _ in asked:
        queue.popleft()
    queue.extendleft(one for one, outcome in reversed(pairs) if isinstance(outcome, StoreUnavailable))
    return [pair for pair in pairs if not isinstance(pair[1], StoreUnavailable)]


def _raise_missed(outcomes: Sequence[Any]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, StoreUnavailable):
            raise outcome


def _wave(reports: Iterable[Any], most: int) -> list[Any]:
    """The first of these reports that can go side by side: of each decision one at most."""
    wave: list[Any] = []
    seen: set[tuple[Scope, str]] = set()
    for one in reports:
        key = None if one is None else (one.scope, one.decision_id)
        if key in seen or len(wave) == most:
            break
        wave.append(one)
        if key is not None:
            seen.add(key)
    return wave
