"""A simulated figure beside the reference's, with its standard error and a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

DISTANCE_MAX = 3.0
"""In combined standard errors. With fresh seeds, one right figure in 370 would be further away."""
REFERENCE_RUNS = 2000
REFERENCE_PIPELINE_RUNS = 1000
PERCENT = "%"
_WHOLE = 0.5


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of a table.

    `reference` is None where it has no figure; `slack` is what it may be off by its rounding, or by epochs. `limit`
    is what ours must not exceed, whatever the reference says. `open` says why a difference has to be expected.
    """

    case: str
    measure: str
    ours: float
    error: float
    unit: str
    reference: float | None = None
    reference_error: float = 0.0
    slack: float = 0.0
    limit: float | None = None
    open: str = ""

    @property
    def distance(self) -> float | None:
        """From the reference, in combined standard errors."""
        if self.reference is None:
            return None
        away = max(0.0, abs(self.ours - self.reference) - self.slack)
        combined = math.hypot(self.error, self.reference_error)
        if not away:
            return 0.0
        return math.copysign(away / combined if combined else math.inf, self.ours - self.reference)

    @property
    def agrees(self) -> bool:
        """Whether the distance can be chance."""
        return self.distance is None or abs(self.distance) <= DISTANCE_MAX

    @property
    def holds(self) -> bool:
        """Whether the limit is kept."""
        return self.limit is None or self.ours <= self.limit

    @property
    def verdict(self) -> str:
        """In words."""
        words = [] if self.limit is None else ["holds" if self.holds else "BROKEN"]
        if self.distance is not None:
            words.append("agrees" if self.agrees else f"differs by {self.distance:+.1f} s.e.")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to simulate."""

    runs: int
    pipeline_runs: int
    seed: int
    horizon: int = 10_000
    pipeline_horizon: int = 40_000

    def rng(self, name: str) -> np.random.Generator:
        """Of its own for each cell, so that cells can be left out or reordered."""
        return np.random.default_rng([self.seed, crc32(name.encode())])


@dataclass(frozen=True, slots=True)
class Cell:
    """Something to simulate that gives a few figures."""

    name: str
    simulate: Callable[[Effort], list[Figure]]


@dataclass(frozen=True, slots=True)
class Section:
    """One of the reference's tables."""

    letter: str
    title: str
    conditions: str
    cells: list[Cell]


def rate(
    case: str,
    measure: str,
    flags: NDArray[np.bool_],
    reference: float | None = None,
    *,
    slack: float = 0.05,
    limit: float | None = None,
    reference_runs: int = REFERENCE_RUNS,
    why_open: str = "",
) -> Figure:
    """In per cent. Both errors come from the pooled rate, so that 0 against 1 in 2,000 is no distance."""
    runs, ours = len(flags), 100 * float(flags.mean())
    error = _rate_error(ours, runs)
    if reference is None:
        return Figure(case, measure, ours, error, PERCENT, limit=limit, open=why_open)
    pooled = (ours * runs + reference * reference_runs) / (runs + reference_runs)
    combined = _rate_error(pooled, runs) * math.sqrt(1 + runs / reference_runs)
    reference_error = math.sqrt(max(0.0, combined**2 - error**2))
    return Figure(case, measure, ours, error, PERCENT, reference, reference_error, slack, limit, why_open)


def median(
    case: str,
    measure: str,
    values: NDArray[np.int64],
    reference: float | None = None,
    *,
    unit: str,
    slack: float = 0.5,
    reference_runs: int = REFERENCE_RUNS,
    why_open: str = "",
) -> Figure:
    """Its error is half the distance of the order statistics that are one standard error from the middle.

    These are whole numbers, so that the distance may well be 0; the error is not taken to be less than a half.
    """
    if not len(values):
        return Figure(case, measure, math.nan, math.nan, unit)
    half = 0.5 / math.sqrt(len(values))
    low, ours, high = np.quantile(values, [max(0.0, 0.5 - half), 0.5, min(1.0, 0.5 + half)])
    error = max(_WHOLE, float(high - low) / 2)
    reference_error = error * math.sqrt(len(values) / reference_runs)
    return Figure(case, measure, float(ours), error, unit, reference, reference_error, slack, None, why_open)


def mean(
    case: str,
    measure: str,
    values: NDArray[np.float64],
    reference: float | None = None,
    *,
    slack: float = 0.05,
    reference_runs: int = REFERENCE_PIPELINE_RUNS,
    why_open: str = "",
) -> Figure:
    """In rewards."""
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    reference_error = error * math.sqrt(len(values) / reference_runs)
    return Figure(
        case, measure, float(values.mean()), error, "rewards", reference, reference_error, slack, None, why_open
    )


def _rate_error(per_cent: float, runs: int) -> float:
    return math.sqrt(max(0.0, per_cent * (100 - per_cent)) / runs)
