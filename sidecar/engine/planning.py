"""What to ask of the store for one request: offers for every amount of money, and the decision that belongs to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import msgspec
from msgspec import structs

from sidecar.engine.exposure import BASELINE, Exposure
from sidecar.engine.learner import Learner
from sidecar.engine.preference import Odds, Tier, fixed, ranked
from sidecar.gate.coin import PPM, toss
from sidecar.model.arm import Arm
from sidecar.model.decision import Ask, Decision, ShieldAction, Source
from sidecar.model.mode import STAGES, Mode
from sidecar.model.units import nano_usd, reward_micro
from sidecar.settings.domain import BudgetSettings
from sidecar.shields.budget import Affordable, affordable_cases, cost_ceilings, stepped_over
from sidecar.shields.latency import latency_shield
from sidecar.store.transitions import Issue, Level, Menu, Offer, Sample

_EPOCHS_A_DEADLINE = 16
_EPOCH_MS_LEAST = 1000


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A request with the names of its candidates, the policy's order among those that are fast enough, and why."""

    ask: Ask
    names: Sequence[str]
    preferred: Sequence[int]
    actions: tuple[ShieldAction, ...]

    @property
    def proposal(self) -> int | None:
        """What the policy would execute; None when every candidate is too slow."""
        return self.preferred[0] if self.preferred else None


@dataclass(frozen=True, slots=True)
class _Option:
    """A case of what is affordable with its decision; with `tossed` it holds only while the gate has room."""

    case: Affordable
    decision: Decision
    tossed: bool = False


def plan(learner: Learner, ask: Ask, *, settled: bool) -> tuple[Issue, tuple[Decision, ...]]:
    """What to ask of the store, and the decision that belongs to each offer.

    Args:
        learner: of the request's scope.
        ask: the request.
        settled: the view was just fetched for this request; do not ask for a newer one again.
    """
    arms = [learner.view.arm(candidate.arm) for candidate in ask.candidates]
    tiers, learned, actions = _tiers(learner, ask, arms)
    orders = [ranked(tier, learner.policy.rng) for tier in tiers]
    preferred = next((order for tier, order in zip(tiers, orders, strict=True) if tier is learned), [])
    drawn = _Drawn(ask, [arm.name for arm in arms], preferred, actions)
    ceilings = cost_ceilings(ask.candidates, arms, learner.settings)
    cases = affordable_cases(
        list(dict.fromkeys(chain.from_iterable(orders))),
        ceilings,
        drawn.names,
        limited=any(budget.limit_usd is not None for budget in learner.budgets),
        paced=any(budget.pace_usd_per_decision is not None for budget in learner.budgets),
        refuse=any(b.limit_usd is not None and b.when_exhausted == "refuse" for b in learner.budgets),
    )
    sample = _sample(learner, ask)
    exposure = _exposure(sample, learned, preferred)
    odds, options = Odds(tiers), []
    for case in cases:
        for index in case.added:
            odds.allow(index)
            if exposure:
                exposure.allow(index)
        # Without an affordable candidate the cheapest is certain.
        propensity = odds.of(case.chosen) if case.added else 1.0
        options.append(_Option(case, _decision(learner, drawn, case, propensity)))
        if exposure and case.added:
            options += _tossed(learner, drawn, case, exposure, ceilings)
    options.reverse()
    return _issue(learner, ask, options, sample, settled=settled), tuple(option.decision for option in options)


def _tiers(learner: Learner, ask: Ask, arms: Sequence[Arm]) -> tuple[list[Tier], Tier | None, tuple[ShieldAction, ...]]:
    verdict = latency_shield(arms, ask.max_latency_us, learner.settings.latency, learner.view.now_ms)
    allowed = [arms[i] for i in verdict.allowed]
    learned = Tier(verdict.allowed, learner.choice(allowed, ask)) if allowed else None
    tiers = [fixed((BASELINE,))] if learner.mode in STAGES else []
    tiers += [learned] if learned else []
    tiers += [fixed(verdict.too_slow)] if verdict.too_slow else []
    return tiers, learned, verdict.actions


def _exposure(sample: Sample, learned: Tier | None, preferred: Sequence[int]) -> Exposure | None:
    """The coin of this decision; None where none is tossed."""
    if learned is None or not sample.share_ppm:
        return None
    return Exposure(learned, preferred, sample.share_ppm / PPM, exposed=sample.exposed)


def _decision(learner: Learner, drawn: _Drawn, case: Affordable, propensity: float) -> Decision:
    gated = learner.mode in STAGES
    wanted = BASELINE if gated else drawn.proposal
    source = Source.BASELINE if gated else Source.LEARNED
    return Decision(
        decision_id="",
        arm=drawn.names[case.chosen],
        baseline=drawn.ask.baseline,
        mode=learner.mode,
        source=source if case.chosen == wanted else Source.SHIELD,
        propensity=propensity,
        proposal="" if drawn.proposal is None else drawn.names[drawn.proposal],
        shields=drawn.actions + case.actions,
        policy=learner.policy.name,
        statistics_version=learner.view.version,
        reserved_nano=case.ceiling_nano,
        # In shadow what is observed is the baseline itself, wherever it is executed.
        sampled=learner.mode is Mode.SHADOW and learner.sampling and case.chosen == BASELINE and bool(case.added),
    )


def _tossed(
    learner: Learner, drawn: _Drawn, case: Affordable, exposure: Exposure, ceilings: Sequence[int]
) -> list[_Option]:
    """The same case with a coin, preferred while the gate's allowance has room; nothing where there is none."""
    tossed = exposure.tossed()
    if tossed is None:
        return []
    stepped = stepped_over(exposure.preferred(), drawn.names)
    case = replace(case, chosen=tossed.executed, ceiling_nano=ceilings[tossed.executed], actions=stepped)
    decision = structs.replace(
        _decision(learner, drawn, case, tossed.propensity),
        source=Source.BASELINE if tossed.executed == BASELINE else Source.LEARNED,
        proposal=drawn.names[tossed.proposal],
        sampled=tossed.proposal != BASELINE,
    )
    return [_Option(case, decision, tossed=True)]


def _issue(learner: Learner, ask: Ask, options: Sequence[_Option], sample: Sample, *, settled: bool) -> Issue:
    reward = learner.settings.reward
    ignored = reward.missing_reward == "ignore"
    proposal = options[0].decision.proposal if learner.mode in STAGES else ""
    menu = Menu(
        scope=learner.scope,
        reward_deadline_ms=ask.reward_deadline_ms or round(reward.deadline_s * 1000),
        default_reward_micro=None if ignored else reward_micro(float(reward.missing_reward)),
        shape=learner.shape,
        domain_level=_level(learner.settings.budget),
        workspace_level=_level(learner.workspace_budget),
        proposal=proposal,
        agrees=proposal == ask.baseline,
        sample=sample,
        offers=tuple(map(_offer, options)),
    )
    return Issue(
        menu=menu,
        decision_id=ask.decision_id,
        known_version=learner.view.version,
        known_revision=learner.view.control.revision,
        freshness="any" if settled else learner.freshness(),
        repeatable=ask.repeatable,
    )


def _sample(learner: Learner, ask: Ask) -> Sample:
    """What the decision adds to its epoch, if one of its offers is a sample."""
    if not learner.sampling:
        return Sample()
    share_ppm = learner.view.gate.terms.share_ppm
    exposed = toss(learner.view.gate.salt, learner.view.control.revision, ask.decision_id, share_ppm)
    lasts = round(learner.settings.reward.deadline_s * 1000 / _EPOCHS_A_DEADLINE)
    return Sample(
        exposed,
        share_ppm,
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


def _level(budget: BudgetSettings) -> Level:
    return Level(
        None if budget.limit_usd is None else nano_usd(budget.limit_usd),
        budget.window,
        None if budget.pace_usd_per_decision is None else nano_usd(budget.pace_usd_per_decision),
    )
