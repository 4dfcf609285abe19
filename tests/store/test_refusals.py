"""Whatever a server says instead of an answer is a typed refusal, an unavailable store, and passes."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hiredis import pack_command
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from sidecar.errors import StoreUnavailable
from sidecar.store import transitions as t
from sidecar.store.connection import Connection
from sidecar.store.endpoint import Endpoint
from sidecar.store.keys import domain_keys
from sidecar.store.redis_store import RedisStore
from sidecar.store.refusals import Kind, Refused
from sidecar.store.stream import Stream
from tests.conftest import RedisStores

from .conftest import Transitions
from .scripted import turns
from .servers import valkey

ENDLESS = "while true do end"


@pytest.fixture(scope="module")
def own(short_dir: Path) -> Iterator[str]:
    """Run a server that these tests may change as they like, as long as they change it back."""
    with valkey(short_dir / "own", "--enable-debug-command", "yes") as path:
        yield f"unix://{path}"


@pytest.fixture
async def admin(own: str) -> AsyncIterator[Any]:
    """Talk to that server."""
    client: Any = Redis.from_url(own)
    yield client
    await client.aclose()


def command(*words: str | int) -> bytes:
    """Pack any command."""
    packed: bytes = pack_command(words)  # type: ignore[arg-type]  # its stub knows tuples of one only
    return packed


async def refusal(store: RedisStore, transition: t.Transition) -> Kind:
    """Say how the server refuses, which callers see as an unavailable store."""
    with pytest.raises(StoreUnavailable) as unavailable:
        await store.apply(transition)
    cause = unavailable.value.__cause__
    assert isinstance(cause, Refused)
    return cause.kind


async def told(url: str, *words: str | int) -> Any:
    """Say what the server answers to a command on the shared kind of connection, or how it refuses."""
    stream = Stream(Endpoint(url), timeout_s=10.0)
    try:
        return await stream.execute(command(*words))
    except Refused as error:
        return error.kind
    finally:
        await stream.close()


async def set_config(admin: Any, name: str, value: str) -> Callable[[], Any]:
    """Set it, and say how to set it back."""
    (before,) = (await admin.config_get(name)).values()
    await admin.config_set(name, value)
    return lambda: admin.config_set(name, before)


async def out_of_memory(admin: Any) -> Callable[[], Any]:
    """Leave no memory."""
    return await set_config(admin, "maxmemory", "1mb")


async def without_replicas(admin: Any) -> Callable[[], Any]:
    """Ask for replicas that are not there."""
    return await set_config(admin, "min-replicas-to-write", "1")


async def replica(admin: Any) -> Callable[[], Any]:
    """Make it a replica of nobody there."""
    await admin.replicaof("127.0.0.1", "1")
    return lambda: admin.replicaof("no", "one")


async def forbidden(admin: Any) -> Callable[[], Any]:
    """Take the right to run scripts away."""
    await admin.execute_command("ACL", "SETUSER", "default", "-evalsha")
    return lambda: admin.execute_command("ACL", "SETUSER", "default", "+@all")


STATES = [(out_of_memory, Kind.OOM), (without_replicas, Kind.NOREPLICAS), (forbidden, Kind.NOPERM)]


@pytest.mark.parametrize(("bring_about", "kind"), STATES)
async def test_states_of_a_server(
    own: str, admin: Any, redis_stores: RedisStores, made: Transitions, bring_about: Any, kind: Kind
) -> None:
    """A server that may not write refuses by name, and as soon as it may again, the same connection goes on.

    After READONLY there is a new one: tests/store/test_sentinel.py.
    """
    store = redis_stores(own)
    await store.apply(made.issue("d1"))
    stream = store._connection._hot.stream_of("any")
    line = stream._line
    back = await bring_about(admin)
    try:
        assert await refusal(store, made.issue("d2")) is kind
        assert await refusal(store, made.settle("d1")) is kind
        assert await refusal(store, made.mode("off")) is kind
        replies = await store.apply_all([made.issue(f"d{number}") for number in range(3, 5)], 1e12)
        assert {type(reply) for reply in replies} == {StoreUnavailable}
    finally:
        await back()
    assert type(await store.apply(made.issue("d2"))) is t.Issued
    assert type(await store.apply(made.mode("off"))) is t.ModeSet
    assert stream._line is line


async def test_replica_without_its_primary(own: str, admin: Any, redis_stores: RedisStores, made: Transitions) -> None:
    """A replica that may not answer for its primary refuses reading by name."""
    store = redis_stores(own)
    await store.apply(made.issue("d1"))
    stale_again, primary_again = await set_config(admin, "replica-serve-stale-data", "no"), await replica(admin)
    assert await refusal(store, made.read()) is Kind.MASTERDOWN
    await primary_again()
    await stale_again()
    assert (await store.apply(made.read())).domains["route"].open == 1  # type: ignore[union-attr]


async def test_wrong_type(own: str, admin: Any, redis_stores: RedisStores, made: Transitions) -> None:
    """A key that holds something else is refused by name, and other domains are none the worse."""
    store = redis_stores(own)
    key = domain_keys("learning", made.scope())[0]
    await admin.set(key, "not a hash")
    assert await refusal(store, made.issue()) is Kind.WRONGTYPE
    assert type(await store.apply(made.issue(domain="other"))) is t.Issued
    await admin.delete(key)
    assert type(await store.apply(made.issue())) is t.Issued


async def test_busy_and_killed_scripts(own: str, admin: Any, redis_stores: RedisStores, made: Transitions) -> None:
    """While a script holds the server up callers are refused; when it is killed, its own caller is too."""
    store = redis_stores(own)
    await store.apply(made.issue("d1"))
    back = await set_config(admin, "busy-reply-threshold", "1")
    endless = asyncio.create_task(told(own, "EVAL", ENDLESS, 0))
    kinds = set()
    while Kind.BUSY not in kinds:
        with contextlib.suppress(StoreUnavailable):
            await store.apply(made.issue("d2"))  # it may be there before the script
            continue
        kinds.add(await refusal(store, made.settle("d1")))
    await admin.script_kill()
    assert await endless is Kind.ERR
    assert type(await store.apply(made.issue("d3"))) is t.Issued
    await back()


async def test_loading(data_dir: Path, redis_stores: RedisStores, made: Transitions) -> None:
    """A server that still reads its data lets nobody work, says so at once, and is used when it is done."""
    with valkey(data_dir) as path:
        admin: Any = Redis.from_url(f"unix://{path}")
        async with admin.pipeline(transaction=False) as many:
            for number in range(500):
                many.set(f"k{number}", secrets.token_hex(500))
            await many.execute()
        await admin.save()
        await admin.aclose()
    slowly = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
    with valkey(data_dir, *slowly) as path:
        store, admin = redis_stores(f"unix://{path}"), Redis.from_url(f"unix://{path}")
        assert await refusal(store, made.issue()) is Kind.LOADING
        assert await refusal(store, made.read()) is Kind.LOADING
        await admin.config_set("key-load-delay", "0")
        while True:
            with contextlib.suppress(StoreUnavailable):
                assert type(await store.apply(made.issue())) is t.Issued
                break
        assert await admin.dbsize() > 500
        await admin.aclose()


async def test_cluster_without_slots(data_dir: Path, redis_stores: RedisStores, made: Transitions) -> None:
    """A cluster that is not set up, and a key of another node, are refused by name."""
    with valkey(data_dir, "--cluster-enabled", "yes", "--port", "0", "--cluster-port", "1") as path:
        store = redis_stores(f"unix://{path}")
        assert await refusal(store, made.issue()) is Kind.CLUSTERDOWN
        assert await told(f"unix://{path}", "EVAL", "return 1", 2, "a", "b") is Kind.CROSSSLOT


async def test_script_forgotten_again(own: str, admin: Any, redis_stores: RedisStores, made: Transitions) -> None:
    """When the script is forgotten between being loaded and being called, its source comes along with the call."""
    store = redis_stores(own)
    load = store._connection._load

    async def in_vain(stream: Stream, name: str) -> None:
        await load(stream, name)
        await admin.script_flush()

    store._connection._load = in_vain  # type: ignore[method-assign]
    await admin.script_flush()
    await admin.config_resetstat()
    transitions = [made.issue("d1"), made.settle("d1"), made.release("d1"), made.mode("off")]
    replies = [type(await store.apply(one)) for one in transitions]
    assert replies == [t.Issued, t.Applied, t.Closed, t.ModeSet]
    stats = await admin.info("commandstats")
    assert (stats["cmdstat_eval"]["calls"], stats["cmdstat_script|load"]["calls"]) == (4, 4)


async def test_loading_a_script_keeps_to_the_deadline(own: str, admin: Any, made: Transitions) -> None:
    """Who finds that a script is not known waits for it no longer than for anything else."""
    connection, loop = Connection(own, timeout_s=60.0), asyncio.get_running_loop()
    store, waiting = RedisStore(connection), asyncio.Event()

    async def never(stream: Stream, name: str) -> None:  # noqa: ARG001 - as the method
        waiting.set()
        await asyncio.Event().wait()

    connection._load = never  # type: ignore[method-assign]
    await admin.script_flush()
    with pytest.raises(StoreUnavailable):
        await store.apply(made.issue(), loop.time() + 0.5)
    assert waiting.is_set()
    await connection.close()


async def test_caller_that_leaves_does_not_take_the_script_along(
    own: str, admin: Any, redis_stores: RedisStores, made: Transitions
) -> None:
    """When the first that needed a script is cancelled, the others get theirs."""
    store = redis_stores(own)
    await store.apply(made.issue("d0"))
    await admin.script_flush()
    tasks = [asyncio.create_task(store.apply(made.issue(f"d{number}"))) for number in range(1, 6)]
    while not store._connection._loading:
        await turns(1)
    tasks[0].cancel()
    replies = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(replies[0], asyncio.CancelledError)
    assert {type(reply) for reply in replies[1:]} == {t.Issued}
    assert not store._connection._loading


@pytest.mark.parametrize("kind", [*Kind])
async def test_every_kind_is_told_from_its_word(own: str, kind: Kind) -> None:
    """Each word that means something is its own kind; all others are ERR."""
    assert await told(own, "EVAL", f"return redis.error_reply('{kind} and so on')", 0) is kind
    assert Refused(f"{kind}").kind is kind
    assert Refused(f"{kind.lower()} and so on").kind is Refused(f"X{kind} y").kind is Refused("").kind is Kind.ERR


async def test_errors_inside_replies_are_left_to_the_reader(own: str, admin: Any) -> None:
    """A refusal within a list refuses nothing but itself, and what is no text harms nobody."""
    with pytest.raises(ResponseError):
        await admin.execute_command("NO SUCH COMMAND")
    reply = await told(own, "EVAL", "return {1, redis.error_reply('OOM x'), '\\255'}", 0)
    assert (reply[0], reply[1].kind, reply[2]) == (1, Kind.OOM, b"\xff")
    assert await told(own, "EVAL", "return redis.error_reply('\\255 x')", 0) is Kind.ERR
