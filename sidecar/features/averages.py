"""What an arm's recent costs and latencies say about its next one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sidecar.model.arm import SlidingAverage


def quantile(values: Sequence[int], level: float) -> int:
    """The smallest value that at least the share `level` of the values do not exceed (nearest rank).

    >>> quantile([10, 30, 20, 40], 0.5), quantile([10, 30, 20, 40], 0.95)
    (20, 40)
    """
    rank = max(1, math.ceil(level * len(values)))
    return sorted(values)[rank - 1]


def upper_estimate(average: SlidingAverage, level: float) -> int:
    """A value that the next one will seldom exceed: the quantile, or the mean if that is higher; 0 if unknown."""
    return max(average.mean, quantile(average.recent, level)) if average.recent else 0


def remembered(average: SlidingAverage, now_ms: int, forget_after_ms: float) -> SlidingAverage:
    """The average, or an empty one when its last value is too old to go by."""
    return average if now_ms - average.at_ms <= forget_after_ms else SlidingAverage()
