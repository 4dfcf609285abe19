"""After a failover decisions go on, on the server that Sentinel names by then."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from sidecar.errors import StoreUnavailable
from sidecar.store import transitions as t
from sidecar.store.endpoint import Endpoint
from sidecar.store.redis_store import RedisStore
from sidecar.store.refusals import Refused
from sidecar.store.stream import Stream, reply_of
from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect, RedisStores, Sidecars

from .conftest import Transitions
from .dialogue import Command, Dialogue, array, bulk
from .load import Load, consistent
from .scripted import echo, turns
from .servers import valkey
from .topologies import Node, Trio, eventually, free_ports, sentinel_trio, server, soon


@pytest.fixture(scope="module")
def trio(short_dir: Path) -> Iterator[Trio]:
    """Run a primary with two replicas and three Sentinels."""
    with sentinel_trio(short_dir / "trio") as running:
        yield running


async def goes_on(store: RedisStore, transition: t.Transition) -> t.Reply:
    """Apply it as soon as the store is there."""

    async def told() -> t.Reply | None:
        with contextlib.suppress(StoreUnavailable):
            return await store.apply(transition)
        return None

    reply: t.Reply = await soon(told, "an answer of the store")
    return reply


# --- failovers


def crash(trio: Trio, primary: Node) -> None:  # noqa: ARG001 - as the other
    """The primary is gone at once."""
    primary.kill()


def by_hand(trio: Trio, primary: Node) -> None:  # noqa: ARG001 - as the other
    """An operator asks for it; the old primary becomes a replica."""
    trio.sentinels[0].client.execute_command("SENTINEL FAILOVER mine")


@pytest.mark.parametrize("fail", [crash, by_hand])
async def test_decisions_go_on_after_a_failover(
    trio: Trio, redis_stores: RedisStores, workspace: str, fail: Any, record_property: Any
) -> None:
    """Under load: calls fail for a while as an unavailable store does, and then go on, with books in order."""
    await asyncio.to_thread(eventually, trio.well, "Sentinels that agree")
    before = await asyncio.to_thread(trio.named)
    load = Load(redis_stores(trio.url), [f"{workspace}-{number}" for number in range(4)])
    async with load.running():
        for one in trio.servers:
            one.client.config_resetstat()
        await asyncio.to_thread(fail, trio, before)
        failed_at = time.monotonic()
        after = await asyncio.to_thread(eventually, lambda: trio.promoted(before), "another primary")
        if fail is by_hand:  # it goes on deciding until it is told that it is a replica, and forgets that
            await asyncio.to_thread(eventually, lambda: before.client.role()[0] == "slave", "the old one as a replica")
        await load.go_on()
        record_property("failover_s", round(time.monotonic() - failed_at, 2))
    assert all(isinstance(error, StoreUnavailable) for error in load.errors)
    assert all(map(consistent, (await load.views()).values()))
    loads = after.client.info("commandstats")["cmdstat_script|load"]["calls"]
    assert loads <= 4  # once for each script and connection, however many calls there were
    assert after.client.info("errorstats")["errorstat_NOSCRIPT"]["count"] >= 1
    if fail is crash:
        before.start()


async def test_primary_without_scripts(trio: Trio, redis_stores: RedisStores, made: Transitions) -> None:
    """A primary that knows no script is taught each one, and no caller notices."""
    await asyncio.to_thread(eventually, trio.well, "Sentinels that agree")
    store = redis_stores(trio.url)
    for decision in ("d1", "d2"):
        trio.named().client.script_flush()
        assert type(await store.apply(made.issue(decision))) is t.Issued
        assert type(await store.apply(made.settle(decision))) is t.Applied
        assert (await store.apply(made.read())).domains["route"].open == 0  # type: ignore[union-attr]


async def test_sentinels_may_be_away(trio: Trio, redis_stores: RedisStores, made: Transitions) -> None:
    """One Sentinel that is there is enough, wherever it stands in the URL."""
    await asyncio.to_thread(eventually, trio.well, "Sentinels that agree")
    alive = trio.sentinels[1].port
    nobody = free_ports(2)
    store = redis_stores(f"redis+sentinel://127.0.0.1:{nobody[0]},127.0.0.1:{nobody[1]},127.0.0.1:{alive}/mine")
    assert type(await store.apply(made.issue())) is t.Issued
    stranger = redis_stores(f"redis+sentinel://127.0.0.1:{alive}/other")
    with pytest.raises(StoreUnavailable) as unavailable:
        await stranger.apply(made.issue())
    assert "knows no service" in str(unavailable.value.__cause__)


# --- what Sentinel says, written here


@pytest.fixture
def two(data_dir: Path) -> Iterator[list[Node]]:
    """Run two servers that know nothing of each other."""
    data_dir.mkdir()
    nodes = [server(data_dir / str(port), port) for port in free_ports(2)]
    try:
        for node in nodes:
            node.start()
        yield nodes
    finally:
        for node in nodes:
            node.kill()


class Told:
    """What a Sentinel of our own says."""

    def __init__(self) -> None:
        """Say nothing yet."""
        self.port = 0

    def __call__(self, command: Command) -> bytes:
        """Name the primary."""
        if command[0] == b"AUTH":
            return b"+OK\r\n"
        assert command == [b"SENTINEL", b"get-master-addr-by-name", b"mine"]
        return array(bulk("127.0.0.1"), bulk(str(self.port)))


@pytest.fixture
async def own() -> AsyncIterator[tuple[Dialogue, Told]]:
    """Be a Sentinel."""
    told = Told()
    async with Dialogue(told).listening() as sentinel:
        yield sentinel, told


async def test_readonly_leads_to_the_new_primary(
    two: list[Node], own: Any, redis_stores: RedisStores, made: Transitions
) -> None:
    """A primary that became a replica and hung up on nobody is left, and no caller notices."""
    sentinel, told = own
    told.port = two[0].port
    store = redis_stores(f"redis+sentinel://{sentinel.place}/mine")
    await store.apply(made.issue("d1"))
    told.port = two[1].port
    two[0].client.replicaof("127.0.0.1", two[1].port)
    replies = await asyncio.gather(*(store.apply(made.issue(f"e{number}")) for number in range(50)))
    assert {type(reply) for reply in replies} == {t.Issued}
    assert type(await store.apply(made.mode("off"))) is t.ModeSet
    assert two[1].client.dbsize() == 8


@pytest.mark.parametrize("kind", ["NOREPLICAS", "MASTERDOWN"])
async def test_other_signs_of_a_failover(
    two: list[Node], own: Any, redis_stores: RedisStores, made: Transitions, kind: str
) -> None:
    """So is one that was cut off from its replicas, or that may not answer for its own primary."""
    sentinel, told = own
    told.port = two[0].port
    store = redis_stores(f"redis+sentinel://{sentinel.place}/mine")
    await store.apply(made.issue("d1"))
    await store.apply(made.read())
    told.port = two[1].port
    if kind == "NOREPLICAS":
        two[0].client.config_set("min-replicas-to-write", "1")
        assert type(await store.apply(made.issue("d2"))) is t.Issued
    else:
        two[0].client.config_set("replica-serve-stale-data", "no")
        two[0].client.replicaof("127.0.0.1", "1")
        assert not (await store.apply(made.read())).domains  # type: ignore[union-attr]
    assert kind in str(two[0].client.info("errorstats"))


async def test_replica_is_not_taken_for_a_primary(
    two: list[Node], own: Any, redis_stores: RedisStores, made: Transitions
) -> None:
    """As long as what Sentinel names is a replica, calls fail at once, and nothing is asked of it."""
    sentinel, told = own
    told.port = two[0].port
    two[0].client.replicaof("127.0.0.1", two[1].port)
    store = redis_stores(f"redis+sentinel://{sentinel.place}/mine")
    for _ in range(3):
        with pytest.raises(StoreUnavailable) as unavailable:
            await store.apply(made.issue())
        assert "b'slave'" in str(unavailable.value.__cause__)
    two[0].client.replicaof("no", "one")
    assert type(await goes_on(store, made.issue())) is t.Issued


async def test_sentinel_that_hangs(two: list[Node], own: Any, redis_stores: RedisStores, made: Transitions) -> None:
    """One that takes the question and never answers holds nobody up for longer than its share."""
    sentinel, told = own
    told.port = two[0].port

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as hanging:
        port = hanging.sockets[0].getsockname()[1]
        store = redis_stores(f"redis+sentinel://127.0.0.1:{port},{sentinel.place}/mine")
        assert type(await store.apply(made.issue())) is t.Issued
        await store.close()


async def test_users_of_both(two: list[Node], own: Any, redis_stores: RedisStores, made: Transitions) -> None:
    """Sentinels get their own user and password, and the server gets its own and the database."""
    sentinel, told = own
    told.port = two[0].port
    two[0].client.execute_command("ACL SETUSER alice on >s3cret ~* &* +@all")
    sent: list[Command] = []
    sentinel.answer = lambda command: (sent.append(command), told(command))[1]
    options = "sentinel_username=sam&sentinel_password=other"
    store = redis_stores(f"redis+sentinel://alice:s3cret@{sentinel.place}/mine/3?{options}")
    assert type(await store.apply(made.issue())) is t.Issued
    assert sent[0] == [b"AUTH", b"sam", b"other"]
    client = [one for one in two[0].client.client_list() if one["name"] == "learning-sidecar"]
    assert {(one["user"], one["db"]) for one in client} == {("alice", "3")}


# --- a plain server behind a name


async def test_readonly_follows_a_name(data_dir: Path, redis_stores: RedisStores, made: Transitions) -> None:
    """A plain server that may not write any more is left, too: by now the same name may lead to another."""
    data_dir.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    name = data_dir / "name"
    with valkey(data_dir / "a") as first, valkey(data_dir / "b") as second:
        name.symlink_to(first)
        store = redis_stores(f"unix://{name}")
        await store.apply(made.issue("d1"))
        await store.apply(made.read())
        redis.Redis(unix_socket_path=str(first)).replicaof("127.0.0.1", 1)
        name.unlink()
        name.symlink_to(second)
        replies = await asyncio.gather(*(store.apply(made.issue(f"e{number}")) for number in range(50)))
        assert {type(reply) for reply in replies} == {t.Issued}
        assert redis.Redis(unix_socket_path=str(second)).dbsize() == 8


async def test_readonly_connection_is_drained() -> None:
    """What was asked before gets its reply, and what comes later waits for the next connection."""
    answers = {b"refused": b"-READONLY no\r\n", b"slow": b""}
    async with Dialogue(lambda command: answers.get(command[1], bulk(command[1]))).listening() as old:
        stream = Stream(Endpoint(f"redis://{old.place}"), timeout_s=30.0)
        refused, slow = stream.begin(echo("refused")), stream.begin(echo("slow"))
        with pytest.raises(Refused):
            await reply_of(refused)
        later = stream.begin(echo("later"))
        await turns(20)
        assert old.heard == [[b"ECHO", b"refused"], [b"ECHO", b"slow"]]
        assert len(old.writers) == 1
        old.writers[0].write(bulk("slow"))
        assert await reply_of(slow) == b"slow"
        assert await reply_of(later) == b"later"
        assert len(old.writers) == 2
        await stream.close()


async def test_readonly_for_long_fails_at_once(two: list[Node], redis_stores: RedisStores, made: Transitions) -> None:
    """Where the name still leads to a replica calls fail, soon at once and without a storm of connections."""
    store = redis_stores(f"redis://127.0.0.1:{two[0].port}")
    await store.apply(made.issue("d1"))
    two[0].client.replicaof("127.0.0.1", 1)
    before, started = two[0].client.info("stats")["total_connections_received"], time.monotonic()
    for _ in range(200):
        with pytest.raises(StoreUnavailable):
            await store.apply(made.issue("d2"))
        await asyncio.sleep(0.005)
    made_anew = two[0].client.info("stats")["total_connections_received"] - before - 1
    assert made_anew <= 6 + (time.monotonic() - started) / 0.5
    two[0].client.replicaof("no", "one")
    assert type(await goes_on(store, made.issue("d2"))) is t.Issued


# --- the whole


async def test_a_sidecar_decides_on_the_named_primary(
    trio: Trio, sidecars: Sidecars, connect: Connect, workspace: str
) -> None:
    """A real process with such a URL decides on the server that Sentinels name."""
    await asyncio.to_thread(eventually, trio.well, "Sentinels that agree")
    stub = connect(sidecars(redis_url=trio.url).address)
    ask = pb.RecommendRequest(workspace=workspace, domain="route", candidates=[pb.Candidate(arm="a")])
    assert not (await stub.Recommend(ask)).degraded
    assert trio.named().client.keys(f"*{workspace}*")
