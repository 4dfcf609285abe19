"""What grows with what: arms, candidates, tenants, open decisions, the size of a batch."""

from __future__ import annotations

from serving import bodies, many_arms, usage
from serving.bench import Bench
from serving.closed_loop import BATCHES, Ask, ClosedLoop
from serving.load import ONE
from serving.servers import Server

DIMENSIONS = ("arms", "candidates", "tenants", "pending", "batch")


def measure(bench: Bench, loop: ClosedLoop) -> None:
    """Everything once, each transport on a fresh sidecar: what it has seen of tenants stays with it for hours."""
    for transport in bench.transports:
        if transport not in bench.effort.growth_transports:
            continue
        server = bench.starts.ours(transport)
        server.name = f"ours/{transport}, growing"
        _arms(bench, loop, server)
        _candidates(bench, loop, server)
        _pending(bench, loop, server)
        _batches(bench, loop, server)
        _tenants(bench, loop, server)
        server.probe.close()
        server.process.stop()


def _arms(bench: Bench, loop: ClosedLoop, server: Server) -> None:
    """Two candidates in a domain that knows ever more arms."""
    for arms in bench.effort.arms:
        bench.store.empty()
        many_arms.teach(server.probe, arms)
        body = bench.starts.body("growing", bodies.recommend(2).SerializeToString())
        _at(bench, loop, server, Ask(f"arms {arms}", body=body))


def _candidates(bench: Bench, loop: ClosedLoop, server: Server) -> None:
    """Ever more candidates in one request."""
    for candidates in bench.effort.candidates:
        bench.store.empty()
        body = bench.starts.body("growing", bodies.recommend(candidates).SerializeToString())
        _at(bench, loop, server, Ask(f"candidates {candidates}", body=body))


def _pending(bench: Bench, loop: ClosedLoop, server: Server) -> None:
    """Ever more decisions that wait for their reward: copies of one that the sidecar made."""
    bench.store.empty()
    there, one = 1, server.probe.recommend().decision_id
    for pending in bench.effort.pending:
        bench.tell(f"{pending:,} open decisions")
        bench.store.copy_pending(one, pending - there)
        there = pending
        body = bench.starts.body("growing", bodies.recommend().SerializeToString())
        _at(bench, loop, server, Ask(f"pending {pending}", body=body))


def _batches(bench: Bench, loop: ClosedLoop, server: Server) -> None:
    """Decisions a second by the size of a batch, two batches in flight."""
    for size in bench.effort.batches:
        whole = bodies.batch([bodies.recommend()] * size).SerializeToString()
        body = bench.starts.body("growing", whole)
        loop.run(server, BATCHES, Ask(f"batch {size}", bodies.RECOMMEND_BATCH, body, size))


def _tenants(bench: Bench, loop: ClosedLoop, server: Server) -> None:
    """One tenant's quickness, and memory, when the sidecar has decided for ever more others."""
    bench.store.empty()
    for tenants in bench.effort.tenants:
        server.probe.recommend_all([bodies.recommend(tenant=f"tenant-{k:04}") for k in range(tenants)])
        loaded = Ask(f"tenants {tenants}", body=bench.starts.body("growing", bodies.recommend().SerializeToString()))
        _at(bench, loop, server, loaded)


def _at(bench: Bench, loop: ClosedLoop, server: Server, ask: Ask) -> None:
    loop.run(server, ONE, ask, keep=True)
    bench.note(server.name, f"{ask.name}, beside", rss_mb=usage.rss_mb(server.process.pid))
