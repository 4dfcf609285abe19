"""Nodes of a cluster whose every word a test writes itself, and what is asked of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sidecar.errors import StoreUnavailable
from sidecar.settings.redis_url import Address
from sidecar.store.connection import Connection
from sidecar.store.slots import slot_of

from .dialogue import OK, Command, Dialogue, array, bulk, number
from .scripted import CHORUS, echo, until_true

KEY = "learning:1:{default/w}:workspace"
SLOT = slot_of(KEY)
NAME = "release"
MAP = b"SLOTS"


class Node:
    """A node that gives the map, and to all else what `says` makes of it; by default it echoes."""

    def __init__(self) -> None:
        """Give no map yet."""
        self.map = b"*0\r\n"
        self.says: Callable[[Command], bytes | None] = lambda _: None
        self.dialogue = Dialogue(self._answer)

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address("127.0.0.1", self.dialogue.port)

    @property
    def heard(self) -> list[Command]:
        """What it was asked, but for the map."""
        return [command for command in self.dialogue.heard if command[0] != b"CLUSTER"]

    @property
    def mapped(self) -> int:
        """How often it was asked for the map."""
        return self.dialogue.count(b"CLUSTER", MAP)

    def _answer(self, command: Command) -> bytes:
        if command[0] == b"CLUSTER":
            return self.map
        if command[0] == b"ASKING":
            return OK
        return self.says(command) or bulk(command[-1])


def everything_on(*nodes: Node, host: bytes | None = None) -> bytes:
    """The map where the slots lie on these nodes, in equal parts."""
    spans = []
    for at, node in enumerate(nodes):
        first, last = 16384 * at // len(nodes), 16384 * (at + 1) // len(nodes) - 1
        where = bulk("127.0.0.1") if host is None else host
        spans.append(array(number(first), number(last), array(where, number(node.address.port), bulk("id"))))
    return array(*spans)


@contextlib.asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[Node, Node]]:
    """Run two nodes."""
    one, other = Node(), Node()
    async with one.dialogue.listening(), other.dialogue.listening():
        yield one, other


@contextlib.asynccontextmanager
async def making_connections() -> AsyncIterator[Callable[..., Connection]]:
    """Make connections to clusters, closed at the end."""
    made: list[Connection] = []

    def make(*seeds: Node | str, timeout_s: float = 30.0) -> Connection:
        places = [one if isinstance(one, str) else one.dialogue.place for one in seeds]
        made.append(Connection(f"redis+cluster://{','.join(places)}", timeout_s=timeout_s))
        return made[-1]

    try:
        yield make
    finally:
        for connection in made:
            await connection.close()


async def call(connection: Connection, text: str = "x", key: str = KEY, **options: Any) -> Any:
    """Call as every request does."""
    return await connection.answer(connection.begin(echo(text), NAME, key, **options))


async def together(connection: Connection, count: int) -> list[Any]:
    """Make so many calls that may go in one command."""
    begun = [connection.begin(str(one).encode(), NAME, KEY, joint=CHORUS) for one in range(count)]
    return await asyncio.gather(*map(connection.answer, begun))


async def cause(connection: Connection, **options: Any) -> BaseException | None:
    """Call in vain; say why."""
    with pytest.raises(StoreUnavailable) as caught:
        await call(connection, **options)
    return caught.value.__cause__


async def map_known(connection: Connection) -> None:
    """Wait until every slot's place is known."""
    cluster = connection._hot._cluster  # type: ignore[attr-defined]  # it is a cluster's
    cluster.refresh()
    await until_true(lambda: None not in cluster._slots and cluster._refreshing is None)


def saying(*answers: bytes | None) -> Callable[[Command], bytes | None]:
    """Say these, one after the other, and then the last of them for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def redirect(kind: str, node: Node, slot: int = SLOT) -> bytes:
    """Send a call elsewhere."""
    return f"-{kind} {slot} {node.address}\r\n".encode()
