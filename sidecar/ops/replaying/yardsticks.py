"""What other ways to choose would have given on the same rows; known, because a log tells it of every arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from sidecar.ops.replaying.log import Row


@dataclass(frozen=True, slots=True)
class Fixed:
    """One way to choose, over all rows: mean reward, and the mean cost in US dollars if every cost is known."""

    name: str
    reward: float
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Yardsticks:
    """What a learner is measured by.

    `arms` are those that every row has, best first; `oracle` takes the best arm of each row, the cheaper one when two
    are alike: no policy can do better.
    """

    baseline: Fixed
    best_fixed: Fixed
    oracle: Fixed
    arms: tuple[Fixed, ...]

    def arm(self, name: str) -> Fixed:
        """An arm that every row has, always chosen."""
        return next(fixed for fixed in self.arms if fixed.name == name)


def yardsticks(rows: Sequence[Row], baseline: str) -> Yardsticks:
    """Measure; the baseline must be in every row."""
    names = [name for name in rows[0].signals if all(name in row.signals for row in rows)]
    arms = [_always(rows, name) for name in names]
    oracle = _mean("oracle", [_best(row) for row in rows], rows)
    return _ranked(arms, baseline, oracle)


def averaged(several: Sequence[Yardsticks]) -> Yardsticks:
    """The means of several courses' yardsticks; the courses have the same arms and rows, degraded at different ones."""
    first = several[0]
    if all(one is first for one in several):
        return first
    arms = [_average([one.arm(fixed.name) for one in several]) for fixed in first.arms]
    return _ranked(arms, first.baseline.name, _average([one.oracle for one in several]))


def _ranked(arms: Sequence[Fixed], baseline: str, oracle: Fixed) -> Yardsticks:
    best_first = sorted(arms, key=lambda fixed: -fixed.reward)
    own = next(fixed for fixed in best_first if fixed.name == baseline)
    return Yardsticks(own, best_first[0], oracle, tuple(best_first))


def _average(alike: Sequence[Fixed]) -> Fixed:
    costs = [fixed.cost_usd for fixed in alike if fixed.cost_usd is not None]
    cost = fsum(costs) / len(alike) if len(costs) == len(alike) else None
    return Fixed(alike[0].name, fsum(fixed.reward for fixed in alike) / len(alike), cost)


def _always(rows: Sequence[Row], name: str) -> Fixed:
    return _mean(name, [name] * len(rows), rows)


def _best(row: Row) -> str:
    return max(row.rewards, key=lambda name: (row.rewards[name], -(row.signals[name].cost_usd or 0.0)))


def _mean(name: str, chosen: Sequence[str], rows: Sequence[Row]) -> Fixed:
    costs = [row.signals[arm].cost_usd for row, arm in zip(rows, chosen, strict=True)]
    known = [cost for cost in costs if cost is not None]
    reward = fsum(row.rewards[arm] for row, arm in zip(rows, chosen, strict=True)) / len(rows)
    return Fixed(name, reward, fsum(known) / len(rows) if len(known) == len(costs) else None)
