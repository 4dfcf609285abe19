"""Under which conditions it was measured: figures without them mean little."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from serving import install
from serving.bench import Bench
from serving.store import DURABILITY
from sidecar import __version__


def conditions(bench: Bench) -> dict[str, Any]:
    """All that is known."""
    return {
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "effort": f"{bench.effort.name}: {bench.effort.rounds} alternating rounds, closed loops of about "
        f"{bench.effort.seconds:g} s, open loops of {bench.effort.paced_seconds:g} s",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "machine": "servers, store and load generator share all cores; nothing is pinned",
        "other_work": _other_work(bench),
        "load_average": [round(one, 2) for one in os.getloadavg()],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sidecar": __version__,
        "grpcio": _version("grpcio"),
        "pygrpc_native": _version("pygrpc-native"),
        "protobuf": _version("protobuf"),
        "redis_py": f"{_version('redis')} with hiredis {_version('hiredis')}",
        "store": bench.store.version(),
        "durability": DURABILITY,
        "ratelimit": install.RATELIMIT_VERSION,
        "load_generator": f"{bench.load.version()} (closed loops, one thread, over TCP on loopback); "
        "benchmarks/serving/paced.py (open loops, Poisson arrivals)",
        "request": "3 candidates with cost ceilings; a budget of $1,000,000 a day, so that money is reserved; default "
        "policy (thompson), default mode (gated, in shadow); the sidecar makes the ids; no rewards during a load",
    }


def _other_work(bench: Bench) -> str:
    """How much of the machine did neither serve nor load: the rest of the figures is only as good as this is small."""
    shares = [one.figures["others_cpu_share"] for one in bench.runs if "others_cpu_share" in one.figures]
    if not shares:
        return "not measured"
    return f"{statistics.median(shares):.0%} of all processor time in the median closed loop, {max(shares):.0%} at most"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
