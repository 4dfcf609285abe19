"""With `min_replicas`, whatever was acknowledged is on a replica, and what is not there yet was not acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import StoreUnavailable
from sidecar.store import transitions as t
from sidecar.store.endpoint import Endpoint
from sidecar.store.refusals import Refused, Unreachable
from sidecar.store.stream import Stream, reply_of
from tests.conftest import RedisStores

from .conftest import Transitions
from .dialogue import Command, Dialogue, bulk, number
from .scripted import LONG_S, echo, outcomes, until_true
from .topologies import Node, eventually, free_ports, server


@pytest.fixture
def pair(data_dir: Path) -> Iterator[tuple[Node, Node]]:
    """Run a primary and its replica."""
    data_dir.mkdir()
    first, second = free_ports(2)
    primary, replica = (
        server(data_dir / "p", first),
        server(data_dir / "r", second, "--replicaof", f"127.0.0.1 {first}"),
    )
    try:
        primary.start()
        replica.start()
        eventually(lambda: replica.client.info("replication")["master_link_status"] == "up", "a replica in step")
        yield primary, replica
    finally:
        replica.kill()
        primary.kill()


async def test_what_is_acknowledged_is_on_the_replica(
    pair: tuple[Node, Node], redis_stores: RedisStores, made: Transitions
) -> None:
    """The primary dies right after its answers: the replica has all of them, each time."""
    primary, replica = pair
    store = redis_stores(f"redis://127.0.0.1:{primary.port}?min_replicas=1", timeout_s=LONG_S)
    for turn in range(20):
        ids = [f"d{turn}-{one}" for one in range(10)]
        issued = await asyncio.gather(*(store.apply(made.issue(one)) for one in ids))
        applied = await asyncio.gather(*(store.apply(made.settle(one)) for one in ids))
        assert {type(one) for one in (*issued, *applied)} == {t.Issued, t.Applied}
    primary.kill()
    replica.client.replicaof("NO", "ONE")
    heir = redis_stores(f"redis://127.0.0.1:{replica.port}")
    view = await heir.apply(made.read())
    assert view.domains["route"].counters["applied"] == 200  # type: ignore[union-attr]


async def test_nothing_is_acknowledged_without_replicas(
    pair: tuple[Node, Node], redis_stores: RedisStores, made: Transitions
) -> None:
    """A replica that hangs confirms nothing: calls end as with a store that is away, and go on when it does."""
    primary, replica = pair
    store = redis_stores(f"redis://127.0.0.1:{primary.port}?min_replicas=1", timeout_s=1.0)
    assert type(await store.apply(made.issue("d1"))) is t.Issued
    replica.stand_still()
    with pytest.raises(StoreUnavailable):
        await store.apply(made.settle("d1"))
    replica.go_on()

    async def told() -> t.Reply:
        while True:
            try:
                return await store.apply(made.settle("d1"))
            except StoreUnavailable:
                await asyncio.sleep(0.05)

    assert type(await told()) in (t.Applied, t.Duplicate)
    assert (await store.apply(made.read())).domains["route"].counters["applied"] == 1  # type: ignore[union-attr]


async def test_more_replicas_than_there_are(
    pair: tuple[Node, Node], redis_stores: RedisStores, made: Transitions
) -> None:
    """It says how many are missing."""
    primary, _ = pair
    store = redis_stores(f"redis://127.0.0.1:{primary.port}?min_replicas=2", timeout_s=LONG_S / 30)
    with pytest.raises(StoreUnavailable) as unavailable:
        await store.apply(made.issue())
    assert "1 of 2 replicas have it" in str(unavailable.value.__cause__)


def says(waited: bytes) -> Dialogue:
    """A server that echoes, knows one refusal, and answers WAIT so."""

    def answer(command: Command) -> bytes:
        if command[0] == b"WAIT":
            return waited
        return b"-OOM no\r\n" if command[1] == b"refused" else bulk(command[1])

    return Dialogue(answer)


def stream_to(server: Dialogue, replicas: int = 2) -> Stream:
    """A stream that has replicas confirm."""
    return Stream(Endpoint(f"redis://{server.place}"), timeout_s=LONG_S, replicas=replicas)


async def test_one_confirmation_for_all_that_goes_out_together() -> None:
    """A hundred calls in one write are followed by one WAIT, of half of the time-out."""
    async with says(number(2)).listening() as server:
        stream = stream_to(server)
        assert await outcomes(*(stream.execute(echo(f"{one}")) for one in range(100))) == [
            f"{one}".encode() for one in range(100)
        ]
        assert server.heard[-1] == [b"WAIT", b"2", b"%d" % (LONG_S * 500)]
        assert server.count(b"WAIT") == 1
        await stream.close()


async def test_what_need_not_last_waits_for_nobody() -> None:
    """A question is answered at once, also beside writes, and also by a replica, which knows no WAIT."""
    async with says(b"").listening() as server:
        stream = stream_to(server)
        assert await stream.execute(echo("alone"), lasting=False) == b"alone"
        kept = stream.begin(echo("kept"))
        assert await stream.execute(echo("read"), lasting=False) == b"read"
        assert server.count(b"WAIT") == 1
        assert not kept.done()
        await stream.close()


async def test_too_few_replicas_are_no_answer_and_a_refusal_is_one() -> None:
    """Whether it lasts is not known; what was refused changed nothing."""
    async with says(number(1)).listening() as server:
        stream = stream_to(server)
        done, refused = await outcomes(stream.execute(echo("done")), stream.execute(echo("refused")))
        assert isinstance(done, Unreachable)
        assert str(done) == "1 of 2 replicas have it"
        assert isinstance(refused, Refused)
        await stream.close()


async def test_who_may_not_wait_is_told() -> None:
    """A user without +wait learns so from every call."""
    async with says(b"-NOPERM User has no permissions to run the 'wait' command\r\n").listening() as server:
        stream = stream_to(server)
        with pytest.raises(Refused, match="'wait'"):
            await stream.execute(echo("x"))
        await stream.close()


async def test_callers_are_not_held_longer_than_they_said() -> None:
    """While replicas are waited for deadlines hold, and a lost connection is told to all."""
    async with says(b"").listening() as server:
        stream = stream_to(server)
        loop = asyncio.get_running_loop()
        patient = stream.begin(echo("a"))
        with pytest.raises(TimeoutError):
            await stream.execute(echo("b"), loop.time() + 0.05)
        await until_true(lambda: server.count(b"WAIT") >= 1)
        assert not patient.done()
        server.writers[-1].transport.abort()
        with pytest.raises(Unreachable):
            await reply_of(patient)
        await stream.close()
