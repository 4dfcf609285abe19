"""The first candidate, always."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from sidecar.model.arm import Arm
from sidecar.policies.base import Policy
from sidecar.policies.choice import Choice


class FirstCandidate(Policy):
    """The first candidate with probability 1, then the second, and so on: no learning.

    When to use: as the yardstick of what learning gains, or to take a domain out of learning while its
    rewards keep being recorded. Not to be safe while learning: that is what the modes are for.

    Args:
        rng: accepted as by every policy; nothing is random here.

    >>> FirstCandidate().choice([Arm("a"), Arm("b"), Arm("c")], {}).probabilities
    (1.0, 0.0, 0.0)
    """

    name: ClassVar[str] = "first"
    version: ClassVar[int] = 1

    def choice(self, arms: Sequence[Arm], context: Mapping[str, float]) -> Choice:  # noqa: ARG002 - learns nothing
        """Scores that fall with the place in the list."""
        return Choice(scores=tuple(float(-place) for place in range(len(arms))))

    def parameters(self) -> dict[str, float]:
        """None."""
        return {}
