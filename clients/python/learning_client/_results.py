"""What became of a report to the sidecar."""

from __future__ import annotations

from dataclasses import dataclass

from learning_client._terms import ReleaseOutcome, RewardOutcome


@dataclass(frozen=True, slots=True)
class Contribution:
    """One signal's part in a reward."""

    signal: str
    """The signal's name, such as `quality`."""
    value: float
    """The value as reported, in the signal's unit."""
    normalized: float
    """The value on the declared range, 0 (worst) to 1 (best)."""
    weight: float
    """The share of the weights, 0 to 1; all shares add up to 1."""


@dataclass(frozen=True, slots=True)
class RewardResult:
    """What became of a reward."""

    outcome: RewardOutcome
    """What was done with it; `unsent` when the sidecar did not take it."""
    reward: float | None = None
    """The reward that the signals make, 0 to 1; None unless applied or collected."""
    arm: str = ""
    """The arm that was credited; empty unless applied."""
    breakdown: tuple[Contribution, ...] = ()
    """How the reward came about; empty when it was given outright."""
    missing: tuple[str, ...] = ()
    """Declared signals that were not reported."""
    reason: str = ""
    """Why it is unsent; empty otherwise."""


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """What became of a release."""

    outcome: ReleaseOutcome
    """What was done; `unsent` when the sidecar did not take it."""
    reason: str = ""
    """Why it is unsent; empty otherwise."""
