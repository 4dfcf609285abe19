"""How long answers take, and how many are any use, when a sidecar is asked more than it can answer.

Goal: choose `LEARNING_IN_FLIGHT_MAX`. Method: one store, and one sidecar for each limit and transport; in each round
every one is loaded in turn (A B C A B C ...), so that what drifts reaches all of them, and medians over the rounds
count. A load has a number of callers: who is answered calls again at once, who is refused after a pause, as RetryInfo
asks. An answer is useful within 50 ms, the deadline of the clients. After each load the store must have recorded
exactly as many decisions as were answered, and the sidecar itself must have counted exactly as many refusals.

    python benchmarks/overload.py                                    # some five minutes, with progress
    python benchmarks/overload.py --limits 64,256 --rounds 5 --json  # one JSON object on stdout

h2load, which makes the load of `speed.py`, cannot tell an answer from a refusal: both are HTTP 200. The exit status is
1 if a check did not hold, 2 if nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from serving import bodies
from serving.crowd import Crowd, Seen
from serving.errors import CannotMeasure, WrongAnswer
from serving.probe import Probe
from serving.processes import Process, Processes
from serving.servers import CONFIG, TRANSPORTS
from serving.store import Store

_OVERLOADED = re.compile(r'^learning_errors.*reason="OVERLOADED".* (\S+)$', re.MULTILINE)


class Sidecar(NamedTuple):
    """One sidecar under test."""

    transport: str
    limit: int
    process: Process
    address: str

    def asked_once(self) -> None:
        """Let it answer once.

        Raises:
            WrongAnswer: it does not answer well.
        """
        with closing(Probe(self.address)) as probe:
            probe.recommend()

    def refused(self) -> int:
        """How many calls it says that it has refused, as RESOURCE_EXHAUSTED with RetryInfo."""
        (where,) = re.findall(r"management on ([\d.:]+)", self.process.log())
        with urllib.request.urlopen(f"http://{where}/metrics", timeout=30) as page:
            text = page.read().decode()
        return sum(
            int(float(n)) for n in re.findall(r'^learning_errors.*reason="OVERLOADED".* (\S+)$', text, re.MULTILINE)
        )


class Overload:
    """One store, and a sidecar for each transport and limit.

    Args:
        directory: short enough for a socket in it.
        stack: ends everything.
    """

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        """Start the store."""
        self._config = directory / "domains.yaml"
        self._config.write_text(CONFIG, encoding="utf-8")
        self._store, self._processes = Store(directory / "store", stack), Processes(directory, stack)
        self._body = bodies.framed(bodies.recommend().SerializeToString())
        self.broken: list[str] = []

    def started(self, transport: str, limit: int) -> Sidecar:
        """Start a sidecar, and see that it answers."""
        process = self._processes.start(
            f"{transport}-{limit}",
            [
                sys.executable, "-m", "sidecar", "serve", "--address", "127.0.0.1:0", "--management-address",
                "127.0.0.1:0", "--config", self._config, "--redis-url", self._store.url, "--transport", transport,
            ],
            # Patient, so that an answer is never degraded, which would cost less than what is measured.
            {"LEARNING_IN_FLIGHT_MAX": str(limit), "LEARNING_STORE_TIMEOUT_MS": "30000"},
        )  # fmt: skip
        one = Sidecar(transport, limit, process, process.address())
        one.asked_once()
        return one

    def run(self, one: Sidecar, callers: int, seconds: float, pause_s: float) -> Seen:
        """Load one sidecar, and check what it did."""
        self._store.empty()
        one.asked_once()
        decided, refused = self._store.decisions(), one.refused()
        seen = Crowd(one.address, self._body, callers, pause_s).load(seconds)
        decided, refused = self._store.decisions() - decided, one.refused() - refused
        what = f"{one.transport}, limit {one.limit}, {callers} callers"
        if decided != seen.answers:
            self.broken.append(f"{what}: {decided} decisions recorded, {seen.answers} answered")
        if refused != seen.refusals:
            self.broken.append(f"{what}: {refused} refused by the sidecar, {seen.refusals} without an answer")
        if seen.lost:
            self.broken.append(f"{what}: {seen.lost} calls were reset or did not end")
        return seen


def measured(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Load every sidecar in turn, round by round."""
    runs: dict[tuple[str, int, int], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overload")))
        overload = Overload(directory, stack)
        sidecars = [overload.started(transport, limit) for transport in TRANSPORTS for limit in options.limits]
        for number in range(options.rounds):
            for callers in options.callers:
                console.print(f"round {number + 1} of {options.rounds}, {callers} callers", highlight=False)
                for one in sidecars:
                    seen = overload.run(one, callers, options.seconds, options.pause_ms / 1000)
                    runs.setdefault((one.transport, one.limit, callers), []).append(seen.figures())
    rows = [
        {"transport": transport, "limit": limit, "callers": callers}
        | {name: statistics.median(one[name] for one in figures) for name in figures[0]}
        for (transport, limit, callers), figures in sorted(runs.items())
    ]
    return {"rounds": options.rounds, "pause_ms": options.pause_ms, "rows": rows, "broken": overload.broken}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for; 0 when every check held."""
    options, console = _options(arguments), Console(stderr=True)
    try:
        found = measured(options, console)
    except (CannotMeasure, WrongAnswer) as error:
        console.print(f"[red]{error}", highlight=False)
        return 2
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        table = Table(*found["rows"][0])
        for row in found["rows"]:
            table.add_row(*(f"{one:.3g}" if isinstance(one, float) else str(one) for one in row.values()))
        Console(width=None if sys.stdout.isatty() else 140).print(table)
    for broken in found["broken"]:
        console.print(f"[red]broken: {broken}", highlight=False)
    return 1 if found["broken"] else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--limits", type=_numbers, default=[64, 256, 1024], help="of LEARNING_IN_FLIGHT_MAX")
    parser.add_argument("--callers", type=_numbers, default=[64, 512, 2000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load")
    parser.add_argument("--pause-ms", type=float, default=1000.0, help="what a refused caller waits, as RetryInfo says")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
