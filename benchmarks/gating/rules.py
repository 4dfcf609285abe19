"""When to promote: the gate's rule, and two that it is contrasted with. Looked at after every decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gating.arithmetic import GRID, Flags, Floats, differences
from gating.worlds import World, at
from sidecar.gate.betting import BETS

BLOCK = 100
"""Decisions simulated at once: the arrays of one bet stay in the cache, and a product in the range of a float."""
_LOG_MOST = 600.0
_Z_ONE_SIDED_5 = 1.6448536269514722


class Rule(Protocol):
    """Sees decisions in blocks, for many runs at once."""

    def feed(self, exposed: Flags, outcome: Floats, share: Floats) -> Flags:
        """Whether it would promote after each of these decisions, runs first."""

    def keep(self, runs: Flags) -> None:
        """Go on with these runs only."""


class FixedBets:
    """The gate: promote once the mixture's wealth is 1 / alpha (Theorem 1)."""

    def __init__(self, world: World, alpha: float, runs: int, horizon: int) -> None:
        """Begin with a wealth of 1."""
        self._control, self._needed, self._reach = world.control, 1 / alpha, world.reach(horizon)
        self._log_sums = np.zeros((len(BETS), runs))

    def feed(self, exposed: Flags, outcome: Floats, share: Floats) -> Flags:
        """Multiply the wealth of each bet by 1 + kappa D / c, and compare the mean."""
        stakes = differences(exposed, share, outcome, self._control) / self._reach
        mixture = np.zeros_like(stakes)
        before = np.exp(np.minimum(self._log_sums, _LOG_MOST))
        for j, bet in enumerate(GRID):
            wealth = np.cumprod(1 + bet * stakes, axis=1)
            mixture += before[j][:, None] * wealth
            self._log_sums[j] += np.log(wealth[:, -1])
        return mixture >= self._needed * len(BETS)

    def keep(self, runs: Flags) -> None:
        """Go on with these runs only."""
        self._log_sums = self._log_sums[:, runs]


class PeekingZ:
    """A dashboard: promote once a one-sided z-test of two means says 5 %, with at least 30 pulls on each side."""

    least_pulls = 30

    def __init__(self, runs: int) -> None:
        """Begin with no data."""
        self._sums = np.zeros((2, 3, runs, 1))

    def feed(self, exposed: Flags, outcome: Floats, share: Floats) -> Flags:  # noqa: ARG002 - it knows no shares
        """Test after every decision."""
        sides = []
        for before, chosen in zip(self._sums, (~exposed, exposed), strict=True):
            values = (chosen, chosen * outcome, chosen * outcome**2)
            sums = [one + np.cumsum(more, axis=1, dtype=np.float64) for one, more in zip(before, values, strict=True)]
            before[:] = [one[:, -1:] for one in sums]
            count = np.maximum(sums[0], 1)
            mean = sums[1] / count
            sides.append((sums[0], mean, np.maximum(sums[2] / count - mean**2, 1e-12) / count))
        (held, low, low_error), (pulls, high, high_error) = sides
        significant = high - low > _Z_ONE_SIDED_5 * np.sqrt(low_error + high_error)
        return significant & (pulls >= self.least_pulls) & (held >= self.least_pulls)

    def keep(self, runs: Flags) -> None:
        """Go on with these runs only."""
        self._sums = self._sums[:, :, runs]


class AdaptiveBet:
    """One bet that follows recent differences: kappa = mean / mean square of D / c, by exponential averages."""

    memory = 0.01

    def __init__(self, world: World, alpha: float, runs: int, horizon: int) -> None:
        """Begin with a wealth of 1 and a bet of 0."""
        self._control, self._needed, self._reach = world.control, -np.log(alpha), world.reach(horizon)
        self._mean, self._square, self._log = np.zeros(runs), np.full(runs, 0.01), np.zeros(runs)

    def feed(self, exposed: Flags, outcome: Floats, share: Floats) -> Flags:
        """Bet on each decision what the ones before it suggest."""
        stakes = differences(exposed, share, outcome, self._control) / self._reach
        promoted = np.zeros_like(exposed)
        for n, stake in enumerate(stakes.T):
            bet = np.clip(self._mean / self._square, 0.0, BETS[0])
            self._log += np.log1p(bet * stake)
            promoted[:, n] = self._log >= self._needed
            self._mean += self.memory * (stake - self._mean)
            self._square += self.memory * (stake**2 - self._square)
        return promoted

    def keep(self, runs: Flags) -> None:
        """Go on with these runs only."""
        self._mean, self._square, self._log = self._mean[runs], self._square[runs], self._log[runs]


@dataclass(frozen=True, slots=True)
class Promotions:
    """For each run whether it was promoted, after how many decisions, and how many of those executed the proposal."""

    promoted: Flags
    decisions: NDArray[np.int64]
    pulls: NDArray[np.int64]


def promotions(world: World, rule: Rule, runs: int, horizon: int, rng: np.random.Generator) -> Promotions:
    """Simulate until every run is promoted or the horizon is reached."""
    promoted, decisions, pulls = np.zeros(runs, np.bool_), np.full(runs, horizon), np.zeros(runs, np.int64)
    waiting = np.arange(runs)
    for start in range(0, horizon, BLOCK):
        steps = np.arange(start, min(start + BLOCK, horizon))
        exposed, outcome = world.draw(rng, len(waiting), steps)
        crossed = rule.feed(exposed, outcome, at(world.share, steps))
        now, first = crossed.any(axis=1), crossed.argmax(axis=1)
        seen = np.where(now, first + 1, len(steps))
        pulls[waiting] += (exposed & (np.arange(len(steps)) < seen[:, None])).sum(axis=1)
        promoted[waiting[now]], decisions[waiting[now]] = True, start + seen[now]
        waiting = waiting[~now]
        rule.keep(~now)
        if not len(waiting):
            break
    return Promotions(promoted, decisions, pulls)
