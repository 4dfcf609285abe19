"""What is known of one arm, as the store keeps it: integers, prior and data apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sidecar.model.units import MICRO, NANO


@dataclass(frozen=True, slots=True)
class SlidingAverage:
    """Recent values of one measure of an arm (cost in nano-dollars, latency in microseconds)."""

    mean: int = 0
    """Exponentially weighted mean."""
    recent: tuple[int, ...] = ()
    """The last values, oldest first."""
    at_ms: int = 0
    """When the last one came, by the store's clock."""


@dataclass(frozen=True, slots=True)
class Arm:
    """The sufficient statistics of one arm.

    `count` counts applied rewards; `defaulted` counts decisions whose reward never came and was filled
    in by the declared rule. Both are in the sums. The prior is not: it belongs to the policy.
    """

    name: str
    pulls: int = 0
    proposed: int = 0
    count: int = 0
    defaulted: int = 0
    reward_micro: int = 0
    reward_sq_nano: int = 0
    cost_nano: int = 0
    cost: SlidingAverage = SlidingAverage()
    latency: SlidingAverage = SlidingAverage()

    @property
    def observations(self) -> int:
        """Rewards that are in the sums."""
        return self.count + self.defaulted

    @property
    def reward_sum(self) -> float:
        """Sum of the rewards, each in [0, 1]."""
        return self.reward_micro / MICRO

    @property
    def reward_mean(self) -> float:
        """Mean reward in [0, 1]; 0 when there is none."""
        return self.reward_sum / self.observations if self.observations else 0.0

    @property
    def reward_deviations_sq(self) -> float:
        """Sum of the squared deviations from the mean; never negative."""
        if not self.observations:
            return 0.0
        # In exact integers first: sum(r^2) - (sum r)^2 / n loses its digits in floats when rewards are near 1.
        n = self.observations
        return max(0, self.reward_sq_nano * 1000 * n - self.reward_micro**2) / n / (NANO * 1000)

    @property
    def reward_sd(self) -> float:
        """Sample standard deviation of the reward; 0 with fewer than two."""
        return math.sqrt(self.reward_deviations_sq / (self.observations - 1)) if self.observations > 1 else 0.0
