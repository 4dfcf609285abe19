"""Recommend, reward and release as flows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec
from msgspec import structs

from sidecar.engine.flow import Flow, view_of
from sidecar.engine.gating import fold
from sidecar.engine.learner import Learner
from sidecar.engine.planning import plan
from sidecar.engine.sightings import NEVER
from sidecar.errors import StoreMisbehaved
from sidecar.model.decision import Ask, Decision, Shield, ShieldAction, ShieldEffect, Source
from sidecar.model.mode import Mode
from sidecar.model.signals import RewardResult, Signals
from sidecar.store import transitions as t

_ATTEMPTS = 5
_CONTROL_AGE_MS_MAX = 1000.0
_NEVER_COLLECTED = "?"


class RewardOutcome(StrEnum):
    """What became of a report."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    LATE = "late"
    UNKNOWN = "unknown"
    COLLECTED = "collected"
    SPOOLED = "spooled"


class ReleaseOutcome(StrEnum):
    """What became of a release."""

    RELEASED = "released"
    ALREADY_CLOSED = "already_closed"
    UNKNOWN = "unknown"
    SPOOLED = "spooled"


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a report; `result` and `arm` when it counted."""

    outcome: RewardOutcome
    result: RewardResult | None = None
    arm: str = ""


def baseline(ask: Ask, mode: Mode, source: Source) -> Decision:
    """The answer that needs no state: the first candidate."""
    return Decision(ask.decision_id, ask.baseline, ask.baseline, mode, source)


def recommend(learner: Learner, ask: Ask) -> Flow[Decision]:
    """Decide: one round trip, another when what the sidecar knew was no longer so, or money is short.

    In a domain of very many arms one for each `LOOK_MOST` of the candidates, when they were not looked at for long.

    Raises:
        StoreMisbehaved: the state kept changing, or the reply is not one to this transition.
    """
    settled = False
    for _ in range(_ATTEMPTS):
        if learner.mode is Mode.OFF:
            if learner.age_ms() < _CONTROL_AGE_MS_MAX:
                return baseline(ask, Mode.OFF, Source.BASELINE)
            learner.refresh((yield from view_of(learner.scope)))
            settled = True
            continue
        issue, decisions = plan(learner, ask, settled=settled, complete=learner.money_short)
        reply = yield issue
        match reply:
            case t.Issued():
                learner.issued(reply, issue)
                return structs.replace(
                    decisions[reply.offer],
                    decision_id=ask.decision_id,
                    expires_at_unix_ms=reply.expires_at_unix_ms,
                )
            case t.Replayed(answer, expires_at_unix_ms):
                first = msgspec.json.decode(answer, type=Decision)
                return structs.replace(
                    first,
                    decision_id=ask.decision_id,
                    source=Source.REPLAY,
                    expires_at_unix_ms=expires_at_unix_ms,
                )
            case t.Refused():
                return _refused(ask.decision_id, decisions[-1])
            case t.Short():
                learner.money_short = True
            case t.Stale(view):
                learner.prospects.clear()
                learner.refresh(view, issue.wanted)
                if issue.freshness == "exact":
                    yield from _look_at_the_rest(learner, issue, [candidate.arm for candidate in ask.candidates])
                settled = True
            case _:
                break
    raise StoreMisbehaved("recommend", "the state keeps changing")


def _look_at_the_rest(learner: Learner, issue: t.Issue, names: Sequence[str]) -> Flow[None]:
    """Look at those arms that a first look left out, a few at a time; nothing is issued on statistics that are none."""
    left = len(names) - len(issue.wanted)
    while left > 0 and not learner.view.whole:
        revision, wanted = learner.view.control.revision, learner.wanted(names)
        look = structs.replace(issue, known_version=NEVER.version, known_revision=revision, wanted=wanted)
        reply = yield look
        if not isinstance(reply, t.Stale):  # the id is known by now
            return
        learner.refresh(reply.view, wanted)
        left -= len(wanted)


def _refused(decision_id: str, cheapest: Decision) -> Decision:
    action = ShieldAction(Shield.BUDGET, ShieldEffect.REFUSED, cheapest.arm)
    return structs.replace(
        cheapest,
        decision_id=decision_id,
        arm="",
        source=Source.SHIELD,
        shields=(*cheapest.shields, action),
        reserved_nano=0,
        propensity=1.0,
    )


def reward(learner: Learner, decision_id: str, signals: Signals, *, final: bool) -> Flow[Settled]:
    """Report: one round trip, another when earlier partial reports have to be joined.

    Raises:
        InvalidInput: a signal is not allowed, or there is none that makes a reward.
        StoreMisbehaved: the state kept changing, or the reply is not one to this transition.
    """
    learner.pipe.check(signals)
    # Alone these signals may make no final reward, but perhaps with what was collected: find out first.
    probing = final and not learner.pipe.suffices(signals)
    collected = _NEVER_COLLECTED if probing else ""
    for _ in range(_ATTEMPTS):
        known = "" if probing else collected
        report = learner.pipe.joined(replace(signals, reward=0.0) if probing else signals, known, final=final)
        reply = yield t.Settle(
            scope=learner.scope,
            decision_id=decision_id,
            final=final,
            collected=collected,
            reward_micro=report.reward_micro,
            reward_sq_nano=report.reward_sq_nano,
            cost_nano=report.cost_nano,
            latency_us=report.latency_us,
            signals_json=report.signals_json,
            shape=learner.shape,
            phase=learner.view.control.revision,
            **learner.evidence(report),
        )
        match reply:
            case t.Applied():
                learner.applied(reply, report)
                if reply.view is not None:
                    learner.refresh(reply.view)
                    yield from fold(learner)
                return Settled(RewardOutcome.APPLIED, report.result, reply.arm)
            case t.Collected():
                return Settled(RewardOutcome.COLLECTED, report.result)
            case t.Duplicate():
                return Settled(RewardOutcome.DUPLICATE)
            case t.Late():
                return Settled(RewardOutcome.LATE)
            case t.Unknown():
                return Settled(RewardOutcome.UNKNOWN)
            case t.Merge(found):
                collected, probing = found, False
            case t.Stale(view):
                learner.refresh(view)
            case _:
                break
    raise StoreMisbehaved("settle", "the state keeps changing")


def release(learner: Learner, decision_id: str, mark: str = "") -> Flow[ReleaseOutcome]:
    """Close a decision that was not acted on; with a `mark`, only one that has it.

    Raises:
        StoreMisbehaved: the reply is not one to this transition.
    """
    ending = msgspec.json.encode([mark]).decode()[1:] if mark else ""
    reply = yield t.Release(learner.scope, decision_id, learner.shape, ending)
    match reply:
        case t.Released():
            return ReleaseOutcome.RELEASED
        case t.Closed():
            return ReleaseOutcome.ALREADY_CLOSED
        case t.Unknown():
            return ReleaseOutcome.UNKNOWN
        case _:
            raise StoreMisbehaved("release", reply)
