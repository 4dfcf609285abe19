"""A real cluster: workspaces lie on all of its primaries, slots move while calls go on, and primaries die."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sidecar.settings.redis_url import Address
from sidecar.store import transitions as t
from sidecar.store.keys import workspace_key
from sidecar.store.slots import slot_of
from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect, RedisStores, Sidecars

from .conftest import Transitions
from .load import Load, consistent
from .scripted import until_true
from .servers import certificates, tls_before
from .topologies import ClusterOfSix, Node, cluster_of_six, eventually, free_ports, server

MANY = 60


@pytest.fixture(scope="module")
def cluster(short_dir: Path) -> Iterator[ClusterOfSix]:
    """Run three primaries with a replica each."""
    with cluster_of_six(short_dir / "cluster") as running:
        yield running


@pytest.fixture
def well(cluster: ClusterOfSix) -> ClusterOfSix:
    """See that nothing is left of what another test did to it."""
    eventually(cluster.well, "a cluster whose nodes agree")
    return cluster


def slot_in(workspace: str) -> int:
    """The slot in which all keys of a workspace lie."""
    return slot_of(workspace_key("learning", "default", workspace))


def moving(cluster: ClusterOfSix, slot: int) -> tuple[Node, Node]:
    """Tell the primary that has a slot, and another, that it goes from one to the other."""
    source = cluster.holder(slot)
    target = next(node for node in cluster.primaries() if node is not source)
    target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", cluster.node_id(source))
    source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", cluster.node_id(target))
    return source, target


def move_keys(source: Node, target: Node, slot: int) -> int:
    """Move the keys of a slot, one at a time; return how many."""
    keys = source.client.cluster("GETKEYSINSLOT", slot, 1000)
    for key in keys:
        source.client.migrate("127.0.0.1", target.port, [key], 0, 10_000)
    return len(keys)


def moved(cluster: ClusterOfSix, target: Node, slot: int) -> None:
    """Tell everybody that the slot has moved, its new owner first."""
    ident = cluster.node_id(target)
    for node in (target, *(one for one in cluster.primaries() if one is not target)):
        node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", ident)


def calls(nodes: Sequence[Node], command: str) -> list[int]:
    """How often each node carried a command out."""
    return [node.client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0) for node in nodes]


def reset(nodes: Sequence[Node]) -> None:
    """Count from nothing."""
    for node in nodes:
        node.client.config_resetstat()


def refused(nodes: Sequence[Node], kind: str) -> int:
    """How often all of them refused in this way."""
    return sum(node.client.info("errorstats").get(f"errorstat_{kind}", {}).get("count", 0) for node in nodes)


# --- while all is well


async def test_workspaces_are_spread_over_all_primaries(
    well: ClusterOfSix, redis_stores: RedisStores, workspace: str
) -> None:
    """Many workspaces hit every primary; each is read, led and counted where it lies."""
    store, primaries = redis_stores(well.url), well.primaries()
    reset(primaries)
    load = Load(store, [f"{workspace}-{number}" for number in range(MANY)])
    async with load.running():
        pass
    assert not load.errors
    for name, view in (await load.views()).items():
        assert load.books[name].agrees(view)
        assert await store.domains("default", name) == ["route"]
    assert all(count >= MANY for count in calls(primaries, "evalsha"))
    assert all(count <= 6 for count in calls(primaries, "script|load"))  # three scripts over two connections
    held = {well.holder(slot_in(name)).port for name in load.workspaces}
    assert held == {node.port for node in primaries}
    told = await store.server()
    assert told.name.startswith("Valkey 9.")
    assert len(set(told.run_id.split(","))) == len(primaries)


async def test_known_slots_are_asked_directly(well: ClusterOfSix, redis_stores: RedisStores, workspace: str) -> None:
    """Once the map is there, nobody is sent elsewhere any more."""
    store, primaries = redis_stores(well.url), well.primaries()
    await store.apply(Transitions(workspace).issue())
    cluster = store._connection._hot._cluster  # type: ignore[attr-defined]  # it is a cluster's
    await until_true(lambda: None not in cluster._slots)
    reset(primaries)
    made = [Transitions(f"{workspace}-{number}") for number in range(MANY)]
    assert {type(one) for one in await asyncio.gather(*(store.apply(one.issue()) for one in made))} == {t.Issued}
    assert refused(primaries, "MOVED") == 0
    assert cluster.nodes[:3] == tuple(dict.fromkeys(cluster._slots))


async def test_all_workspaces_begin_at_once(well: ClusterOfSix, redis_stores: RedisStores, workspace: str) -> None:
    """A thousand first calls, when nothing is known yet, find their places; few ask for the map, however slow it is."""
    store = redis_stores(well.url)
    reset(well.nodes)
    made = [Transitions(f"{workspace}-{number % MANY}") for number in range(1000)]
    replies = await asyncio.gather(*(store.apply(one.issue(f"d{number}")) for number, one in enumerate(made)))
    assert {type(reply) for reply in replies} == {t.Issued}
    outcomes = await store.apply_all([one.settle(f"d{number}") for number, one in enumerate(made)], 1e12)
    assert {type(outcome) for outcome in outcomes} == {t.Applied}
    assert sum(calls(well.nodes, "cluster|slots")) <= MANY / 2


async def test_scripts_are_forgotten_under_load(well: ClusterOfSix, redis_stores: RedisStores, workspace: str) -> None:
    """A primary that forgot its scripts is taught them again, and nobody notices."""
    load = Load(redis_stores(well.url), [f"{workspace}-{number}" for number in range(12)])
    async with load.running():
        for node in well.primaries() * 2:
            node.client.script_flush()
            await load.go_on()
    assert not load.errors
    assert all(load.books[name].agrees(view) for name, view in (await load.views()).items())


async def test_cluster_with_tls_and_names(short_dir: Path, redis_stores: RedisStores, made: Transitions) -> None:
    """Nodes that show certificates of their names are connected to by these names, on the port that speaks TLS."""
    tls, socket = short_dir / "tls", short_dir / "tls-node" / "s"
    certificates(tls)
    node = server(
        short_dir / "tls-node", *free_ports(1), "--unixsocket", str(socket), "--cluster-enabled", "yes",
        "--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname",
    )  # fmt: skip
    try:
        node.start()
        node.client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        async with tls_before(socket, tls / "localhost.pem") as port:
            node.client.config_set("cluster-announce-port", port)
            store = redis_stores(f"rediss+cluster://localhost:{port}?ssl_ca_certs={tls}/ca.pem")
            assert type(await store.apply(made.issue())) is t.Issued
            cluster = store._connection._hot._cluster  # type: ignore[attr-defined]  # it is a cluster's
            await until_true(lambda: None not in cluster._slots)
            assert set(cluster._slots) == {Address("localhost", port)}
            assert type(await store.apply(made.settle())) is t.Applied
            await store.close()
    finally:
        node.kill()


# --- slots that move


async def test_slot_that_has_moved(well: ClusterOfSix, redis_stores: RedisStores, made: Transitions) -> None:
    """The first call is sent on, and all others go there directly, of both connections."""
    store, slot = redis_stores(well.url), slot_in(made.workspace)
    await store.apply(made.issue("d1"))
    await store.apply(made.read())
    source, target = moving(well, slot)
    assert move_keys(source, target, slot) == 8
    moved(well, target, slot)
    reset([source, target])
    assert type(await store.apply(made.settle("d1"))) is t.Applied
    assert refused([source], "MOVED") == 1
    assert type(await store.apply(made.issue("d2"))) is t.Issued
    assert (await store.apply(made.read())).domains["route"].open == 1  # type: ignore[union-attr]
    assert refused([source], "MOVED") == 1


async def test_slots_move_under_load(well: ClusterOfSix, redis_stores: RedisStores, workspace: str) -> None:
    """Key by key, there and back, while every workspace decides: no call fails, and the books are exact."""
    load = Load(redis_stores(well.url), [f"{workspace}-{number}" for number in range(8)])
    reset(well.nodes)
    async with load.running():
        for name in load.workspaces[:3]:
            slot = slot_in(name)
            for _ in range(2):
                await asyncio.to_thread(_move, well, slot)
                await load.go_on()
    assert load.errors == []
    assert load.forgotten == 0
    views = await load.views()
    for name, view in views.items():
        assert load.books[name].agrees(view), (load.books[name], view)
    assert refused(well.nodes, "MOVED") > 0
    assert refused(well.nodes, "TRYAGAIN") + refused(well.nodes, "ASK") > 0


def _move(cluster: ClusterOfSix, slot: int) -> None:
    source, target = moving(cluster, slot)
    assert move_keys(source, target, slot) == 8
    moved(cluster, target, slot)


async def test_moved_keys_of_a_moving_slot(well: ClusterOfSix, redis_stores: RedisStores, made: Transitions) -> None:
    """All keys are there, but not the slot: calls go by ASK, also several together, and scripts not known there."""
    store, slot = redis_stores(well.url), slot_in(made.workspace)
    await store.apply(made.issue("d0"))
    source, target = moving(well, slot)
    move_keys(source, target, slot)
    target.client.script_flush()
    reset([source, target])
    menu = made.issue().menu
    issues = [store.apply(t.Issue(menu, f"d{number}", 0, 0)) for number in range(1, 20)]
    assert {type(one) for one in await asyncio.gather(*issues)} == {t.Issued}
    assert {type(await store.apply(made.settle(f"d{number}"))) for number in range(20)} == {t.Applied}
    assert (await store.apply(made.read())).domains["route"].open == 0  # type: ignore[union-attr]
    assert await store.domains("default", made.workspace) == ["route"]
    assert refused([source], "ASK") >= 20
    moved(well, target, slot)


async def test_new_workspace_waits_for_its_slot(
    well: ClusterOfSix, redis_stores: RedisStores, made: Transitions
) -> None:
    """In a slot that is just moving nothing new can begin; the call waits until it has moved."""
    store, slot = redis_stores(well.url, timeout_s=60.0), slot_in(made.workspace)
    reset(well.nodes)
    source, target = moving(well, slot)
    assert move_keys(source, target, slot) == 0
    asked = asyncio.create_task(store.apply(made.issue()))
    await asyncio.to_thread(eventually, lambda: refused([target], "TRYAGAIN") > 2, "that it is asked again")
    assert not asked.done()
    await asyncio.to_thread(moved, well, target, slot)
    assert type(await asked) is t.Issued


# --- primaries that die


@pytest.mark.parametrize("fail", ["kill", "stand_still"])
async def test_decisions_go_on_after_a_primary_died(
    well: ClusterOfSix, redis_stores: RedisStores, workspace: str, fail: str, record_property: Any
) -> None:
    """Calls to it fail or wait for a while; then its replica goes on, with books in order. Others never notice."""
    load = Load(redis_stores(well.url, timeout_s=1.0), [f"{workspace}-{number}" for number in range(9)], within_s=1.0)
    async with load.running():
        victim = well.holder(slot_in(load.workspaces[0]))
        failed_at = time.monotonic()
        getattr(victim, fail)()
        await load.go_on()
        record_property("failover_s", round(time.monotonic() - failed_at, 2))
    assert load.errors
    assert all(map(consistent, (await load.views()).values()))
    if fail == "kill":
        victim.start()
    else:
        victim.go_on()


# --- the whole


async def test_a_sidecar_decides_on_a_cluster(
    well: ClusterOfSix, sidecars: Sidecars, connect: Connect, workspace: str
) -> None:
    """A real process with such a URL decides and learns in workspaces that lie on different primaries."""
    stub = connect(sidecars(redis_url=well.url).address)
    candidates = [pb.Candidate(arm="a"), pb.Candidate(arm="b")]
    for name in (f"{workspace}-{number}" for number in range(12)):
        decision = await stub.Recommend(pb.RecommendRequest(workspace=name, domain="route", candidates=candidates))
        assert not decision.degraded
        told = pb.RewardRequest(
            workspace=name, domain="route", decision_id=decision.decision_id, signals=pb.Signals(quality=1.0)
        )
        assert (await stub.Reward(told)).outcome == pb.REWARD_OUTCOME_APPLIED
