"""Percentiles, medians over rounds, and ratios of what was measured in the same round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Several rounds of one figure: the median, the range, and each round."""

    median: float
    low: float
    high: float
    rounds: tuple[float, ...]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed.

    >>> percentile([5, 1, 3, 2, 4], 0.5), percentile(range(1, 101), 0.99), percentile([7], 0.99)
    (3, 99, 7)
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> Spread | None:
    """Median and range; None of nothing.

    >>> spread([3.0, 1.0, 2.0])
    Spread(median=2.0, low=1.0, high=3.0, rounds=(3.0, 1.0, 2.0))
    """
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values), tuple(values))


def ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> Spread | None:
    """Ours divided by theirs within each round, so that what drifts between rounds cancels.

    A round in which one of them was not measured is left out.

    >>> ratios([2.0, 4.0, None], [1.0, 1.0, 1.0])
    Spread(median=3.0, low=2.0, high=4.0, rounds=(2.0, 4.0))
    """
    paired = [(a, b) for a, b in zip(ours, theirs, strict=False) if a is not None and b]
    return spread([a / b for a, b in paired])
