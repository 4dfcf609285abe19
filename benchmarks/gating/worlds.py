"""Worlds to simulate: how rewards come about, how they drift, and how coins are tossed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gating.arithmetic import Flags, Floats
from sidecar.gate.betting import lower_reach

Schedule = Callable[[NDArray[np.int64]], Floats]
"""A figure for each decision, by its number from 0."""

BERNOULLI = None
"""In the place of a standard deviation: rewards are 0 or 1."""


@dataclass(frozen=True, slots=True)
class World:
    """Two arms and a coin. A level or a difference is a figure, or a schedule of it.

    `spread` and `challenger_spread` are the standard deviations of Beta-distributed rewards of the baseline and of the
    challenger, or BERNOULLI. `control` is the control variate.
    """

    level: float | Schedule
    delta: float | Schedule
    share: float | Schedule
    control: float
    spread: float | None = BERNOULLI
    challenger_spread: float | None = BERNOULLI

    def reach(self, horizon: int) -> float:
        """The c of a phase: the largest of all its decisions."""
        shares = np.unique(at(self.share, np.arange(horizon)))
        return max(lower_reach(float(share), self.control) for share in shares)

    def draw(self, rng: np.random.Generator, runs: int, steps: NDArray[np.int64]) -> tuple[Flags, Floats]:
        """Coins and rewards of these decisions, runs first. Only the arm that the coin picks has a reward.

        The decisions are the same for all runs, or a row for each.
        """
        shape = (runs, steps.shape[-1])
        level = np.broadcast_to(at(self.level, steps), shape)
        better = np.broadcast_to(at(self.level, steps) + at(self.delta, steps), shape)
        exposed = rng.random(shape) < at(self.share, steps)
        outcome = rewards(rng, level, self.spread)
        outcome[exposed] = rewards(rng, better[exposed], self.challenger_spread)
        return exposed, outcome

    def improvements(self, horizon: int) -> Floats:
        """The summed improvement after each decision."""
        return np.cumsum(at(self.delta, np.arange(horizon)))


def like(spread: float | None, level: float, delta: float | Schedule, share: float) -> World:
    """A world in which both arms have the same spread, and the control variate is the baseline's mean."""
    return World(level, delta, share, level, spread, spread)


def at(figure: float | Schedule, steps: NDArray[np.int64]) -> Floats:
    """What a figure or schedule is at these decisions."""
    return figure(steps) if callable(figure) else np.full(steps.shape, figure)


def rewards(rng: np.random.Generator, mean: Floats, spread: float | None) -> Floats:
    """Bernoulli rewards, or Beta rewards of this standard deviation, with these means."""
    if spread is BERNOULLI:
        return (rng.random(mean.shape) < mean).astype(np.float64)
    weight = mean * (1 - mean) / spread**2 - 1
    return rng.beta(mean * weight, (1 - mean) * weight)


def turning(before: float, after: float, step: int) -> Schedule:
    """One figure before a decision, another from it on."""
    return lambda steps: np.where(steps < step, before, after)


def alternating(first: float, second: float, length: int) -> Schedule:
    """Two figures in turn, in blocks of a length."""
    return lambda steps: np.where(steps // length % 2 == 0, first, second)


def wave(middle: float, height: float, period: int) -> Schedule:
    """A sine."""
    return lambda steps: middle + height * np.sin(2 * np.pi * steps / period)
