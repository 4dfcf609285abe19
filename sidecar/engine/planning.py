"""What to ask of the store for one request: a menu for every amount of money, and the decision behind each offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
from msgspec import structs

from sidecar.engine.exposure import BASELINE, Exposure
from sidecar.engine.learner import Learner
from sidecar.engine.preference import Odds
from sidecar.engine.prospect import Prospect
from sidecar.gate.coin import PPM, toss
from sidecar.model.decision import Ask, Decision, Source
from sidecar.model.mode import STAGES, Mode
from sidecar.model.units import reward_micro
from sidecar.shields.budget import Affordable, affordable_cases, stepped_over
from sidecar.store.transitions import Issue, Menu, Offer, Sample

_EPOCHS_A_DEADLINE = 16
_EPOCH_MS_LEAST = 1000
_CASES_MOST = 2


class Plan(NamedTuple):
    """A menu, and the decision that belongs to each of its offers, without id."""

    menu: Menu
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class _Option:
    """A case of what is affordable with its decision; with `tossed` it holds only while the gate has room."""

    case: Affordable
    decision: Decision
    tossed: bool = False


def plan(learner: Learner, ask: Ask, *, settled: bool, complete: bool = False) -> tuple[Issue, tuple[Decision, ...]]:
    """What to ask of the store, and the decision that belongs to each offer.

    Args:
        learner: of the request's scope.
        ask: the request.
        settled: the view was just fetched for this request; do not ask for a newer one again.
        complete: offer something for every amount of money. Otherwise what is offered for the largest amounts will
            nearly always do, and the rest is asked for when it does not.
    """
    prospect = _prospect(learner, ask)
    preferred = prospect.draw(learner.policy.rng)
    gate = learner.view.gate
    share_ppm = gate.terms.share_ppm if learner.sampling else 0
    exposed = share_ppm > 0 and toss(gate.salt, learner.view.control.revision, ask.decision_id, share_ppm)
    made = _plan(learner, ask, prospect, preferred, exposed=exposed, complete=complete)
    freshness = "any" if settled else learner.freshness(prospect.names)
    issue = Issue(
        made.menu,
        ask.decision_id,
        learner.version_of(prospect.names),
        learner.view.control.revision,
        freshness,
        "kept" if ask.repeatable else "nothing",
        () if freshness == "any" else learner.wanted(prospect.names),
    )
    return issue, made.decisions


def _prospect(learner: Learner, ask: Ask) -> Prospect[Plan]:
    if learner.policy.contextual:
        return Prospect(learner, ask)
    key = (ask.candidates, ask.max_latency_us, ask.reward_deadline_ms)
    known: Prospect[Plan] | None = learner.prospects.get(key, learner.view, learner.settings.posterior_refresh_ms)
    return known or learner.prospects.put(key, Prospect(learner, ask), learner.view)


def _plan(
    learner: Learner, ask: Ask, prospect: Prospect[Plan], preferred: Sequence[int], *, exposed: bool, complete: bool
) -> Plan:
    signature = prospect.signature(preferred)
    if signature is None:
        return _made(learner, ask, prospect, preferred, exposed=exposed, complete=complete)
    key = (signature, exposed, complete)
    known = prospect.plans.get(key)
    if known is None:
        known = _made(learner, ask, prospect, preferred, exposed=exposed, complete=complete)
        prospect.keep(key, known)
    return known


def _made(
    learner: Learner, ask: Ask, prospect: Prospect[Plan], preferred: Sequence[int], *, exposed: bool, complete: bool
) -> Plan:
    cases = affordable_cases(
        prospect.order(preferred),
        prospect.ceilings,
        prospect.names,
        limited=prospect.limited,
        paced=any(budget.pace_usd_per_decision is not None for budget in learner.budgets),
        refuse=learner.refuses,
        most=None if complete else _CASES_MOST,
    )
    sample = _sample(learner, exposed=exposed)
    exposure = _exposure(sample, prospect, preferred)
    odds, options = Odds(prospect.tiers), []
    for case in cases:
        odds.allow(case.added)
        if exposure:
            exposure.allow(case.added)
        # Without an affordable candidate the cheapest is certain.
        propensity = odds.of(case.chosen) if case.added else 1.0
        options.append(_Option(case, _decision(learner, prospect, preferred, case, propensity)))
        if exposure and case.added:
            options += _tossed(learner, prospect, preferred, case, exposure)
    options.reverse()
    complete = complete or not prospect.limited or len(set(prospect.ceilings)) <= _CASES_MOST
    menu = _menu(learner, ask, options, sample, complete=complete)
    return Plan(menu, tuple(option.decision for option in options))


def _exposure(sample: Sample, prospect: Prospect[Plan], preferred: Sequence[int]) -> Exposure | None:
    """The coin of this decision; None where none is tossed."""
    if prospect.learned is None or not sample.share_ppm:
        return None
    return Exposure(prospect.learned, preferred, sample.share_ppm / PPM, exposed=sample.exposed)


def _decision(
    learner: Learner, prospect: Prospect[Plan], preferred: Sequence[int], case: Affordable, propensity: float
) -> Decision:
    gated = learner.mode in STAGES
    proposal = preferred[0] if preferred else None
    wanted = BASELINE if gated else proposal
    source = Source.BASELINE if gated else Source.LEARNED
    return Decision(
        decision_id="",
        arm=prospect.names[case.chosen],
        baseline=prospect.names[BASELINE],
        mode=learner.mode,
        source=source if case.chosen == wanted else Source.SHIELD,
        propensity=propensity,
        proposal="" if proposal is None else prospect.names[proposal],
        shields=prospect.actions + case.actions,
        policy=learner.policy.name,
        statistics_version=learner.view.version,
        reserved_nano=case.ceiling_nano,
        # In shadow what is observed is the baseline itself, wherever it is executed.
        sampled=learner.mode is Mode.SHADOW and learner.sampling and case.chosen == BASELINE and bool(case.added),
        mark=learner.mark,
    )


def _tossed(
    learner: Learner, prospect: Prospect[Plan], preferred: Sequence[int], case: Affordable, exposure: Exposure
) -> list[_Option]:
    """The same case with a coin, preferred while the gate's allowance has room; nothing where there is none."""
    tossed = exposure.tossed()
    if tossed is None:
        return []
    stepped = stepped_over(exposure.preferred(), prospect.names)
    case = replace(case, chosen=tossed.executed, ceiling_nano=prospect.ceilings[tossed.executed], actions=stepped)
    decision = structs.replace(
        _decision(learner, prospect, preferred, case, tossed.propensity),
        source=Source.BASELINE if tossed.executed == BASELINE else Source.LEARNED,
        proposal=prospect.names[tossed.proposal],
        sampled=tossed.proposal != BASELINE,
    )
    return [_Option(case, decision, tossed=True)]


def _menu(learner: Learner, ask: Ask, options: Sequence[_Option], sample: Sample, *, complete: bool) -> Menu:
    reward = learner.settings.reward
    ignored = reward.missing_reward == "ignore"
    proposal = options[0].decision.proposal if learner.mode in STAGES else ""
    domain_level, workspace_level = learner.levels
    return Menu(
        scope=learner.scope,
        reward_deadline_ms=ask.reward_deadline_ms or round(reward.deadline_s * 1000),
        default_reward_micro=None if ignored else reward_micro(float(reward.missing_reward)),
        shape=learner.shape,
        domain_level=domain_level,
        workspace_level=workspace_level,
        proposal=proposal,
        agrees=proposal == ask.baseline,
        sample=sample,
        offers=tuple(map(_offer, options)),
        complete=complete,
    )


def _sample(learner: Learner, *, exposed: bool) -> Sample:
    """What the decision adds to its epoch, if one of its offers is a sample."""
    if not learner.sampling:
        return Sample()
    lasts = round(learner.settings.reward.deadline_s * 1000 / _EPOCHS_A_DEADLINE)
    return Sample(
        exposed,
        learner.view.gate.terms.share_ppm,
        learner.settings.gate.epoch_decisions,
        max(_EPOCH_MS_LEAST, lasts),
    )


def _offer(option: _Option) -> Offer:
    case, decision = option.case, option.decision
    return Offer(
        case.threshold_nano,
        decision.arm,
        case.ceiling_nano,
        msgspec.json.encode(decision).decode(),
        case.unpaced,
        decision.sampled,
        option.tossed,
    )
