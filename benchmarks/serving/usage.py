"""What a process uses: processor time and memory, from /proc."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_KB = 1024


class Machine(NamedTuple):
    """Processor time of the whole machine since it started, in seconds."""

    busy_s: float
    total_s: float


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, all its threads, user and system, to the nanosecond."""
    # Linux makes the id of a process's clock from its pid: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED).
    return time.clock_gettime(~pid << 3 | 2)


def rss_mb(pid: int, *, peak: bool = False) -> float:
    """Resident memory of a process in MiB, now or at its highest."""
    name = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / _KB
    raise ValueError(f"process {pid} has no {name}")


def machine() -> Machine:
    """Processor time of everything that runs here."""
    line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    ticks = [int(one) for one in line.split()[1:9]]
    idle = ticks[3] + ticks[4]
    return Machine((sum(ticks) - idle) * _TICK_S, sum(ticks) * _TICK_S)
