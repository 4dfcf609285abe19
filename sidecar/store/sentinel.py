"""The way to the primary that Sentinels agree on: asked for anew whenever a connection is made.

So a failover needs nothing of its own. The old primary is lost, or refuses to write, or Sentinel hangs up on its
clients; the stream connects again, as it always does, and is led to the new one. What Sentinel says may be old: a
server is only talked to when it says itself that it is a primary.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import hiredis

from sidecar.settings.redis_url import Address, Target
from sidecar.store.endpoint import Endpoint
from sidecar.store.line import Line, Place
from sidecar.store.refusals import Kind, Refused, Unreachable
from sidecar.store.stream import reply_of

P = TypeVar("P", bound=asyncio.BaseProtocol)

_ROLE: bytes = hiredis.pack_command(("ROLE",))
_PATIENCE_S = 1.0


class WatchedPrimary:
    """Whichever server is the primary of a service.

    Args:
        target: what a `redis+sentinel://` URL says.
        timeout_s: how long connecting may take; a Sentinel gets its share of it, and a second at most.
    """

    # All of them say that this is no primary any more, or one that was cut off from the others.
    leaves_on = frozenset({Kind.READONLY, Kind.MASTERDOWN, Kind.NOREPLICAS})

    def __init__(self, target: Target, timeout_s: float) -> None:
        """Keep them; nothing is connected yet."""
        self._target = target
        self._sentinels = deque(target.addresses)
        self._patience_s = min(_PATIENCE_S, timeout_s / (len(target.addresses) + 1))

    def greeting(self) -> list[bytes]:
        """As to any server, and before the name the question what it is."""
        *musts, naming = Endpoint(self._target.server(self._sentinels[0])).greeting()
        return [*musts, _ROLE, naming]

    def check(self, replies: Sequence[Any]) -> None:
        """See that it is a primary.

        Raises:
            Unreachable: it is not.
        """
        role = replies[-1][0] if isinstance(replies[-1], list) and replies[-1] else None
        if role != b"master":
            raise Unreachable(f"Sentinel named a server that says it is {role!r}, no primary")

    async def connect(self, make: Callable[[], P]) -> P:
        """Ask one Sentinel after the other, and connect to the first server named that can be reached.

        Raises:
            Unreachable: there is none.
        """
        sentinels = tuple(self._sentinels)
        self._sentinels.rotate(-1)  # the next attempt begins with another: this one may hang, or know old things
        why: list[str] = []
        tried: set[Address] = set()
        for sentinel in sentinels:
            try:
                async with asyncio.timeout(self._patience_s):
                    address = await self._primary(sentinel)
                if address not in tried:
                    tried.add(address)
                    return await Endpoint(self._target.server(address)).connect(make)
            except (Refused, OSError) as error:
                why.append(f"{sentinel}: {error!r}")
        raise Unreachable(f"no Sentinel leads to the primary of {self._target.service!r}: {'; '.join(why)}")

    async def _primary(self, sentinel: Address) -> Address:
        endpoint, loop = Endpoint(self._target.sentinel(sentinel)), asyncio.get_running_loop()
        question: bytes = hiredis.pack_command(("SENTINEL", "get-master-addr-by-name", self._target.service))  # type: ignore[arg-type]  # its stub is narrow
        places = [Place(one, loop.create_future(), 0.0) for one in (*endpoint.greeting()[:-1], question)]
        line = await endpoint.connect(lambda: Line(lambda *_: None, lambda: None))
        try:
            line.ask(places, loop.time())
            answer = [await reply_of(place.future) for place in places][-1]
        finally:
            line.drop(Unreachable("done"))
        if not answer:
            raise Unreachable(f"knows no service {self._target.service!r}")
        return Address(answer[0].decode(), int(answer[1]))
