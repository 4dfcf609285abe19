"""Optimism in the face of uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

from sidecar.model.arm import Arm
from sidecar.policies.base import Policy
from sidecar.policies.choice import Choice
from sidecar.policies.declared import declared


class UCB1(Policy):
    """The arm with the highest upper confidence bound; arms without data come first.

        bound_a = mean_a + sqrt(exploration * ln(t) / n_a),    n_a its observations, t those of all candidates

    When to use: when a choice must be explainable without chance: it is random only among equal bounds.
    Not with delayed or batched rewards: until a reward arrives it repeats the same arm, which is where
    Thompson sampling keeps exploring. And not with the textbook's `exploration=2` at short horizons:
    it allows for rewards that are 0 or 1 at even odds and over-explores, so that on ten arms and ten
    thousand decisions it loses two to four times what 0.5 loses.

    Args:
        exploration: factor under the root, above 0 to 100. 2 is UCB1 as published, and the smallest for
            which its proof holds is 2; 0.5 is what libraries call `alpha = 1` in mean + sqrt(alpha ln t / (2 n)).
        rng: source of the order of ties.

    >>> a, b = Arm("a", count=100, reward_micro=60_000_000), Arm("b", count=10, reward_micro=5_000_000)
    >>> [round(bound, 3) for bound in UCB1(exploration=2.0).choice([a, b], {}).scores]
    [0.907, 1.47]
    >>> [round(bound, 3) for bound in UCB1(exploration=0.01).choice([a, b], {}).scores]
    [0.622, 0.569]

    Reference: Auer, Cesa-Bianchi and Fischer, Finite-time Analysis of the Multiarmed Bandit Problem,
    Machine Learning 47 (2002), 235-256, figure 1.
    """

    name: ClassVar[str] = "ucb1"
    version: ClassVar[int] = 1

    def __init__(self, *, exploration: float = 2.0, rng: Random | None = None) -> None:
        """Check the parameter."""
        super().__init__(rng=rng)
        self.exploration = declared("policy.exploration", exploration, 1e-9, 100.0)

    def choice(self, arms: Sequence[Arm], context: Mapping[str, float]) -> Choice:  # noqa: ARG002 - learns per arm only
        """Upper confidence bounds as scores, infinite for arms without data."""
        radius_sq = self.exploration * math.log(max(1, sum(arm.observations for arm in arms)))
        return Choice(scores=tuple(_bound(arm, radius_sq) for arm in arms))

    def parameters(self) -> dict[str, float]:
        """The factor under the root."""
        return {"exploration": self.exploration}


def _bound(arm: Arm, radius_sq: float) -> float:
    n = arm.observations
    return arm.reward_sum / n + math.sqrt(radius_sq / n) if n else math.inf
