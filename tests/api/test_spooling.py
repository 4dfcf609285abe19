"""Goal: no acknowledged reward is lost or counted twice. Method: one log, with and without faults, ends in one state.

The store is killed, emptied, or both; sidecars are killed; reports are repeated. What is compared is what was learned,
the money, and the evidence of the gate.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidecar.model.view import WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.embedded import EmbeddedServer
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub
from tests.conftest import Connect, Sidecars

from .telling import (
    CONFIG,
    IDS,
    PATIENCE_S,
    QUICK,
    decided,
    deserted,
    killed,
    release,
    report,
    reports,
    settled,
    told,
)

RedisStores = Callable[..., Any]

ALONE = (("grpc.use_local_subchannel_pool", 1),)
"""A channel with this has a connection of its own, which may reach another worker."""


async def state(redis_stores: RedisStores, url: str) -> dict[str, Any]:
    """Read what must not depend on faults: not when things came, and not how often they were said again."""
    view = await redis_stores(url).apply(t.Read("default", "main"))
    assert isinstance(view, WorkspaceView)
    domain = view.domains["route"]
    cells = domain.gate.cells.values()
    sums = [sum(parts) for parts in zip_longest(*(one.sums for one in cells), fillvalue=0)]
    return {
        "arms": {
            name: (one.pulls, one.count, one.reward_micro, one.reward_sq_nano, one.cost_nano, one.proposed)
            for name, one in domain.arms.items()
        },
        "counters": {name: n for name, n in domain.counters.items() if name not in ("duplicates", "agreed")},
        "open": domain.open,
        "money": {name: (one.spent_nano, one.reserved_nano, one.overrun_nano) for name, one in view.accounts.items()},
        "gate": (domain.gate.stage, domain.gate.totals, domain.gate.folded, domain.gate.unfolded_ppm),
        "evidence": (sum(one.open for one in cells), sum(one.count for one in cells), sums),
    }


def spools_below(directory: Path) -> set[Path]:
    """Find directories with reports."""
    return {path.parent for path in directory.rglob("*.seg")}


async def arrived_at(redis_stores: RedisStores, url: str, wanted: Any) -> None:
    """Wait until the state is that one; what is sent again comes by and by."""
    now: Any = None
    for _ in range(round(PATIENCE_S / 0.2)):
        try:
            now = await state(redis_stores, url)
        except KeyError:
            continue  # nothing came yet
        finally:
            await asyncio.sleep(0.2)
        if now == wanted:
            return
    assert now == wanted


def emptied(data_dir: Path) -> None:
    """Let the server begin with nothing when it starts next."""
    for lost in data_dir.rglob("*.aof*"):
        lost.unlink()


@pytest.fixture
async def fault_free(
    sidecars: Sidecars, connect: Connect, redis_stores: RedisStores, short_dir: Path, workspace: str
) -> Any:
    """Run the log on a store that never goes away, and read the state."""
    with EmbeddedServer(short_dir / f"f{workspace[-6:]}") as server:
        stub = connect(sidecars(CONFIG, redis_url=server.url).address)
        await decided(stub)
        outcomes = await told(stub, reports())
        assert set(outcomes) == {
            pb.REWARD_OUTCOME_APPLIED, pb.REWARD_OUTCOME_COLLECTED, pb.REWARD_OUTCOME_DUPLICATE
        }  # fmt: skip
        await stub.Release(release(IDS[0]))
        yield await state(redis_stores, server.url)


@pytest.mark.parametrize("batches", [False, True])
async def test_store_killed(
    sidecars: Sidecars, connect: Connect, redis_stores: RedisStores, data_dir: Path, fault_free: Any, batches: bool
) -> None:
    """Reports are taken while the store is away, and make the same state when it is back."""
    server = EmbeddedServer(data_dir)
    with server:
        stub = connect(sidecars(CONFIG, redis_url=server.url, environment=QUICK).address)
        await decided(stub)
        log = reports()
        await told(stub, log[:20])
        killed(server)
        if batches:
            answer = await stub.RewardBatch(pb.RewardBatchRequest(requests=log[20:]))
            outcomes = [one.response.outcome for one in answer.results]
        else:
            outcomes = await told(stub, log[20:])
        assert set(outcomes) == {pb.REWARD_OUTCOME_SPOOLED}
        assert (await stub.Release(release(IDS[0]))).outcome == pb.RELEASE_OUTCOME_SPOOLED
        status = await stub.Status(pb.StatusRequest())
        assert status.store.spooled == len(outcomes) + 1
        server.start()
        await settled(stub)
        assert await state(redis_stores, server.url) == fault_free
        assert set(await told(stub, log)) <= {pb.REWARD_OUTCOME_DUPLICATE, pb.REWARD_OUTCOME_SPOOLED}
        await settled(stub)
        assert await state(redis_stores, server.url) == fault_free


async def test_sidecar_killed(
    sidecars: Sidecars, connect: Connect, redis_stores: RedisStores, data_dir: Path, fault_free: Any
) -> None:
    """What a sidecar acknowledged before it was killed, the next one that starts there brings home."""
    async with deserted(sidecars, connect, data_dir) as (server, first, stub):
        log = reports()
        assert set(await told(stub, log[:30])) == {pb.REWARD_OUTCOME_SPOOLED}
        first.kill()
        server.start()
        second = sidecars(CONFIG, redis_url=server.url, environment=QUICK)
        another = connect(second.address)
        await told(another, log[30:])
        await another.Release(release(IDS[0]))
        await settled(another)
        assert await state(redis_stores, server.url) == fault_free
        assert "reports of an earlier run wait" in second.log


async def test_workers_have_a_spool_each(
    sidecars: Sidecars, redis_stores: RedisStores, data_dir: Path, fault_free: Any, tmp_path: Path
) -> None:
    """Whichever worker took a report brings it home."""
    server = EmbeddedServer(data_dir)
    with server:
        fleet = sidecars(CONFIG, redis_url=server.url, environment=QUICK, arguments=("--workers", "2"))
        channels = [grpc.aio.insecure_channel(fleet.address, options=ALONE) for _ in range(16)]
        stubs = [LearningStub(channel) for channel in channels]  # type: ignore[no-untyped-call]  # generated
        await decided(stubs[0])
        killed(server)
        for at, decision_id in enumerate(IDS[2:]):
            mine = [one for one in reports() if one.decision_id == decision_id]
            assert set(await told(stubs[at % 16], mine)) == {pb.REWARD_OUTCOME_SPOOLED}
        await stubs[0].Release(release(IDS[0]))
        assert len(spools_below(tmp_path)) == 2
        server.start()
        await arrived_at(redis_stores, server.url, fault_free)
        for channel in channels:
            await channel.close()


async def test_sidecar_stopped_while_the_store_is_away(
    sidecars: Sidecars, connect: Connect, redis_stores: RedisStores, data_dir: Path
) -> None:
    """It says what it leaves behind; one that is stopped while the store is back leaves nothing."""
    async with deserted(sidecars, connect, data_dir) as (server, first, stub):
        await told(stub, reports()[:10])
        first.stop()
        assert "10 reports stay in the spool" in first.log
        assert "spool_left_at_shutdown=10" in first.log
        server.start()
        second = sidecars(CONFIG, redis_url=server.url, environment=QUICK)
        await settled(connect(second.address))
        second.stop()
        assert "stay in the spool" not in second.log
        assert (await state(redis_stores, server.url))["counters"]["applied"] > 0


@pytest.mark.parametrize("rewarded", [0, 30, 58])
async def test_server_that_lost_everything(
    sidecars: Sidecars, connect: Connect, redis_stores: RedisStores, data_dir: Path, fault_free: Any, rewarded: int
) -> None:
    """A failover to a server without the last writes: decisions are put back with their money, reports repeated."""
    log = reports()
    with EmbeddedServer(data_dir) as before:
        stub = connect(sidecars(CONFIG, redis_url=before.url, environment=QUICK).address)
        await decided(stub)
        await told(stub, log[:rewarded])
        await stub.Release(release(IDS[0]))
        killed(before)
    emptied(data_dir)
    with EmbeddedServer(data_dir) as after:
        await settled(stub)
        assert pb.REWARD_OUTCOME_UNKNOWN not in await told(stub, log[rewarded:])
        await arrived_at(redis_stores, after.url, fault_free)


async def test_kept_segments_are_replayed_to_a_server_that_lost_them(
    sidecars: Sidecars, connect: Connect, redis_stores: RedisStores, data_dir: Path, fault_free: Any
) -> None:
    """Reports that went through the spool are on disk for a while longer."""
    async with deserted(sidecars, connect, data_dir) as (server, _, stub):
        await told(stub, reports())
        await stub.Release(release(IDS[0]))
        server.start()
        await settled(stub)
        killed(server)
        emptied(data_dir)
        server.start()
        await arrived_at(redis_stores, server.url, fault_free)


async def test_store_that_stands_still(sidecars: Sidecars, connect: Connect, data_dir: Path) -> None:
    """A report is spooled within its caller's deadline, and counts once although the store may have got it as well."""
    with EmbeddedServer(data_dir) as server:
        environment = {"LEARNING_STORE_TIMEOUT_MS": "30000"}
        stub = connect(sidecars(CONFIG, redis_url=server.url, environment=environment).address)
        await decided(stub)
        assert server.pid
        os.kill(server.pid, signal.SIGSTOP)
        answer = await stub.Reward(report("d1"), timeout=5.0)
        os.kill(server.pid, signal.SIGCONT)
        assert answer.outcome == pb.REWARD_OUTCOME_SPOOLED
        await settled(stub)
        [domain] = (await stub.Status(pb.StatusRequest())).domains
        assert domain.applied == 1
