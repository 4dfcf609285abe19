"""A random choice that can be ranked, restricted, and whose every probability is exact.

A policy answers with one of these instead of with one arm, because an arm may turn out not to be
affordable and the next best must then be known, together with the exact probability of *that* answer.
Three parts describe every policy that ships:

    with probability `explore`          a uniformly random order of the candidates;
    otherwise                           arms with a weight first, drawn one after the other in
                                        proportion to it (Plackett-Luce); then the others by
                                        descending score, ties in random order.

Restricting either part to a subset gives a choice of the same form: the first arm of a random order
that lies in a subset is uniform on it, and the first of a Plackett-Luce order is drawn from it in
proportion to the weights (Luce's choice axiom). So `given(subset)` is exact, never estimated.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


@dataclass(frozen=True, slots=True)
class Choice:
    """A distribution over orders of the candidates, which are known by their index.

    Args:
        scores: what decides among arms without weight; higher is better, shape (K,).
        weights: Plackett-Luce weights, each 0 or more, shape (K,); empty means none.
        explore: probability of a uniformly random order, 0 to 1.

    >>> greedy = Choice(scores=(0.2, 0.9, 0.5), explore=0.1)
    >>> [round(p, 3) for p in greedy.probabilities]
    [0.033, 0.933, 0.033]
    >>> [round(p, 3) for p in greedy.given({0, 2})]
    [0.05, 0.0, 0.95]
    """

    scores: tuple[float, ...]
    weights: tuple[float, ...] = ()
    explore: float = 0.0

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The probability that each candidate is first; sums to 1. Shape (K,)."""
        return self.given(range(len(self.scores)))

    def given(self, allowed: Collection[int]) -> tuple[float, ...]:
        """The probability that each candidate is the first *allowed* one; 0 for the others. Shape (K,).

        Raises:
            ValueError: no candidate is allowed.
        """
        if not allowed:
            message = "a choice needs at least one allowed candidate"
            raise ValueError(message)
        probabilities = [0.0] * len(self.scores)
        floor = self.explore / len(allowed)
        for i in allowed:
            probabilities[i] = floor
        for i, share in self._exploited(allowed):
            probabilities[i] += (1.0 - self.explore) * share
        return tuple(probabilities)

    def rank(self, rng: random.Random) -> list[int]:
        """Draw an order, best first. Shape (K,)."""
        if self.weights and not self.explore and min(self.weights) > 0:
            return _luce_order(range(len(self.weights)), self.weights, rng)
        indices = list(range(len(self.scores)))
        rng.shuffle(indices)
        if self.explore and rng.random() < self.explore:
            return indices
        weighted = [i for i in indices if self.weights and self.weights[i] > 0]
        rest = [i for i in indices if not self.weights or self.weights[i] <= 0]
        rest.sort(key=self.scores.__getitem__, reverse=True)
        return _luce_order(weighted, self.weights, rng) + rest

    def _exploited(self, allowed: Collection[int]) -> list[tuple[int, float]]:
        total = sum(self.weights[i] for i in allowed) if self.weights else 0.0
        if total > 0:
            return [(i, self.weights[i] / total) for i in allowed]
        best = max(self.scores[i] for i in allowed)
        ties = [i for i in allowed if self.scores[i] == best]
        return [(i, 1.0 / len(ties)) for i in ties]


class Tally:
    """`Choice.given` for a set of allowed candidates that only grows, at a constant price for each.

    Args:
        choice: the distribution.

    >>> tally = Tally(Choice(scores=(0.2, 0.9, 0.5), explore=0.1))
    >>> tally.allow([0, 2])
    >>> round(tally.probability(2), 3)
    0.95
    """

    def __init__(self, choice: Choice) -> None:
        """Start with nothing allowed."""
        self._choice = choice
        self._weight = 0.0
        self._best = -math.inf
        self._ties = 0
        self.count = 0

    def allow(self, more: Sequence[int]) -> None:
        """Allow more candidates, each once."""
        if not more:
            return
        self.count += len(more)
        if self._choice.weights:
            self._weight += sum([self._choice.weights[i] for i in more])
        scores = [self._choice.scores[i] for i in more]
        best = max(scores)
        if best > self._best:
            self._best, self._ties = best, 0
        self._ties += scores.count(self._best)

    def probability(self, i: int) -> float:
        """The probability that the allowed candidate `i` is the first allowed one."""
        choice = self._choice
        tied = (choice.scores[i] == self._best) / self._ties
        share = choice.weights[i] / self._weight if self._weight > 0 else tied
        return choice.explore / self.count + (1.0 - choice.explore) * share


def _luce_order(indices: Sequence[int], weights: Sequence[float], rng: random.Random) -> list[int]:
    # A race of exponential clocks: whose rate is w rings first with probability w / sum(w), at every stage.
    random, log = rng.random, math.log
    ringing = [-log(1.0 - random()) / weights[i] for i in indices]
    return [i for _, i in sorted(zip(ringing, indices, strict=True))]
