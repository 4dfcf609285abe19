"""The best mean so far, and now and then any arm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

from sidecar.model.arm import Arm
from sidecar.policies.base import Policy
from sidecar.policies.choice import Choice
from sidecar.policies.declared import declared


class EpsilonGreedy(Policy):
    """With probability epsilon a uniformly random arm, otherwise the one with the highest mean.

        mean_a = (prior_weight * prior_mean + sum of rewards_a) / (prior_weight + observations_a)

    When to use: when a fixed, easily explained share of exploration is wanted, or as the yardstick that
    every other policy should beat. Not for long runs: the share never falls, so regret grows linearly, by
    epsilon times the average gap. And not at all for few decisions with many arms: one lucky first
    reward keeps an arm in front until random exploration has corrected it.

    Args:
        epsilon: share of random decisions, 0 to 1.
        prior_mean: reward that an arm is believed to give before it has given any, 0 to 1.
        prior_weight: how many observations that belief is worth, 0 to 1e6. With 0 there is no belief, and
            arms without data come first.
        rng: source of the draws and of the order of ties.

    >>> a, b = Arm("a", count=10, reward_micro=4_000_000), Arm("b", count=10, reward_micro=7_000_000)
    >>> [round(p, 3) for p in EpsilonGreedy(epsilon=0.2, rng=Random(42)).choice([a, b], {}).probabilities]
    [0.1, 0.9]

    Reference: Sutton and Barto, Reinforcement Learning: An Introduction, 2nd edition (2018), section 2.2;
    the rate of regret of a constant epsilon in Auer, Cesa-Bianchi and Fischer, Finite-time Analysis of the
    Multiarmed Bandit Problem, Machine Learning 47 (2002), 235-256.
    """

    name: ClassVar[str] = "epsilon_greedy"
    version: ClassVar[int] = 1

    def __init__(
        self, *, epsilon: float = 0.1, prior_mean: float = 0.5, prior_weight: float = 1.0, rng: Random | None = None
    ) -> None:
        """Check the parameters."""
        super().__init__(rng=rng)
        self.epsilon = declared("policy.epsilon", epsilon, 0.0, 1.0)
        self.prior_mean = declared("policy.prior_mean", prior_mean, 0.0, 1.0)
        self.prior_weight = declared("policy.prior_weight", prior_weight, 0.0, 1e6)

    def choice(self, arms: Sequence[Arm], context: Mapping[str, float]) -> Choice:  # noqa: ARG002 - learns per arm only
        """Means as scores, epsilon as the share of exploration."""
        return Choice(scores=tuple(self._mean(arm) for arm in arms), explore=self.epsilon)

    def parameters(self) -> dict[str, float]:
        """The share of exploration, and the prior."""
        return {"epsilon": self.epsilon, "prior_mean": self.prior_mean, "prior_weight": self.prior_weight}

    def _mean(self, arm: Arm) -> float:
        weight = self.prior_weight + arm.observations
        return (self.prior_weight * self.prior_mean + arm.reward_sum) / weight if weight else math.inf
