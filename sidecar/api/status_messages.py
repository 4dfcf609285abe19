"""The answer to Status: what is known of a workspace, in people's units."""

from __future__ import annotations

import math

from sidecar.api.messages import MODES
from sidecar.engine.continuity import Loss
from sidecar.engine.learner import Learner
from sidecar.features.averages import upper_estimate
from sidecar.gate.coin import PPM
from sidecar.gate.outlook import outlook
from sidecar.model.arm import Arm
from sidecar.model.gate import GateEvent
from sidecar.model.mode import Mode
from sidecar.model.units import MICRO, usd
from sidecar.model.view import Account, DomainView
from sidecar.model.window import window_id
from sidecar.settings.domain import BudgetSettings, DomainSettings
from sidecar.v1 import learning_pb2 as pb

_Z_95 = 1.959963984540054


def domain_status(learner: Learner, mode: Mode, view: DomainView, account: Account) -> pb.DomainStatus:
    """How one domain is doing."""
    counters = view.counters
    pulls = sum(arm.pulls for arm in view.arms.values())
    settings = learner.settings
    return pb.DomainStatus(
        domain=learner.scope.domain,
        mode=MODES[mode],  # type: ignore[arg-type]  # an enum's number
        mode_reason=view.control.reason,
        policy=learner.policy.name,
        statistics_version=view.version,
        arms=[arm_status(view.arms[name], settings, pulls) for name in sorted(view.arms)],
        decisions=counters.get("decisions", 0),
        open=view.open,
        applied=counters.get("applied", 0),
        duplicates=counters.get("duplicates", 0),
        late=counters.get("late", 0),
        released=counters.get("released", 0),
        expired=counters.get("expired", 0),
        refused=counters.get("refused", 0),
        shadowed=counters.get("shadowed", 0),
        agreed=counters.get("agreed", 0),
        budget=budget_status(f"domain/{learner.scope.domain}", settings.budget, account, view.now_ms),
        gate=gate_status(learner, mode),
        agreement_rate=_rate(counters.get("agreed", 0), counters.get("shadowed", 0)),
        missing_rate=_rate(counters.get("expired", 0), counters.get("expired", 0) + counters.get("applied", 0)),
        delay_mean_ms=view.delay.mean,
        delay_high_ms=max(view.delay.recent, default=0),
    )


def gate_status(learner: Learner, mode: Mode) -> pb.GateStatus:
    """How far the gate lets the policy act; `mode` is the one in force here."""
    state, asked = learner.view.gate, Mode.OFF if mode is Mode.OFF else learner.asked
    seen = outlook(state, asked, learner.circumstances())
    tallies = seen.tallies
    return pb.GateStatus(
        stage=MODES[state.stage],  # type: ignore[arg-type]  # an enum's number
        pinned=asked is not Mode.GATED,
        attempt=state.attempt,
        share=state.terms.share_ppm / PPM,
        decisions=tallies.decisions,
        exposures=tallies.exposed,
        unfolded=seen.unfolded,
        evidence=seen.evidence,
        evidence_needed=seen.evidence_needed,
        improvement=seen.improvement,
        improvement_low=seen.improvement_low,
        confidence=seen.confidence,
        baseline_mean=state.terms.mean_micro / MICRO if state.terms.share_ppm else 0.0,
        exposed_mean=_rate(tallies.exposed_micro / MICRO, tallies.exposed - tallies.exposed_missing),
        held_mean=_rate(tallies.held_micro / MICRO, tallies.held - tallies.held_missing),
        exposed_missing_rate=_rate(tallies.exposed_missing, tallies.exposed),
        held_missing_rate=_rate(tallies.held_missing, tallies.held),
        loss_allowance=state.terms.loss_max_micro / MICRO,
        loss_allowance_granted=state.granted_micro / MICRO,
        alarm=seen.alarm,
        alarm_at=learner.settings.gate.false_alarm_epochs,
        promotions=state.promotions,
        rollbacks=state.rollbacks,
        checkpoint_at_unix_ms=state.checkpoint_at_ms,
        next=seen.next,
        events=[gate_event(event) for event in state.events],
        safety_evidence=seen.safety_evidence,
        missing_evidence=seen.missing_evidence,
        loss_allowance_left=seen.allowance_left,
    )


def gate_event(event: GateEvent) -> pb.GateEvent:
    """One change of stage."""
    return pb.GateEvent(
        at_unix_ms=event.at_unix_ms,
        before=MODES[event.before],  # type: ignore[arg-type]  # an enum's number
        after=MODES[event.after],  # type: ignore[arg-type]  # an enum's number
        attempt=event.attempt,
        reason=event.reason,
        decisions=event.decisions,
        checkpoint_restored=event.checkpoint_restored,
    )


def _rate(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def arm_status(arm: Arm, settings: DomainSettings, pulls: int) -> pb.ArmStatus:
    """How one arm is doing; `pulls` of the whole domain make the traffic share."""
    margin = _Z_95 * arm.reward_sd / math.sqrt(arm.observations) if arm.observations > 1 else math.inf
    known = arm.observations > 0
    return pb.ArmStatus(
        arm=arm.name,
        pulls=arm.pulls,
        rewards=arm.count,
        defaulted=arm.defaulted,
        reward_mean=arm.reward_mean,
        reward_sd=arm.reward_sd,
        cost_mean_usd=usd(arm.cost.mean),
        cost_high_usd=usd(upper_estimate(arm.cost, settings.averages.cost_quantile)),
        latency_mean_ms=arm.latency.mean / 1000,
        latency_high_ms=upper_estimate(arm.latency, settings.latency.quantile) / 1000,
        proposed=arm.proposed,
        traffic_share=arm.pulls / pulls if pulls else 0.0,
        reward_low=max(0.0, arm.reward_mean - margin) if known else 0.0,
        reward_high=min(1.0, arm.reward_mean + margin) if known else 1.0,
    )


def budget_status(level: str, budget: BudgetSettings, account: Account, now_ms: int) -> pb.BudgetStatus:
    """One budget level; a window that has turned since reads as empty."""
    kind = account.window.partition("/")[0] if budget.limit_usd is None else budget.window
    turned = window_id(kind, now_ms) != account.window
    message = pb.BudgetStatus(
        level=level,
        window=kind,
        spent_usd=0.0 if turned else usd(account.spent_nano),
        reserved_usd=usd(account.reserved_nano),
        overrun_usd=0.0 if turned else usd(account.overrun_nano),
    )
    if budget.limit_usd is not None:
        message.limit_usd = budget.limit_usd
    return message


def store_status(server: str, breaker: str, loss: Loss | None, spooled: int) -> pb.StoreStatus:
    """How the store is doing; `server` is empty when it did not answer, and `spooled` reports wait for it."""
    status = pb.StoreStatus(reachable=bool(server), server=server, breaker=breaker, spooled=spooled)
    if loss is not None:
        status.lost, status.lost_at_unix_ms = loss.message, loss.at_unix_ms
    return status
