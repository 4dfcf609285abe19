"""What a process holds, from /proc, and whether it grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FLAT_KB_PER_SENT = 0.1
"""What memory may grow by with each request, in KiB, going by the slope of the second half."""
STEP_KB = 3_072.0
"""And what may come at once."""
SETTLE_SENT = 10_000
"""A verdict needs so long a second half, in requests."""


def rss_kb(pid: int) -> int:
    """Resident memory, in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ValueError(f"process {pid} has no VmRSS")


def descriptors(pid: int) -> int:
    """How many file descriptors it has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def second_half(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those whose first figure is at least half of the last one's."""
    return [one for one in points if one[0] >= points[-1][0] / 2]


def grows(points: Sequence[tuple[float, float]], most: float, step: float) -> bool:
    """Whether the second half is steeper than `most`, and rose by more than a step of noise in all.

    A step of noise in a short run makes a steep slope, so that neither says anything alone.
    """
    later = second_half(points)
    return bool(later) and slope(later) > most and later[-1][1] - later[0][1] > step


def slope(points: Sequence[tuple[float, float]]) -> float:
    """By how much the second grows with each one of the first, by least squares; 0 with fewer than two points."""
    if len(points) < 2:
        return 0.0
    x_mean, y_mean = (sum(one[at] for one in points) / len(points) for at in (0, 1))
    across = sum((x - x_mean) ** 2 for x, _ in points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / across if across else 0.0


@dataclass(slots=True)
class Memory:
    """Resident memory of a process along a run, in KiB, each with how many requests had been sent by then."""

    samples: list[tuple[float, float]] = field(default_factory=list)

    def take(self, sent: int, pid: int) -> None:
        """One more sample."""
        self.samples.append((sent, rss_kb(pid)))

    @property
    def flat(self) -> bool | None:
        """Whether it does not grow in the second half; None if that is too short to tell."""
        later = second_half(self.samples)
        if not later or later[-1][0] - later[0][0] < SETTLE_SENT:
            return None
        return not grows(self.samples, FLAT_KB_PER_SENT, STEP_KB)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "rss_kb": [[round(sent), round(kb)] for sent, kb in self.samples],
            "rss_slope_kb_per_1000": round(1000 * slope(second_half(self.samples)), 1),
            "memory_flat": self.flat,
        }
