"""One domain of one workspace, as one sidecar knows it: settings in force, policy, and a view of the state.

It decides and remembers; it never waits. Statistics are as of the last reply of the store, and choices made from
them are kept as long as they may be (`posterior_refresh_ms`), since the exact probabilities cost more than a draw.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random

import msgspec

from sidecar.clock import Clock
from sidecar.engine.preference import Odds, Tier, fixed, ranked
from sidecar.errors import InvalidSettings
from sidecar.model.arm import Arm
from sidecar.model.decision import Ask, Decision, ShieldAction, Source
from sidecar.model.mode import Mode
from sidecar.model.names import Scope
from sidecar.model.units import nano_usd, reward_micro
from sidecar.model.view import DomainView
from sidecar.policies.base import Policy
from sidecar.policies.catalogue import make_policy
from sidecar.policies.choice import Choice
from sidecar.rewards.engine import RewardEngine
from sidecar.rewards.pipe import Report, RewardPipe
from sidecar.settings.domain import BudgetSettings, DomainSettings, PolicySettings
from sidecar.settings.file import Configuration
from sidecar.shields.budget import Affordable, affordable_cases, cost_ceilings
from sidecar.shields.latency import latency_shield
from sidecar.store.transitions import Applied, Freshness, Issue, Issued, Level, Offer, Shape

_CHOICES_MAX = 256

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A choice, the version of the statistics it was made from, and when."""

    choice: Choice
    version: int
    made_at: float


class Learner:
    """Decides for one scope.

    Args:
        scope: whose decisions.
        configuration: what is declared.
        clock: for ages of what is remembered.
        policy: an instance to use instead of the declared policy.
    """

    def __init__(self, scope: Scope, configuration: Configuration, clock: Clock, policy: Policy | None = None) -> None:
        """Start with nothing known."""
        self.scope = scope
        self._configuration = configuration
        self._clock = clock
        self._given_policy = policy
        self._workspace_budget = configuration.workspace_budget(scope.tenant, scope.workspace)
        self._choices: dict[tuple[str, ...], _Remembered] = {}
        self._policy_settings: PolicySettings | None = None
        self.view = DomainView()
        self._fetched_at: float | None = None
        self._configure(configuration.domain(scope.domain))

    @property
    def mode(self) -> Mode:
        """The mode in force: as set at run time, else as declared."""
        return Mode(self.view.control.mode) if self.view.control.mode else self.settings.mode

    def age_ms(self) -> float:
        """How old the view is, in milliseconds; infinite before the first."""
        return float("inf") if self._fetched_at is None else (self._clock.monotonic() - self._fetched_at) * 1000

    def refresh(self, view: DomainView) -> None:
        """Take a newer view. A new revision brings its settings into force."""
        if view.control.revision != self.view.control.revision:
            self._configure(self._laid_over(view))
        self.view = view
        self._fetched_at = self._clock.monotonic()

    def issued(self, issued: Issued, freshness: Freshness) -> None:
        """Note what an issued decision told of the state."""
        if issued.view is not None:
            self.refresh(issued.view)
        elif freshness != "any":
            self._fetched_at = self._clock.monotonic()

    def applied(self, applied: Applied, report: Report) -> None:
        """Count a reward just applied, without asking the store, if no other change came between."""
        if applied.version != self.view.version + 1 or report.reward_micro is None or report.reward_sq_nano is None:
            return
        arm = self.view.arm(applied.arm)
        after = replace(
            arm,
            count=arm.count + 1,
            reward_micro=arm.reward_micro + report.reward_micro,
            reward_sq_nano=arm.reward_sq_nano + report.reward_sq_nano,
            cost_nano=arm.cost_nano + (report.cost_nano or 0),
            cost=applied.cost,
            latency=applied.latency,
        )
        self.view = self.view.with_arm(after, applied.version)

    def plan(self, ask: Ask, *, settled: bool) -> tuple[Issue, tuple[Decision, ...]]:
        """What to ask of the store, and the decision that belongs to each offer.

        Args:
            ask: the request.
            settled: the view was just fetched for this request; do not ask for a newer one again.
        """
        arms = [self.view.arm(candidate.arm) for candidate in ask.candidates]
        tiers, learned, actions = self._tiers(ask, arms)
        orders = [ranked(tier, self.policy.rng) for tier in tiers]
        proposal = next((order[0] for tier, order in zip(tiers, orders, strict=True) if tier is learned), None)
        order = list(dict.fromkeys(chain.from_iterable(orders)))
        cases = affordable_cases(
            order,
            cost_ceilings(ask.candidates, arms, self.settings),
            [arm.name for arm in arms],
            limited=any(budget.limit_usd is not None for budget in self._budgets),
            paced=any(budget.pace_usd_per_decision is not None for budget in self._budgets),
            refuse=any(b.limit_usd is not None and b.when_exhausted == "refuse" for b in self._budgets),
        )
        odds, decided = Odds(tiers), []
        for case in cases:
            for index in case.added:
                odds.allow(index)
            # Without an affordable candidate the cheapest is certain.
            propensity = odds.of(case.chosen) if case.added else 1.0
            decided.append(self._decision(ask, arms, proposal, actions, case, propensity))
        decided.reverse()
        return self._issue(ask, cases[::-1], decided, settled=settled), tuple(decided)

    def _tiers(self, ask: Ask, arms: Sequence[Arm]) -> tuple[list[Tier], Tier | None, tuple[ShieldAction, ...]]:
        verdict = latency_shield(arms, ask.max_latency_us, self.settings.latency, self.view.now_ms)
        allowed = [arms[i] for i in verdict.allowed]
        learned = Tier(verdict.allowed, self._choice(allowed, ask)) if allowed else None
        tiers = [fixed((0,))] if self.mode is Mode.SHADOW else []
        tiers += [learned] if learned else []
        tiers += [fixed(verdict.too_slow)] if verdict.too_slow else []
        return tiers, learned, verdict.actions

    def _choice(self, arms: Sequence[Arm], ask: Ask) -> Choice:
        if self.policy.contextual:
            return self.policy.choice(arms, ask.context)
        names = tuple(arm.name for arm in arms)
        kept, now = self._choices.get(names), self._clock.monotonic()
        if kept and (
            kept.version == self.view.version or (now - kept.made_at) * 1000 < self.settings.posterior_refresh_ms
        ):
            return kept.choice
        if len(self._choices) >= _CHOICES_MAX:
            self._choices.clear()
        choice = self.policy.choice(arms, ask.context)
        self._choices[names] = _Remembered(choice, self.view.version, now)
        return choice

    def _decision(
        self,
        ask: Ask,
        arms: Sequence[Arm],
        proposal: int | None,
        actions: tuple[ShieldAction, ...],
        case: Affordable,
        propensity: float,
    ) -> Decision:
        shadow = self.mode is Mode.SHADOW
        wanted = 0 if shadow else proposal
        source = Source.BASELINE if shadow else Source.LEARNED
        return Decision(
            decision_id=ask.decision_id,
            arm=arms[case.chosen].name,
            baseline=ask.baseline,
            mode=self.mode,
            source=source if case.chosen == wanted else Source.SHIELD,
            propensity=propensity,
            proposal="" if proposal is None else arms[proposal].name,
            shields=actions + case.actions,
            policy=self.policy.name,
            statistics_version=self.view.version,
            reserved_nano=case.ceiling_nano,
        )

    def _issue(self, ask: Ask, cases: Sequence[Affordable], decisions: Sequence[Decision], *, settled: bool) -> Issue:
        reward = self.settings.reward
        ignored = reward.missing_reward == "ignore"
        return Issue(
            scope=self.scope,
            decision_id=ask.decision_id,
            known_version=self.view.version,
            known_revision=self.view.control.revision,
            freshness="any" if settled else self._freshness(),
            reward_deadline_ms=ask.reward_deadline_ms or round(reward.deadline_s * 1000),
            default_reward_micro=None if ignored else reward_micro(float(reward.missing_reward)),
            shape=self.shape,
            domain_level=_level(self.settings.budget),
            workspace_level=_level(self._workspace_budget),
            shadow_proposal=decisions[0].proposal if self.mode is Mode.SHADOW else "",
            offers=tuple(_offer(case, decision) for case, decision in zip(cases, decisions, strict=True)),
        )

    def _freshness(self) -> Freshness:
        age = self.age_ms()
        if age > self.settings.posterior_age_ms_max or self.settings.posterior_refresh_ms == 0:
            return "exact"
        return "refresh" if age >= self.settings.posterior_refresh_ms else "any"

    @property
    def _budgets(self) -> tuple[BudgetSettings, BudgetSettings]:
        return self.settings.budget, self._workspace_budget

    def _laid_over(self, view: DomainView) -> DomainSettings:
        overrides = msgspec.json.decode(view.control.settings_json) if view.control.settings_json else {}
        try:
            return self._configuration.domain_with(self.scope.domain, overrides)
        except InvalidSettings as error:  # another version of the sidecar took them; decisions must go on
            _log.warning("settings laid over %s are not valid here and stay out of force: %s", self.scope, error)
            return self.settings

    def _configure(self, settings: DomainSettings) -> None:
        declared = settings.policy
        if declared != self._policy_settings:  # else its generator goes on where it is
            rng = None if declared.seed is None else Random(declared.seed)  # noqa: S311 - exploration, not secrets
            self.policy = self._given_policy or make_policy(declared.name, declared.parameters, rng)
        self._policy_settings = declared
        self.settings = settings
        self.pipe = RewardPipe(RewardEngine(settings.reward))
        self.shape = Shape(
            settings.averages.ewma_length, settings.averages.recent_length, round(settings.reward.remember_s * 1000)
        )
        self._choices.clear()


def _offer(case: Affordable, decision: Decision) -> Offer:
    answer = msgspec.json.encode(decision).decode()
    return Offer(case.threshold_nano, decision.arm, case.ceiling_nano, answer, case.unpaced)


def _level(budget: BudgetSettings) -> Level:
    return Level(
        None if budget.limit_usd is None else nano_usd(budget.limit_usd),
        budget.window,
        None if budget.pace_usd_per_decision is None else nano_usd(budget.pace_usd_per_decision),
    )
