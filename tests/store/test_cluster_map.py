"""How a cluster's map is found, where nodes are away, say little, or say nonsense."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from sidecar.errors import StoreUnavailable
from sidecar.settings.redis_url import Address

from .dialogue import array, bulk, number
from .nodes import (
    KEY,
    SLOT,
    Node,
    call,
    cause,
    everything_on,
    map_known,
    redirect,
    saying,
)
from .scripted import until_true


async def test_seed_that_is_away(nodes: Any, connections: Any) -> None:
    """The first call finds a node that is there, wherever it stands in the URL."""
    one, other = nodes
    other.map = everything_on(other)
    connection = connections("127.0.0.1:1", other)
    assert await call(connection) == b"x"
    other.says = saying(array(bulk("a"), bulk("b")))
    assert await connection.fields(KEY) == ["a", "b"]
    assert not one.heard


async def test_node_that_does_not_say_its_host(nodes: Any, connections: Any) -> None:
    """Without a host, a node is where it was asked."""
    source, target = nodes
    for host in (b"$-1\r\n", bulk("")):
        source.map = everything_on(target, host=host)
        connection = connections(source)
        await map_known(connection)
        assert await call(connection) == b"x"
    assert len(target.heard) == 2


@pytest.mark.parametrize("nonsense", [b"-ERR no\r\n", b"+OK\r\n", b":1\r\n", array(number(1)), array(array(number(1)))])
async def test_no_map_is_needed(nodes: Any, connections: Any, nonsense: bytes) -> None:
    """Where nobody gives a map that can be understood, MOVED says enough."""
    source, target = nodes
    source.map = target.map = nonsense
    source.says = saying(redirect("MOVED", target))
    connection = connections(source)
    for _ in range(3):
        assert await call(connection) == b"x"
    assert (len(source.heard), len(target.heard)) == (1, 3)


async def test_lost_node_is_replaced(nodes: Any, connections: Any) -> None:
    """When a node is gone, another one is asked where its slots are, and calls go there without being sent."""
    _, target = nodes
    source = Node()
    async with source.dialogue.listening():
        source.map = target.map = everything_on(source)
        connection = connections(source, target)
        await map_known(connection)
        assert await call(connection) == b"x"
    assert isinstance(await cause(connection), OSError)
    first = target.mapped
    await until_true(lambda: target.mapped > first + 2)  # nobody has taken over yet
    target.map, outcome = everything_on(target), None
    while outcome != b"x":
        with contextlib.suppress(StoreUnavailable):
            outcome = await call(connection)
        await asyncio.sleep(0.01)
    assert target.heard == [[b"ECHO", b"x"]]


async def test_any_node_will_do_for_what_has_no_key(nodes: Any, connections: Any) -> None:
    """Which is one that is there."""
    one, other = nodes
    one.map = everything_on(one, other)
    connection = connections("127.0.0.1:1", one)
    await map_known(connection)
    facts = b"redis_version:7.9\r\nrun_id:abc\r\n"
    one.says = other.says = saying(bulk(facts))
    assert (await connection.server()).name == "Redis 7.9"


async def test_closing_ends_everything(nodes: Any, connections: Any) -> None:
    """Also while the map is being asked for, and nothing is begun any more."""
    source, _ = nodes
    source.map = everything_on(source)
    connection = connections(source)
    asked = asyncio.create_task(call(connection))
    await asyncio.sleep(0)
    await connection.close()
    with contextlib.suppress(StoreUnavailable):
        await asked
    cluster = connection._hot._cluster  # type: ignore[attr-defined]  # it is a cluster's
    cluster.refresh()
    assert cluster._refreshing is None
    cluster.moved(SLOT, Address("127.0.0.1", 1))
    assert "closed" in str(await cause(connection))
    assert Address("127.0.0.1", 1) not in connection._hot._streams  # type: ignore[attr-defined]  # as above
