"""Open loops: what decisions cost at a given rate, and how late they are at half of what can be had."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from serving import usage
from serving.arithmetic import percentile
from serving.bench import Bench
from serving.closed_loop import UNARY
from serving.errors import CannotMeasure
from serving.load import SIXTY_FOUR
from serving.servers import Server

PACED = Path(__file__).with_name("paced.py")
AT_1000, AT_HALF = "at 1,000/s", "at half of its capacity"
_MARGIN_S = 60.0


class Seen(NamedTuple):
    """What the open loop saw; latencies in microseconds, from when each request was due."""

    requests: int
    failed: int
    seconds: float
    cpu_s: float
    latencies_us: list[int]


def round_of(bench: Bench) -> None:
    """Each transport at 1,000 decisions a second, and at half of the capacity that was just measured.

    The empty handler too, at 1,000, and after a PING: what no sidecar on that transport can do without.
    """
    for bound in (f"{kind}/{transport}" for kind in ("floor", "ping") for transport in bench.transports):
        if bound in bench.servers:
            run(bench, bench.servers[bound], 1000.0, AT_1000)
    for transport in bench.transports:
        server = bench.servers[f"ours/{transport}"]
        capacity = statistics.median(
            one.figures["rate"]
            for one in bench.runs
            if (one.server, one.what) == (server.name, f"{UNARY}, {SIXTY_FOUR}")
        )
        run(bench, server, 1000.0, AT_1000)
        run(bench, server, capacity / 2, AT_HALF)


def run(bench: Bench, server: Server, rate: float, what: str) -> None:
    """One open loop."""
    bench.tell(f"{server.name}: {what}")
    bench.store.empty()
    bench.answers_well(server, f"before the load {what}")
    recorded = bench.store.decisions()
    store, mine = bench.store.cpu_s(), usage.cpu_s(server.process.pid)
    seen = _paced(bench, server, rate)
    store, mine = bench.store.cpu_s() - store, usage.cpu_s(server.process.pid) - mine
    if server.records:
        found = bench.store.decisions() - recorded
        bench.check(
            "the store has recorded every decision, and none twice",
            holds=found == seen.requests,
            detail=f"{server.name}, {what}: {found} instead of {seen.requests}",
        )
    bench.check(
        "every request of the load was answered",
        holds=seen.failed == 0,
        detail=f"{server.name}, {what}: {seen.failed} of {seen.requests} failed",
    )
    bench.note(
        server.name, what,
        rate=seen.requests / seen.seconds,
        p50_ms=percentile(seen.latencies_us, 0.5) / 1000,
        p99_ms=percentile(seen.latencies_us, 0.99) / 1000,
        # Of exactly the asked rate: a Poisson process sends some more or fewer.
        cpu_share=mine / seen.requests * rate,
        cpu_us=mine / seen.requests * 1e6,
        store_cpu_us=store / seen.requests * 1e6,
    )  # fmt: skip
    bench.answers_well(server, f"after the load {what}")


def _paced(bench: Bench, server: Server, rate: float) -> Seen:
    seconds = bench.effort.paced_seconds
    ran = subprocess.run(
        [
            sys.executable, str(PACED), server.address, server.method, str(server.body), "--rate", f"{rate:g}",
            "--seconds", f"{seconds:g}", "--seed", str(bench.round + 1),
        ],
        capture_output=True, text=True, check=False, start_new_session=True, timeout=seconds + _MARGIN_S,
    )  # fmt: skip
    if ran.returncode:
        raise CannotMeasure(f"the open loop failed: {ran.stderr.strip()[-300:]}")
    return Seen(**json.loads(ran.stdout))
