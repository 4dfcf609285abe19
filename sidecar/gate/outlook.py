"""Says where a domain stands: the figures of its stage, and in a sentence what happens next and what it waits for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sidecar.gate import ladder
from sidecar.gate.attempts import decisions_of
from sidecar.gate.betting import improvement_low, log_wealth, wealth
from sidecar.gate.coin import PPM
from sidecar.gate.detector import log_alarm
from sidecar.gate.ladder import Circumstances
from sidecar.gate.phase import Phase, Tallies
from sidecar.model.gate import GateState
from sidecar.model.mode import Mode
from sidecar.model.units import MICRO


@dataclass(frozen=True, slots=True)
class Outlook:
    """The figures of a stage, in people's units: rewards, shares, wealth of bets."""

    tallies: Tallies
    unfolded: int
    evidence: float
    evidence_needed: float
    improvement: float
    improvement_low: float
    confidence: float
    allowance_left: float | None
    alarm: float
    safety_evidence: float | None
    missing_evidence: float | None
    next: str


def outlook(state: GateState, asked: Mode, around: Circumstances) -> Outlook:
    """Where a domain stands.

    Args:
        state: of its gate.
        asked: the mode that was asked for; the gate moves only if that is `gated`.
        around: the settings that a step would be taken under.
    """
    phase = Phase(state.terms)
    alpha = ladder.alpha_i(state.terms if phase.bets else ladder.next_terms(state, around), state.attempt)
    tallies, improvement = phase.tallies(state.totals), phase.improvement(state.totals)
    safety, missing = phase.safety(state.totals), phase.missingness(state.totals)
    folded = tallies.decisions
    left = None if state.allowance_micro is None else (state.allowance_micro - state.unfolded_ppm) / MICRO
    return Outlook(
        tallies=tallies,
        unfolded=state.unfolded,
        evidence=wealth(log_wealth(improvement)),
        evidence_needed=1 / alpha,
        improvement=_improvement(tallies, phase) if phase.bets and folded else 0.0,
        improvement_low=improvement_low(improvement, phase.reach, alpha) / folded if phase.bets and folded else -1.0,
        confidence=1 - alpha,
        allowance_left=left,
        alarm=wealth(log_alarm(state.detector)),
        safety_evidence=None if safety is None else wealth(log_wealth(safety)),
        missing_evidence=None if missing is None else wealth(log_wealth(missing)),
        next=_next(state, asked, phase, around),
    )


def _next(state: GateState, asked: Mode, phase: Phase, around: Circumstances) -> str:
    if asked is Mode.OFF:
        return "stays off: nothing is recorded"
    if asked is not Mode.GATED:
        return f"stays {asked}: this mode was asked for, and the gate does not move it"
    sentence = {Mode.SHADOW: _after_shadow, Mode.CANARY: _after_canary, Mode.LIVE: _after_live}[state.stage]
    return sentence(state, phase, around) + _waiting(state)


def _after_shadow(state: GateState, phase: Phase, around: Circumstances) -> str:
    held, needed = phase.tallies(state.totals).held, around.settings.shadow_decisions
    if held < needed:
        return f"canary, once the baseline's mean is known: {held:,} of {needed:,} decisions have ended"
    terms = ladder.next_terms(state, around)
    return _shut("canary", terms.loss_max_micro, ladder.least_micro(terms, state.attempt), state.attempt)


def _after_canary(state: GateState, phase: Phase, around: Circumstances) -> str:
    needed = 1 / ladder.alpha_i(state.terms, state.attempt)
    if ladder.proven(state, phase):
        if not ladder.safe(state, phase):
            return "live, once it is proven that safety is not worse by the margin; the improvement is proven"
        if ladder.suspected(state, phase):
            return "live, once nothing speaks for rewards going missing on one side; the improvement is proven"
        above = ladder.next_terms(state, around)
        return _shut("live", above.loss_max_micro, ladder.least_micro(above, state.attempt), state.attempt)
    if not state.has_room:
        return "nothing is exposed until rewards come in: what is exposed already may use up the allowance"
    tallies = phase.tallies(state.totals)
    most = decisions_of(around.settings.attempt_decisions, state.attempt)
    return (
        f"live, when the evidence reaches {needed:,.4g}{_pace(state, phase, tallies)}; else a fresh attempt after "
        f"{max(0, most - tallies.decisions):,} more sampled decisions"
    )


def _pace(state: GateState, phase: Phase, tallies: Tallies) -> str:
    """How far the evidence is, and how long it takes if it goes on growing as it did."""
    log_evidence = log_wealth(phase.improvement(state.totals))
    if not tallies.decisions:
        return " (no decision in which policy and baseline differ is folded yet)"
    if log_evidence <= math.log(2) or _improvement(tallies, phase) <= 0:
        return f" (now {wealth(log_evidence):,.3g}: no improvement to be seen so far)"
    most = -math.log(ladder.alpha_i(state.terms, state.attempt))
    more = math.ceil(tallies.decisions * max(0.0, most - log_evidence) / log_evidence)
    return f" (now {wealth(log_evidence):,.3g}; at this rate after some {more:,} more sampled decisions)"


def _after_live(state: GateState, _: Phase, around: Circumstances) -> str:
    alarm, most = wealth(log_alarm(state.detector)), around.settings.false_alarm_epochs
    if not state.has_room:
        return "stays live, but the baseline is executed until rewards come in: the allowance has no room for more"
    return f"stays live; back to shadow when the alarm reaches {most:,} (now {alarm:,.3g}) or the allowance is used up"


def _waiting(state: GateState) -> str:
    cell = state.cells.get(state.folded + 1)
    if cell is None:
        return ""
    waiting = f"{cell.open:,} of epoch {cell.number:,} wait for a reward or its deadline"
    return f". {state.unfolded:,} decisions are not counted yet: {waiting}"


def _shut(stage: str, loss_max_micro: int, least_micro: int, attempt: int) -> str:
    return (
        f"{stage} is shut: attempt {attempt} may lose {loss_max_micro / MICRO:.3g} rewards there, and one exposure "
        f"needs {least_micro / MICRO:.3g}. Raise gate.{stage}_loss_max, or set the mode gated with reset_attempts"
    )


def _improvement(tallies: Tallies, phase: Phase) -> float:
    """The mean difference D of the folded decisions, recomputed from the tallies."""
    terms, control = phase.terms, phase.terms.mean_micro
    exposed, held = tallies.exposed, tallies.held
    held_micro = tallies.held_micro + (tallies.held_missing * MICRO if terms.missing == "worst" else 0)
    if terms.missing == "neutral":
        exposed, held = exposed - tallies.exposed_missing, held - tallies.held_missing
    up = (tallies.exposed_micro - control * exposed) / phase.share
    down = (held_micro - control * held) / (1 - phase.share)
    return (up - down) / MICRO / tallies.decisions


assert PPM == MICRO  # so that an allowance in micro-units and shares in parts per million may be compared
