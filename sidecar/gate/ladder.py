"""Shadow, canary, live: folds epochs in order and decides, after each, whether to move up, back, or stay.

Source: docs/guarantee.md, Theorems 1 to 4. Every function is pure: the same state and the same epoch give the same step
in every sidecar, and the store lets exactly one of them win.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sidecar.gate.allowance import least_loss_max_micro, left_micro
from sidecar.gate.attempts import alpha_of, decisions_of, loss_max_of
from sidecar.gate.betting import log_wealth, wealth
from sidecar.gate.coin import PPM
from sidecar.gate.detector import after_epoch, log_alarm
from sidecar.gate.phase import Phase
from sidecar.model.gate import Cell, GateEvent, GateState, Terms, added
from sidecar.model.mode import Mode
from sidecar.model.units import MICRO
from sidecar.settings.domain import GateSettings

EVENTS_MAX = 8
_SUBJECT_SETTLES_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Step:
    """What folding an epoch, or an operator, makes of a state.

    With `new_phase` everything that the old phase had not folded yet is dropped as evidence; its possible loss was in
    the old phase's allowance. `checkpoint` keeps what was learned; `restore` reinstates what was kept.
    """

    state: GateState
    new_phase: bool = False
    checkpoint: bool = False
    restore: bool = False


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a step depends on beside state and epoch: settings, what is compared, the time, a new salt, a pin."""

    settings: GateSettings
    subject: str
    now_ms: int
    salt: str
    pinned: bool = False


def fold(state: GateState, cell: Cell, around: Circumstances) -> Step:
    """Fold the next epoch and judge."""
    phase = Phase(state.terms)
    totals = added(state.totals, phase.whole(cell))
    after = replace(
        state,
        totals=totals,
        folded=cell.number,
        unfolded_ppm=state.unfolded_ppm - cell.count * state.terms.share_ppm,
        subject=state.subject or around.subject,
    )
    if phase.bets:
        after = _with_evidence(after, phase, cell, bounded=not around.pinned)
    if around.pinned:
        return Step(after)
    if _compares_something_else(after, around):
        step = _retried(after, Mode.SHADOW, "reward, policy or gate settings changed", around)
        return replace(step, state=replace(step.state, subject=around.subject, subject_before=state.subject))
    return _JUDGES[state.stage](after, phase, around)


def operated(state: GateState, mode: Mode, reason: str, around: Circumstances, *, reset_attempts: bool) -> GateState:
    """What an operator's change of mode makes of a state: a new phase, at the bottom of the ladder or pinned.

    Attempts that were exposed stay spent, so that the promise covers all restarts; `reset_attempts` begins a new
    promise.
    """
    spent = state.stage is not Mode.SHADOW
    before = replace(state, attempt=1, granted_micro=0) if reset_attempts else state
    before = before if reset_attempts or not spent else replace(before, attempt=before.attempt + 1)
    if mode not in (Mode.CANARY, Mode.LIVE):
        stage, terms = Mode.SHADOW, Terms()
    else:
        stage, terms = mode, _terms(replace(state.terms, missing=around.settings.missing), mode, before.attempt, around)
    after = _entered(before, stage, terms, reason or f"set to {mode}", around, label=mode)
    return replace(after, subject=around.subject)


# --- one judge for each stage


def _judge_shadow(state: GateState, phase: Phase, around: Circumstances) -> Step:
    tallies = phase.tallies(state.totals)
    if tallies.held < around.settings.shadow_decisions:
        return Step(state)
    terms = _terms(_measured(state, phase, around.settings), Mode.CANARY, state.attempt, around)
    if not can_begin(terms, state.attempt):
        return Step(state)
    reason = f"the baseline's mean is known: {terms.mean_micro / MICRO:.3f} over {tallies.held:,} decisions"
    return Step(_granted(_entered(state, Mode.CANARY, terms, reason, around)), new_phase=True)


def _judge_canary(state: GateState, phase: Phase, around: Circumstances) -> Step:
    tallies, terms = phase.tallies(state.totals), state.terms
    if vetoed(state, phase):
        return _retried(state, Mode.SHADOW, "rewards go missing on one side more often", around)
    if proven(state, phase) and safe(state, phase) and not suspected(state, phase):
        live = _terms(terms, Mode.LIVE, state.attempt, around)
        if can_begin(live, state.attempt):
            evidence = wealth(log_wealth(phase.improvement(state.totals)))
            reason = (
                f"improvement is proven: evidence {evidence:,.4g} of {1 / alpha_i(terms, state.attempt):,.4g} needed"
            )
            after = replace(state, promotions=state.promotions + 1, checkpoint_at_ms=around.now_ms)
            return Step(_granted(_entered(after, Mode.LIVE, live, reason, around)), new_phase=True, checkpoint=True)
    if _used_up(state):
        return _retried(state, Mode.SHADOW, "the loss allowance of this attempt is used up", around)
    if tallies.decisions >= decisions_of(around.settings.attempt_decisions, state.attempt):
        return _retried(state, Mode.CANARY, f"no verdict after {tallies.decisions:,} decisions", around)
    return Step(state)


def _judge_live(state: GateState, _: Phase, around: Circumstances) -> Step:
    alarm, most = log_alarm(state.detector), math.log(around.settings.false_alarm_epochs)
    if alarm >= most or _used_up(state):
        reason = "a regression was detected" if alarm >= most else "the loss allowance of live is used up"
        restore = around.settings.restore_on_rollback
        after = _retried(replace(state, rollbacks=state.rollbacks + 1), Mode.SHADOW, reason, around).state
        event = replace(after.events[0], checkpoint_restored=restore)
        return Step(replace(after, events=(event, *after.events[1:])), new_phase=True, restore=restore)
    well = alarm < most / 2
    if well and around.now_ms - state.checkpoint_at_ms >= around.settings.checkpoint_s * 1000:
        return Step(replace(state, checkpoint_at_ms=around.now_ms), checkpoint=True)
    return Step(state)


_JUDGES: dict[Mode, Callable[[GateState, Phase, Circumstances], Step]] = {
    Mode.SHADOW: _judge_shadow,
    Mode.CANARY: _judge_canary,
    Mode.LIVE: _judge_live,
}

# --- what a judge asks


def alpha_i(terms: Terms, attempt: int) -> float:
    """The error that this attempt may make."""
    return alpha_of(terms.alpha_ppm / PPM, attempt)


def proven(state: GateState, phase: Phase) -> bool:
    """Whether improvement is proven: E >= 1 / alpha_i (Theorem 1)."""
    return _suffices(phase.improvement(state.totals), state)


def safe(state: GateState, phase: Phase) -> bool:
    """Whether safety is proven not to be worse by the margin, if that is asked for.

    Both this and `proven` must hold, so neither takes from the other's alpha (intersection-union).
    """
    bets = phase.safety(state.totals)
    return bets is None or _suffices(bets, state)


def vetoed(state: GateState, phase: Phase) -> bool:
    """Whether missing rewards were found to depend on the executed side, under the rule `neutral`."""
    bets = phase.missingness(state.totals)
    return bets is not None and _suffices(bets, state)


def suspected(state: GateState, phase: Phase) -> bool:
    """Whether, under the rule `neutral`, more speaks for rewards going missing on one side than against it.

    Not a proof, but reason enough to wait with a promotion: missing rewards are all that can fake one.
    """
    bets = phase.missingness(state.totals)
    return bets is not None and log_wealth(bets) > 0


def can_begin(terms: Terms, attempt: int) -> bool:
    """Whether the phase's allowance suffices for one exposure; with halving allowances the gate shuts one day."""
    return least_micro(terms, attempt) <= terms.loss_max_micro


def least_micro(terms: Terms, attempt: int) -> int:
    """The least allowance under which the phase can begin, in micro-units of reward."""
    return least_loss_max_micro(terms.share_ppm, Phase(terms).reach, alpha_i(terms, attempt))


def next_terms(state: GateState, around: Circumstances) -> Terms:
    """The terms of the phase above: of canary as shadow knows the baseline so far, of live as canary has them."""
    if state.stage is Mode.SHADOW:
        measured = _measured(state, Phase(state.terms), around.settings)
        return _terms(measured, Mode.CANARY, state.attempt, around)
    return _terms(state.terms, Mode.LIVE, state.attempt, around)


def _suffices(bets: Sequence[int], state: GateState) -> bool:
    """Whether the wealth of these bets reaches 1 / alpha_i."""
    return log_wealth(bets) >= -math.log(alpha_i(state.terms, state.attempt))


def _used_up(state: GateState) -> bool:
    left = state.allowance_micro
    return left is not None and state.unfolded_ppm <= 0 and left < state.terms.share_ppm


def _compares_something_else(state: GateState, around: Circumstances) -> bool:
    """While sidecars with old and new settings run side by side, the old ones must not turn it back and forth."""
    old = around.subject == state.subject_before and around.now_ms - state.began_at_ms < _SUBJECT_SETTLES_MS
    return around.subject != state.subject and not old


# --- phases


def _with_evidence(state: GateState, phase: Phase, cell: Cell, *, bounded: bool) -> GateState:
    live = state.stage is Mode.LIVE
    return replace(
        state,
        detector=after_epoch(state.detector, phase.regression(phase.whole(cell))) if live else (),
        allowance_micro=_left_micro(state, phase) if bounded else None,
    )


def _left_micro(state: GateState, phase: Phase) -> int:
    terms, alpha = state.terms, alpha_i(state.terms, state.attempt)
    return left_micro(terms.loss_max_micro, terms.share_ppm, phase.improvement(state.totals), phase.reach, alpha)


def _measured(state: GateState, phase: Phase, settings: GateSettings) -> Terms:
    """The control variates as shadow found them: means of the settled reward, by the rule for missing ones."""
    tallies = phase.tallies(state.totals)
    held, came = max(1, tallies.held), max(1, tallies.held - tallies.held_missing)
    means = {
        "zero": tallies.held_micro / held,
        "worst": (tallies.held_micro + tallies.held_missing * MICRO) / held,
        "neutral": tallies.held_micro / came,
    }
    safety = tallies.safety_micro / tallies.safety_count if tallies.safety_count else MICRO / 2
    return replace(
        state.terms,
        mean_micro=round(means[settings.missing]),
        missing=settings.missing,
        missing_ppm=round(PPM * tallies.held_missing / held),
        safety_mean_micro=round(safety),
    )


def _terms(known: Terms, stage: Mode, attempt: int, around: Circumstances) -> Terms:
    settings, live = around.settings, stage is Mode.LIVE
    share = 1 - settings.holdback if live else settings.share
    first = settings.live_loss_max if live else settings.canary_loss_max
    margin = settings.safety_margin
    return replace(
        known,
        share_ppm=round(share * PPM),
        alpha_ppm=round(settings.alpha * PPM),
        loss_max_micro=loss_max_of(round(first * MICRO), attempt),
        safety_margin_micro=None if margin is None else round(margin * MICRO),
    )


def _retried(state: GateState, stage: Mode, reason: str, around: Circumstances) -> Step:
    """The next attempt, if this one was exposed: straight in canary when its allowance suffices, else from shadow."""
    attempt = state.attempt if state.stage is Mode.SHADOW else state.attempt + 1
    after = replace(state, attempt=attempt)
    if stage is Mode.CANARY:
        terms = _terms(state.terms, Mode.CANARY, attempt, around)
        if can_begin(terms, attempt):
            return Step(_granted(_entered(after, Mode.CANARY, terms, reason, around)), new_phase=True)
    return Step(_entered(after, Mode.SHADOW, Terms(), reason, around), new_phase=True)


def _granted(state: GateState) -> GateState:
    """The first exposures of a phase are bounded by what is left before anything is known."""
    granted = state.granted_micro + state.terms.loss_max_micro
    return replace(state, allowance_micro=_left_micro(state, Phase(state.terms)), granted_micro=granted)


def _entered(
    state: GateState, stage: Mode, terms: Terms, reason: str, around: Circumstances, *, label: Mode | None = None
) -> GateState:
    """The state at the beginning of a phase: nothing of the old one's evidence remains."""
    decisions = Phase(state.terms).tallies(state.totals).decisions
    event = GateEvent(around.now_ms, state.stage, label or stage, state.attempt, reason, decisions)
    return replace(
        state,
        stage=stage,
        terms=terms,
        salt=around.salt,
        epoch=1,
        folded=0,
        unfolded_ppm=0,
        allowance_micro=None,
        totals=(),
        detector=(),
        cells={},
        began_at_ms=around.now_ms,
        events=(event, *state.events)[:EVENTS_MAX],
    )
