"""What was done of late, in memory, to be done again on a server that has not got it.

A failover, or the restart of a server that writes its file once a second, may lose the last writes although they were
acknowledged. Decisions of the last minute are then put back under their ids, and reports sent again: what the server
has after all it answers as a repetition, and nothing changes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from msgspec import structs

from sidecar.clock import Clock
from sidecar.engine.flow import Flow
from sidecar.engine.learner import Learner
from sidecar.errors import StoreMisbehaved
from sidecar.model.names import Scope
from sidecar.model.signals import Signals
from sidecar.store import transitions as t

RECORDS_MAX = 10_000
"""So many decisions, and so many reports, at most."""

_ATTEMPTS = 5
_DEADLINE_MS_LEAST = 10_000
_MARGIN_S = 1.0
_OFFERS_MOST = 4

_Table = dict[tuple[Scope, str], tuple[float, t.Issue, int]]


class Told(NamedTuple):
    """A report of what happened after a decision; more will follow unless it is `final`."""

    scope: Scope
    decision_id: str
    signals: Signals
    final: bool = True


@dataclass(frozen=True, slots=True)
class Dropped:
    """A decision was not acted on."""

    scope: Scope
    decision_id: str


class PutBack(StrEnum):
    """What became of a decision that was put back."""

    PUT_BACK = "put_back"
    KNOWN = "known"


class Made(NamedTuple):
    """A decision: when it was recorded (seconds), as what, and which offer of the menu was taken."""

    at: float
    issue: t.Issue
    offer: int


class Recall:
    """Remembers decisions, reports and releases of a while.

    Every decision comes by, so what is done with it costs less than a microsecond: an entry in the younger of two
    tables. When that is full, the older one is dropped as a whole and it takes its place.

    Args:
        clock: for how long ago something was.
        window_s: for so many seconds; 0 remembers nothing.
        records_max: so many of each at most.
    """

    def __init__(self, clock: Clock, window_s: float, records_max: int = RECORDS_MAX) -> None:
        """Start with nothing."""
        self._monotonic = clock.monotonic
        self._window_s = window_s
        most = records_max if window_s > 0 else 0
        self._table_most = most // 2
        self._old: _Table = {}
        self._young: _Table = {}
        self._reports: deque[tuple[float, Told | Dropped]] = deque(maxlen=most)

    def decided(self, issue: t.Issue, issued: t.Issued) -> None:
        """Remember a decision that was just recorded."""
        young, menu, offer = self._young, issue.menu, issued.offer
        if len(menu.offers) > _OFFERS_MOST:  # else many a menu would be kept in memory for the one that was taken
            issue, offer = structs.replace(issue, menu=replace(menu, offers=(menu.offers[offer],))), 0
        young[menu.scope, issue.decision_id] = (self._monotonic(), issue, offer)
        if len(young) >= self._table_most:
            self._old = young if self._table_most else {}
            self._young = {}

    def reported(self, report: Told | Dropped) -> None:
        """Remember a report or a release that the store has just taken."""
        self._reports.append((self._monotonic(), report))

    def prune(self) -> None:
        """Forget what is older than the window."""
        since = self._monotonic() - self._window_s
        while self._reports and self._reports[0][0] < since:
            self._reports.popleft()
        if self._old and next(reversed(self._old.values()))[0] < since:
            self._old = {}
        if self._young and next(iter(self._young.values()))[0] < since and not self._old:
            self._old, self._young = self._young, {}

    def decision(self, scope: Scope, decision_id: str) -> Made | None:
        """The decision of that id, if it was made within the window."""
        found = self._young.get((scope, decision_id)) or self._old.get((scope, decision_id))
        return Made(*found) if found and found[0] >= self._monotonic() - self._window_s else None

    @property
    def decisions(self) -> list[Made]:
        """Those of the window, oldest first."""
        since = self._monotonic() - self._window_s
        return [Made(*one) for table in (self._old, self._young) for one in table.values() if one[0] >= since]

    @property
    def reports(self) -> list[Told | Dropped]:
        """Those of the window, oldest first."""
        since = self._monotonic() - self._window_s
        return [report for at, report in self._reports if at >= since]


def put_back(learner: Learner, made: Made, age_s: float) -> Flow[PutBack]:
    """Record a decision again under its id, whatever money there is; where the id is known nothing changes.

    It is evidence for the gate only in the phase in which its coin was tossed. One that the store would have forgotten
    by now is left alone: it may have been settled, and would count twice.

    Args:
        learner: of the decision's scope.
        made: the decision.
        age_s: how long ago it was made.

    Raises:
        StoreMisbehaved: the state kept changing, or the reply is not one to this transition.
    """
    issue, menu = made.issue, made.issue.menu
    taken = menu.offers[made.offer]
    if age_s + _MARGIN_S > menu.shape.remember_ms / 1000:
        return PutBack.KNOWN
    left_ms = menu.reward_deadline_ms - round(age_s * 1000)
    deadline_ms = max(left_ms, min(_DEADLINE_MS_LEAST, menu.reward_deadline_ms))
    in_evidence = taken.sampled
    for _ in range(_ATTEMPTS):
        control, terms = learner.view.control, learner.view.gate.terms
        in_evidence &= control.revision == issue.known_revision and terms.share_ppm == menu.sample.share_ppm
        offer = replace(taken, threshold_nano=None, sampled=in_evidence, needs_room=False)
        alone = replace(menu, reward_deadline_ms=deadline_ms, offers=(offer,), complete=False)
        reply = yield t.Issue(alone, issue.decision_id, -1, control.revision, recalls="all")
        match reply:
            case t.Issued():
                return PutBack.PUT_BACK
            case t.Replayed():
                return PutBack.KNOWN
            case t.Short():  # the gate's allowance has no room for it: it was not exposed for that money
                in_evidence = False
            case t.Stale(view):
                learner.refresh(view)
            case _:
                break
    raise StoreMisbehaved("recommend", "the state keeps changing")
