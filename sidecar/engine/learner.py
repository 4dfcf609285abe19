"""One domain of one workspace, as one sidecar knows it: settings in force, policy, and a view of the state.

It decides and remembers; it never waits. Statistics are as of the last reply of the store, and choices made from
them are kept as long as they may be (`posterior_refresh_ms`), since the exact probabilities cost more than a draw.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from random import Random
from typing import Any

import msgspec

from sidecar.clock import Clock
from sidecar.engine.recollection import Recollection
from sidecar.engine.sightings import LOOK_MOST, Sighting, Sightings
from sidecar.errors import InvalidSettings
from sidecar.gate.ladder import Circumstances
from sidecar.gate.phase import Phase
from sidecar.gate.prior import with_prior
from sidecar.model.arm import Arm
from sidecar.model.decision import Ask
from sidecar.model.gate import GateEvent
from sidecar.model.ids import fresh_mark
from sidecar.model.mode import STAGES, Mode
from sidecar.model.names import Scope
from sidecar.model.units import nano_usd
from sidecar.model.view import DomainView
from sidecar.policies.base import Policy
from sidecar.policies.catalogue import make_policy
from sidecar.policies.choice import Choice
from sidecar.rewards.engine import RewardEngine
from sidecar.rewards.pipe import Report, RewardPipe
from sidecar.settings.domain import BudgetSettings, DomainSettings, PolicySettings
from sidecar.settings.file import Configuration
from sidecar.store.transitions import Applied, Freshness, Issue, Issued, Level, Shape

Moved = Callable[[Scope, GateEvent], None]
"""Told of every change of stage that this sidecar made."""
Decided = Callable[[Issue, Issued], None]
"""Told of every decision that was recorded for this sidecar."""

_log = logging.getLogger(__name__)


class Learner:
    """Decides for one scope.

    Args:
        scope: whose decisions.
        configuration: what is declared.
        clock: for ages of what is remembered.
        policy: an instance to use instead of the declared policy.
        moved: told when the gate moves.
        decided: told of recorded decisions.
    """

    def __init__(
        self,
        scope: Scope,
        configuration: Configuration,
        clock: Clock,
        policy: Policy | None = None,
        moved: Moved = lambda _scope, _event: None,
        decided: Decided = lambda _issue, _issued: None,
    ) -> None:
        """Start with nothing known."""
        self.scope = scope
        self._decided = decided
        self.moved = moved
        self.mark = fresh_mark()
        """In what is recorded from now on: tells it from what other sidecars record, and from what came before."""
        self._configuration = configuration
        self._clock = clock
        self._given_policy = policy
        self.workspace_budget = configuration.workspace_budget(scope.tenant, scope.workspace)
        self.prospects: Recollection[Any] = Recollection(clock)
        """What questions look like at present; whoever plans keeps them here."""
        self._sightings = Sightings()
        self._own_since = 0
        """From this version of the statistics on only rewards of this sidecar's own have changed them."""
        self.money_short = False
        """Whether of late the dearest candidates were not affordable, so that all prices are worth being offered."""
        self.phase = Phase(DomainView().gate.terms)
        self._policy_settings: PolicySettings | None = None
        self.view = DomainView()
        self._fetched_at: float | None = None
        self._refresh_asked_at = -math.inf
        self._configure(configuration.domain(scope.domain))
        self._stand()

    def age_ms(self) -> float:
        """How old the view is, in milliseconds; infinite before the first."""
        return float("inf") if self._fetched_at is None else (self._clock.monotonic() - self._fetched_at) * 1000

    def refresh(self, view: DomainView, wanted: Sequence[str] = ()) -> None:
        """Take a newer view. A new revision brings its settings into force.

        A view that is not whole tells of the `wanted` arms; what is known of others stays.
        """
        if view.control.revision != self.view.control.revision:
            self._configure(self.settings_under(view.control.settings_json))
            self.phase = Phase(view.gate.terms)
        before, self._fetched_at = self._fetched_at, self._clock.monotonic()
        if view.version != self.view.version:
            self._own_since = view.version
        if view.whole:
            self.view = replace(view, arms=dict(view.arms))
            self._sightings.clear()
        else:
            if self.view.whole and before is not None:
                self._sightings.note(self.view.arms, Sighting(before, self.view.version))
            gone = {name: Arm(name) for name in wanted}
            self.view = replace(view, arms={**self.view.arms, **gone, **view.arms})
            self._sightings.note(wanted, Sighting(self._fetched_at, view.version))
        self._stand()

    def issued(self, issued: Issued, issue: Issue) -> None:
        """Note what an issued decision told of the state."""
        self._decided(issue, issued)
        self.money_short = self.money_short and issued.offer > 0
        if issued.view is not None:
            self.refresh(issued.view, issue.wanted)
        elif issue.freshness != "any":
            self._fetched_at = self._clock.monotonic()
            if not self.view.whole:
                self._sightings.note(issue.wanted, Sighting(self._fetched_at, issue.known_version))

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

    def evidence(self, report: Report) -> dict[str, tuple[int, ...]]:
        """What a report adds to the gate's sums, should the decision have executed the baseline or the proposal."""
        micro, safety = report.reward_micro, report.safety_micro
        if micro is None:
            return {"held": (), "exposed": ()}
        return {
            "held": self.phase.settled(micro, safety, exposed=False),
            "exposed": self.phase.settled(micro, safety, exposed=True) if self.phase.bets else (),
        }

    def circumstances(self, settings: DomainSettings | None = None) -> Circumstances:
        """What a step of the gate depends on; under other settings if they are about to be laid over."""
        settings, revision = settings or self.settings, self.view.control.revision
        seed = settings.gate.seed
        salt = secrets.token_hex(16) if seed is None else blake2b(f"{seed}|{revision}".encode()).hexdigest()[:32]
        pinned = self.asked is not Mode.GATED
        return Circumstances(settings.gate, _subject(settings), self.view.now_ms, salt, pinned)

    def settings_under(self, settings_json: str) -> DomainSettings:
        """The domain's settings with others laid over; the present ones when they are not valid here."""
        overrides = msgspec.json.decode(settings_json) if settings_json else {}
        try:
            return self._configuration.domain_with(self.scope.domain, overrides)
        except InvalidSettings as error:  # another version of the sidecar took them; decisions must go on
            _log.warning("settings laid over %s are not valid here and stay out of force: %s", self.scope, error)
            return self.settings

    def renew_mark(self) -> None:
        """What is recorded from now on is none of what a call that has failed left behind."""
        self.mark = fresh_mark()
        self.prospects.clear()

    def choice(self, arms: Sequence[Arm], ask: Ask) -> Choice:
        """How the policy chooses among these arms, as of the view."""
        return self.policy.choice(self._believed(arms, ask), ask.context)

    def version_of(self, names: Sequence[str]) -> int:
        """The version of what is known of these arms; none at all where some of them were never looked at."""
        seen = self.view.version if self.view.whole else self._sightings.oldest(names).version
        return self.view.version if seen >= self._own_since else seen

    def wanted(self, names: Sequence[str]) -> tuple[str, ...]:
        """Of which of these arms newer statistics shall come along, should there be too many to send all."""
        return self._sightings.next(names)

    def _believed(self, arms: Sequence[Arm], ask: Ask) -> Sequence[Arm]:
        """The statistics with the conservative prior; as they are for a plain bandit."""
        if self.mode not in STAGES:
            return arms
        baseline = self.view.arm(ask.baseline)
        return [with_prior(arm, baseline, self.settings.gate) for arm in arms]

    def freshness(self, names: Sequence[str]) -> Freshness:
        """Whether a decision among these arms may be made on the present view, or a newer one is to come along."""
        now = self._clock.monotonic()
        age = self.age_ms() if self.view.whole else (now - self._sightings.oldest(names).at) * 1000
        refresh_ms = self.settings.posterior_refresh_ms
        if age > self.settings.posterior_age_ms_max or refresh_ms == 0:
            return "exact"
        # One of the calls that are under way brings what is newer; if all did, it would be sent and read many times.
        parts = 1 if self.view.whole else math.ceil(len(names) / LOOK_MOST)
        if age < refresh_ms or (now - self._refresh_asked_at) * 1000 < refresh_ms / parts:
            return "any"
        self._refresh_asked_at = now
        return "refresh"

    @property
    def budgets(self) -> tuple[BudgetSettings, BudgetSettings]:
        """Of the domain and of the whole workspace."""
        return self.settings.budget, self.workspace_budget

    @property
    def limited(self) -> bool:
        """Whether either budget has a limit."""
        return any(budget.limit_usd is not None for budget in self.budgets)

    @property
    def refuses(self) -> bool:
        """Whether nothing is executed when a limit affords nothing."""
        return any(one.limit_usd is not None and one.when_exhausted == "refuse" for one in self.budgets)

    @property
    def levels(self) -> tuple[Level, Level]:
        """Both budgets as the store takes them."""
        domain, workspace = self.budgets
        return _level(domain), _level(workspace)

    def _stand(self) -> None:
        """Note where the domain stands: every decision asks, and only a new view changes it."""
        asked = self.view.control.mode
        self.asked = Mode(asked) if asked else self.settings.mode
        """The mode that was asked for: as set at run time, else as declared."""
        self.mode = self.view.gate.stage if self.asked is Mode.GATED else self.asked
        """The mode in force; of a gated domain the stage that it has reached."""
        self.sampling = self.asked in (Mode.GATED, Mode.CANARY, Mode.LIVE)
        """Whether decisions are evidence for the gate: unless another mode is pinned, or canary or live is."""

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
        self.prospects.clear()


def _level(budget: BudgetSettings) -> Level:
    return Level(
        None if budget.limit_usd is None else nano_usd(budget.limit_usd),
        budget.window,
        None if budget.pace_usd_per_decision is None else nano_usd(budget.pace_usd_per_decision),
    )


def _subject(settings: DomainSettings) -> str:
    """What the gate compares, in short: another reward or another policy makes old evidence speak of something else."""
    compared = (
        settings.reward.signals,
        settings.reward.missing_signal,
        settings.policy.name,
        settings.policy.parameters,
    )
    return blake2b(msgspec.json.encode((*compared, settings.gate.missing)), digest_size=6).hexdigest()
