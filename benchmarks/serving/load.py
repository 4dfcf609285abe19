"""Closed loops by h2load: so many requests, always so many of them in flight."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serving.errors import CannotMeasure

_FINISHED = re.compile(r"^finished in ([\d.]+)(us|ms|s), ([\d.]+) req/s", re.MULTILINE)
_REQUESTS = re.compile(
    r"^requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout",
    re.MULTILINE,
)
_UNIT_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_OK = 200
INSTALL = "h2load is not installed: `apt-get install nghttp2-client`, or `brew install nghttp2`"


@dataclass(frozen=True, slots=True)
class Shape:
    """How a closed loop asks: connections, and requests in flight on each."""

    clients: int
    streams: int

    @property
    def in_flight(self) -> int:
        """Requests in flight in all."""
        return self.clients * self.streams

    def __str__(self) -> str:
        """Name it."""
        return f"{self.in_flight} in flight"


ONE, SIXTEEN, SIXTY_FOUR = Shape(1, 1), Shape(4, 4), Shape(8, 8)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load generator saw; latencies in microseconds."""

    requests: int
    failed: int
    rate: float
    latencies_us: tuple[int, ...]
    generator_cpu_s: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.requests / self.rate


def parsed(output: str) -> tuple[int, int, float]:
    """Requests, failures and requests a second from what h2load prints.

    Raises:
        CannotMeasure: it is not what h2load prints at the end of a run.
    """
    finished, requests = _FINISHED.search(output), _REQUESTS.search(output)
    if not finished or not requests:
        raise CannotMeasure(f"h2load did not finish: {output.strip()[-300:]}")
    total, succeeded = int(requests[1]), int(requests[4])
    seconds = float(finished[1]) * _UNIT_S[finished[2]]
    # "finished in" has three digits, the rate has more; but the rate of a run that failed is 0.
    return total, total - succeeded, float(finished[3]) or total / max(seconds, 1e-9)


def logged(lines: Iterable[str]) -> tuple[tuple[int, ...], int]:
    """Latencies in microseconds from h2load's log, and how many requests had another status than 200."""
    latencies, other = [], 0
    for line in lines:
        _, status, elapsed = line.split("\t")[:3]
        if int(status) == _OK:
            latencies.append(int(elapsed))
        else:
            other += 1
    return tuple(latencies), other


class H2load:
    """The load generator.

    Args:
        directory: for its logs.

    Raises:
        CannotMeasure: it is not installed.
    """

    def __init__(self, directory: Path) -> None:
        """Find it."""
        found = shutil.which("h2load") or _installed()
        if found is None:
            raise CannotMeasure(INSTALL)
        self._binary, self._log = found, directory / "h2load.log"

    def version(self) -> str:
        """What it says it is."""
        said = subprocess.run([self._binary, "--version"], capture_output=True, text=True, check=True)
        return said.stdout.strip()

    def run(self, url: str, body: Path, shape: Shape, requests: int) -> Loaded:
        """Send exactly so many requests.

        Raises:
            CannotMeasure: it failed.
        """
        self._log.unlink(missing_ok=True)
        before = _children_cpu_s()
        ran = subprocess.run(
            [
                self._binary, "-t1", "-c", str(shape.clients), "-m", str(shape.streams), "-n", str(requests),
                "-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers",
                f"--log-file={self._log}", url,
            ],
            capture_output=True, text=True, check=False, start_new_session=True,
        )  # fmt: skip
        total, failed, rate = parsed(ran.stdout + ran.stderr)
        latencies, other = logged(self._log.read_text(encoding="ascii").splitlines())
        return Loaded(total, max(failed, other), rate, latencies, _children_cpu_s() - before)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _installed() -> str | None:
    """Install it where that needs no question: on Debian, by root, as in a container."""
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return None
    command = [apt, "install", "--yes", "--no-install-recommends", "nghttp2-client"]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return shutil.which("h2load")
