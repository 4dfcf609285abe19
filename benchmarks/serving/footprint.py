"""What a sidecar needs: memory when it has just started and under load, and the time until it decides."""

from __future__ import annotations

import time

from serving import bodies, usage
from serving.bench import Bench
from serving.load import Shape
from serving.probe import Probe

START, MEMORY = "start", "memory"
_DOMAINS = 100
_SETTLING_S = 1.5  # its background work has run once by then
_BATCHES_A_S = 20  # memory does not depend on the rate


def round_of(bench: Bench) -> None:
    """Start a fresh sidecar on each transport, ask it how it is, then load it with decisions of 100 domains."""
    body = bodies.batch([bodies.recommend(domain=f"domain-{k:03}") for k in range(_DOMAINS)])
    path = bench.starts.body("domains", body.SerializeToString())
    for transport in bench.transports:
        name = f"ours/{transport}"
        bench.tell(f"{name}: start and memory")
        bench.store.empty()
        began = time.perf_counter()
        process = bench.starts.start_ours(transport)
        address = process.address()
        probe = Probe(address)
        probe.decisions()
        bench.note(name, START, seconds=time.perf_counter() - began, cpu_s=usage.cpu_s(process.pid))
        time.sleep(_SETTLING_S)
        idle = usage.rss_mb(process.pid)
        probe.recommend()
        url = f"http://{address}{bodies.RECOMMEND_BATCH}"
        loaded = bench.load.run(url, path, Shape(4, 1), round(_BATCHES_A_S * bench.effort.seconds))
        bench.note(name, MEMORY, idle_mb=idle, load_mb=usage.rss_mb(process.pid, peak=True))
        each = [bench.store.decisions(f"domain-{k:03}") for k in range(_DOMAINS)]
        bench.check(
            "a batch over 100 domains records one decision in each",
            holds=not loaded.failed and set(each) == {loaded.requests},
            detail=f"{name}: {loaded.failed} batches failed, {min(each)} to {max(each)} of {loaded.requests} recorded",
        )
        probe.close()
        process.stop()
