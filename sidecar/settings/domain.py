"""What may be declared for one kind of decision. Defaults are argued for beside each field."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from sidecar.model.mode import Mode
from sidecar.model.signals import Signal
from sidecar.model.units import COST_USD_MAX, LATENCY_MS_MAX, LIMIT_USD_MAX

PositiveMs = Annotated[float, Meta(gt=0, le=LATENCY_MS_MAX)]
Usd = Annotated[float, Meta(ge=0, le=COST_USD_MAX)]
LimitUsd = Annotated[float, Meta(ge=0, le=LIMIT_USD_MAX)]
Finite = Annotated[float, Meta(ge=-1e12, le=1e12)]


class PolicySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Which policy learns, and how."""

    name: Annotated[str, Meta(min_length=1, max_length=128)] = "thompson"
    """Thompson sampling explores no more than it must, and tolerates late rewards."""
    parameters: dict[str, float] = field(default_factory=dict)
    """The constructor's arguments, such as `epsilon` or `prior_mean`."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    """Makes exploration reproducible, in tests and replays. Not set: every sidecar explores differently."""


class SignalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One signal's part in the reward."""

    weight: Annotated[float, Meta(ge=0, le=1e6)] = 1.0
    """Relative to the other weights; 0 leaves the signal out."""
    low: Finite = 0.0
    """The lower end of the range."""
    high: Finite = 1.0
    """The upper end of the range; above `low`."""


def _default_signals() -> dict[Signal, SignalSettings]:
    return {signal: SignalSettings() for signal in (Signal.QUALITY, Signal.GROUNDEDNESS, Signal.SAFETY)}


class RewardSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How signals become one reward in [0, 1]."""

    signals: dict[Signal, SignalSettings] = field(default_factory=_default_signals)
    """Declared signals. By default the three that need no unit, alike; cost and latency need a range first."""
    missing_signal: Literal["skip", "worst", "required"] = "skip"
    """`skip` spreads the weight over the signals that came; `worst` counts 0; `required` refuses the report."""
    missing_reward: Literal["ignore"] | Annotated[float, Meta(ge=0, le=1)] = "ignore"
    """What a decision without any reward counts for at its deadline. `ignore` suits optional feedback; a number,
    such as 0, suits feedback that fails to come *because* the outcome was bad."""
    deadline_s: Annotated[float, Meta(gt=0, le=604_800)] = 3600.0
    """How long a reward may take. An hour covers thumbs and judges; money is reserved no longer than this."""
    remember_s: Annotated[float, Meta(gt=0, le=2_592_000)] = 86_400.0
    """How long a closed decision is remembered, so that a repeated report is recognised."""


class BudgetSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How much may be spent."""

    limit_usd: LimitUsd | None = None
    """At most this much in a window: `spent + reserved <= limit` at every instant. Not set: no limit."""
    window: Literal["hour", "day", "month", "total"] = "total"
    """Windows are of the calendar in UTC, by the store's clock."""
    pace_usd_per_decision: Usd | None = None
    """Release the limit gradually, this much with each decision of the window, so that an early spree cannot
    starve the rest. What one decision does not use, a later one may. Where only the pace forbids the cheapest
    arm, it is paid from the rest of the limit."""
    when_exhausted: Literal["cheapest", "refuse"] = "cheapest"
    """When no candidate is affordable: execute the cheapest, booked as overrun, or answer REFUSED."""
    lease_usd: Usd = 0.0
    """Of the limit, so much is set aside for each sidecar, to decide with while the store is away. 0: meanwhile only
    what costs nothing is affordable. Of a workspace's budget it means nothing: money is set aside for a domain."""


class LatencySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How long an act may take."""

    max_ms: PositiveMs | None = None
    """For requests that do not say `max_latency_ms`. Not set: no limit."""
    quantile: Annotated[float, Meta(gt=0, lt=1)] = 0.95
    """The upper estimate is this quantile of the arm's recent latencies, or their mean if that is higher."""
    forget_after_s: Annotated[float, Meta(gt=0)] = 300.0
    """An arm that is stepped over yields no new samples; after this long its old ones count no more, so that
    it is tried again."""


class ArmSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of an arm beforehand: its price list."""

    cost_ceiling_usd: Usd | None = None
    """The most that one execution can cost. A request's own ceiling comes first."""


class AveragesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How fast the averages of cost and latency forget."""

    ewma_length: Annotated[int, Meta(ge=1, le=10_000)] = 16
    """Each value moves the mean by 1/length of the way."""
    recent_length: Annotated[int, Meta(ge=1, le=256)] = 32
    """Quantiles are taken over so many last values."""
    cost_quantile: Annotated[float, Meta(gt=0, le=1)] = 0.99
    """The ceiling of an arm without a declared one is this quantile of its recent costs."""


class GateSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What learning may bet, and how much evidence it needs; constants of a phase, read when one begins."""

    share: Annotated[float, Meta(gt=0, le=0.5)] = 0.1
    """In canary, the probability that a decision in which policy and baseline differ executes the policy's arm."""
    holdback: Annotated[float, Meta(gt=0, le=0.5)] = 0.1
    """In live, the probability that such a decision still executes the baseline, so that a regression is noticed."""
    alpha: Annotated[float, Meta(ge=1e-4, le=0.5)] = 0.05
    """The error of canary and of live, each over all attempts for ever."""
    canary_loss_max: Annotated[float, Meta(gt=0, le=1e6)] = 40.0
    """What the first canary may lose in all, in rewards: 40 is what 40 decisions lose that give 0 instead of 1. Every
    further attempt may lose half as much as the one before."""
    live_loss_max: Annotated[float, Meta(gt=0, le=1e6)] = 100.0
    """Likewise for live, where the comparison is noisier: few decisions execute the baseline. Yes-or-no rewards need
    more than scores; `learning-sidecar plan` says how much."""
    shadow_decisions: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    """So many decisions of the baseline must have ended before the first canary: they tell its mean, which narrows
    the noise."""
    attempt_decisions: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    """A canary without a verdict after so many sampled decisions starts afresh, the next after twice as many: that
    forgets the policy's bad early phase, but each attempt has less error and half the allowance."""
    epoch_decisions: Annotated[int, Meta(ge=1, le=10_000)] = 50
    """Evidence is looked at after so many sampled decisions, or when a sixteenth of the reward's deadline has
    passed."""
    missing: Literal["zero", "worst", "neutral"] = "zero"
    """What a reward that never comes counts for as evidence: 0; as bad for the policy as can be, for audits; or
    nothing, only for feedback that people give when they like, with a veto when it goes missing on one side more
    often."""
    safety_margin: Annotated[float, Meta(gt=0, lt=1)] | None = None
    """Promote only if safety, too, is proven not to be worse by more than this. Set it only where `safety` is
    reported."""
    false_alarm_epochs: Annotated[int, Meta(ge=10, le=100_000_000)] = 10_000
    """In live, on average so many epochs pass before a false alarm while nothing is worse."""
    prior_weight: Annotated[int, Meta(ge=0, le=10_000)] = 10
    """Every arm but the baseline begins as if so many rewards had shown it a little worse than the baseline."""
    prior_margin: Annotated[float, Meta(ge=0, le=1)] = 0.05
    """How much worse."""
    checkpoint_s: Annotated[float, Meta(ge=1, le=2_592_000)] = 3600.0
    """While live and well, what was learned is kept this often, beside what is kept at each promotion."""
    restore_on_rollback: bool = True
    """A rollback from live reinstates what was learned at the last checkpoint. What it replaces is kept in its
    place."""
    seed: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    """Makes the coins reproducible, in tests and replays. Whoever knows it can choose the arm: never set it in
    production."""


class DomainSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of decision."""

    mode: Mode = Mode.GATED
    """`gated` starts in shadow and goes on as evidence allows; the others stay as they are. Canary and live are
    pinned at run time, by SetMode."""
    gate: GateSettings = field(default_factory=GateSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    reward: RewardSettings = field(default_factory=RewardSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    latency: LatencySettings = field(default_factory=LatencySettings)
    averages: AveragesSettings = field(default_factory=AveragesSettings)
    arms: dict[str, ArmSettings] = field(default_factory=dict)
    """Price lists by arm. An arm that is not listed may still be a candidate."""
    posterior_refresh_ms: Annotated[float, Meta(ge=0, le=60_000)] = 50.0
    """How old the statistics behind a choice may grow before they are computed anew. Thompson sampling loses
    nothing by such batches; 0 computes them after every reward."""
    posterior_age_ms_max: Annotated[float, Meta(ge=0, le=600_000)] = 1000.0
    """A sidecar that has been idle for longer fetches the statistics before it decides."""


def as_builtins(settings: DomainSettings) -> dict[str, object]:
    """The settings as plain JSON values, to lay others over."""
    plain: dict[str, object] = msgspec.to_builtins(settings)
    return plain
