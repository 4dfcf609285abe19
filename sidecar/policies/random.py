"""Every candidate alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sidecar.model.arm import Arm
from sidecar.policies.base import Policy
from sidecar.policies.choice import Choice


class UniformRandom(Policy):
    """Each of K candidates with probability 1/K: no learning.

    When to use: as a yardstick, and to log data from which any other policy can be evaluated, because
    no propensity is smaller than 1/K. Not where a bad arm costs: it never stops being chosen.

    Args:
        rng: source of the draws.

    >>> from random import Random
    >>> arms = [Arm("a"), Arm("b"), Arm("c"), Arm("d")]
    >>> policy = UniformRandom(rng=Random(42))
    >>> choice = policy.choice(arms, {})
    >>> choice.probabilities
    (0.25, 0.25, 0.25, 0.25)
    >>> [choice.rank(policy.rng)[0] for _ in range(8)]
    [2, 3, 3, 1, 1, 2, 2, 2]
    """

    name: ClassVar[str] = "random"
    version: ClassVar[int] = 1

    def choice(self, arms: Sequence[Arm], context: Mapping[str, float]) -> Choice:  # noqa: ARG002 - learns nothing
        """A uniformly random order, whatever is known."""
        return Choice(scores=(0.0,) * len(arms), explore=1.0)

    def parameters(self) -> dict[str, float]:
        """None."""
        return {}
