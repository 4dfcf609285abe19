"""What a process holds, from /proc."""

from __future__ import annotations

from pathlib import Path


def rss_kb(pid: int) -> int:
    """Resident memory, in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ValueError(f"process {pid} has no VmRSS")


def descriptors(pid: int) -> int:
    """How many file descriptors it has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def slope(points: list[tuple[float, float]]) -> float:
    """By how much the second grows with each one of the first, by least squares; 0 with fewer than two points."""
    if len(points) < 2:
        return 0.0
    x_mean, y_mean = (sum(one[at] for one in points) / len(points) for at in (0, 1))
    across = sum((x - x_mean) ** 2 for x, _ in points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / across if across else 0.0
