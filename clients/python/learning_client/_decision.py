"""One decision as the app sees it: the arm to execute, why it is that one, and what was observed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Unpack

from learning_client._observations import Observations
from learning_client._results import ReleaseResult, RewardResult
from learning_client._signals import SignalValues
from learning_client._terms import Mode, Shield, ShieldEffect, Source


@dataclass(frozen=True, slots=True)
class ShieldAction:
    """One thing that a shield did, so that a decision explains itself."""

    shield: Shield
    """The limit that acted."""
    effect: ShieldEffect
    """What it did."""
    arm: str
    """The arm it did it to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision. Execute `arm`, unless `refused`: then do not act at all."""

    domain: str
    """The kind of decision that was asked for."""
    decision_id: str
    """Names the decision in rewards and logs; keep it when feedback comes after the block has ended."""
    arm: str
    """The arm to execute: always one of the candidates; the baseline when `refused`."""
    baseline: str
    """The first candidate: what the app would have done without learning."""
    source: Source
    """Who chose the arm; `fallback` when the sidecar was missing, late or failing."""
    propensity: float = 1.0
    """The exact probability with which this arm was executed, (0, 1]; 1 in a fallback."""
    mode: Mode = Mode.UNSPECIFIED
    """How far the domain lets the learner act."""
    proposal: str = ""
    """What the policy would have executed; unless `mode` is ungated it may differ from `arm`. Empty: there was none."""
    shields: tuple[ShieldAction, ...] = ()
    """What the shields did, in the order in which they acted."""
    refused: bool = False
    """No candidate is affordable and the domain says that then none is executed: the app should not act."""
    degraded: bool = False
    """The store, or in a fallback the sidecar, could not be asked: `arm` is the baseline, nothing was recorded."""
    policy: str = ""
    """The policy in use, such as `thompson`."""
    statistics_version: int = 0
    """The version of the statistics that the decision was made on."""
    reserved_usd: float = 0.0
    """What was reserved for this decision, in US dollars."""
    expires_at_unix_ms: int = 0
    """When the reward is due, in ms since the Unix epoch by the store's clock; 0 when nothing was recorded."""

    answer_missed: bool = False
    """The fallback was taken because the answer was late, so the sidecar may hold a decision that nobody acts on:
    it is released when the block ends."""
    observations: Observations = field(repr=False, compare=False)
    """What was observed so far, and the stopwatch."""

    @property
    def recorded(self) -> bool:
        """Whether the sidecar waits for a reward. If not, none is sent."""
        return self.expires_at_unix_ms > 0 and not self.refused

    def observe(self, **signals: Unpack[SignalValues]) -> None:
        """Note signals of the act, to be reported when the block ends or with `reward(decision)`.

        May be called often; of each signal the last value counts, and `None` is not a value. Never raises: a
        value that is not finite or out of its range (see `SignalValues`) is logged and dropped, and so is a
        signal that does not exist.
        """
        self.observations.add(signals)

    def keep_open(self) -> None:
        """Report what was observed when the block ends, but leave the decision open for more.

        For feedback that comes later: keep `decision_id`, and complete it with `reward(decision_id, domain=...)`
        before `expires_at_unix_ms`. Should nothing come, what was collected is applied then.
        """
        self.observations.more_to_come = True

    @property
    def report(self) -> RewardResult | ReleaseResult | None:
        """What became of the report that the block sent at its end; None before that, and when none was due."""
        return self.observations.report
