"""A cluster: one connection to each primary, and a map of the slots that every reply may correct.

    unknown --(CLUSTER SLOTS of any node)--> known --(MOVED: this slot; and soon all of it, asked for anew)--> known

Nothing waits for the map. While a slot's place is unknown any node is asked, which says where the slot is; so does a
node that has given it away. When a connection is lost the map is asked for, of other nodes, as often as the attempts to
connect again fail: until another node has taken over, or this one is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from random import Random

import hiredis

from sidecar.settings.redis_url import Address, Target
from sidecar.store.breaker import State
from sidecar.store.endpoint import Endpoint
from sidecar.store.refusals import Kind, Refused, Unsent
from sidecar.store.routing import Detour
from sidecar.store.slots import SLOTS, Range, ranges, redirection, slot_of
from sidecar.store.stream import Stream

_log = logging.getLogger(__name__)

_MAP: bytes = hiredis.pack_command(("CLUSTER", "SLOTS"))  # type: ignore[arg-type]  # its stub knows tuples of one only
_PAUSE_S = 0.2


class Cluster:
    """Which node holds which slot, and the connections to them: two to each, as `Connection` has to one server.

    Args:
        target: what a `redis+cluster://` URL says.
        timeout_s: how long connecting and each answer may take.
        jitter: spreads what many sidecars ask.
    """

    def __init__(self, target: Target, timeout_s: float, jitter: Random | None = None) -> None:
        """Start with an empty map; nothing is connected yet."""
        self._seeds = target.addresses
        self._slots: list[Address | None] = [None] * SLOTS
        self.nodes = self._seeds
        """Every primary that is known, and after them those that the URL names."""
        self.primaries: tuple[Address, ...] = ()
        """Those of the last map."""
        self._jitter = jitter or Random()  # noqa: S311 - spreads load, keeps no secret
        self._refreshing: asyncio.Task[None] | None = None
        self._refresh_after = 0.0
        self._in_vain: dict[Address, float] = {}
        self._closed = False
        self.hot = Shards(self, target, timeout_s)
        self.rest = Shards(self, target, timeout_s)

    def primary_of(self, key: str) -> Address | None:
        """The node that holds a key, as far as is known."""
        address = self._slots[slot_of(key)]
        if address is None:
            self.refresh()
        return address

    def moved(self, slot: int, address: Address) -> None:
        """A node said where a slot is; perhaps others went there with it."""
        self._slots[slot] = address
        if address not in self.nodes:
            self.nodes = (*self.nodes, address)
        self.refresh()

    def refresh(self) -> None:
        """Ask for the map in the background, unless that is under way."""
        if self._refreshing is None and not self._closed:
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def close(self) -> None:
        """Ask no more."""
        self._closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._refreshing
            self._refreshing = None

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(max(0.0, self._refresh_after - loop.time()))
            found = await self._asked()
            if found:
                self._slots = _spread(found)
                self.primaries = tuple(dict.fromkeys(one.primary for one in found))
                self.nodes = tuple(dict.fromkeys((*self.primaries, *self._seeds)))
                await self.hot.keep(self.primaries)
                await self.rest.keep(self.primaries)
        finally:
            self._refresh_after = loop.time() + _PAUSE_S * (0.5 + self._jitter.random())
            self._refreshing = None

    async def _asked(self) -> list[Range]:
        """What the first node says that answers; those that did not of late are asked last. Empty if none does."""
        nodes = list(self.nodes)
        self._jitter.shuffle(nodes)
        for node in sorted(nodes, key=lambda one: self._in_vain.get(one, 0.0)):
            try:
                found = ranges(await self.rest.stream_at(node).execute(_MAP, lasting=False), node)
            except (Refused, OSError, ValueError) as error:
                _log.debug("%s gives no map of the cluster: %r", node, error)
                found = []
            if found:
                self._in_vain.pop(node, None)
                return found
            self._in_vain[node] = asyncio.get_running_loop().time()
        return []


class Shards:
    """One connection to each primary.

    Args:
        cluster: has the map.
        target: how to be let in.
        timeout_s: see `Stream`.
    """

    def __init__(self, cluster: Cluster, target: Target, timeout_s: float) -> None:
        """Start without any."""
        self._cluster = cluster
        self._target = target
        self._timeout_s = timeout_s
        self._streams: dict[Address, Stream] = {}
        self._closed: Stream | None = None
        """Refuses everybody, at the end."""

    def stream_of(self, key: str) -> Stream:
        """The connection to the node that holds this key; to any node if that is unknown, or the key empty."""
        address = self._cluster.primary_of(key) if key else None
        return self.stream_at(address) if address else self._any()

    def streams(self) -> list[Stream]:
        """The connections to all primaries that are known; to any node while none is."""
        return [self.stream_at(address) for address in self._cluster.primaries] or [self._any()]

    def stream_at(self, address: Address) -> Stream:
        """The connection to this node."""
        stream = self._streams.get(address, self._closed)
        if stream is None:
            stream = self._streams[address] = self._made(address)
        return stream

    def detour(self, key: str, stream: Stream, error: Exception) -> Detour | None:
        """Follow MOVED and ASK; wait a little while keys are on their way, or nodes take over."""
        if isinstance(error, Unsent):
            other = self.stream_of(key)
            return None if other is stream else Detour(other)
        if not isinstance(error, Refused):
            return None
        if error.kind in (Kind.MOVED, Kind.ASK):
            return self._redirected(stream, error)
        if error.kind is Kind.CLUSTERDOWN:
            self._cluster.refresh()
        return Detour(stream, pause=True) if error.kind in (Kind.CLUSTERDOWN, Kind.TRYAGAIN) else None

    async def keep(self, primaries: Iterable[Address]) -> None:
        """Close connections to all other nodes, which hold nothing any more, as far as nobody waits for them."""
        for address in self._streams.keys() - set(primaries):
            if self._streams[address].idle:
                stream = self._streams.pop(address)
                stream.breaker.state = State.CLOSED  # how it was last counts for nothing
                await stream.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._cluster.close()
        self._closed = self._made(self._cluster.nodes[0])
        for stream in (self._closed, *self._streams.values()):
            await stream.close()

    def _made(self, address: Address) -> Stream:
        endpoint = Endpoint(self._target.server(address))
        replicas = self._target.options.min_replicas
        return Stream(endpoint, timeout_s=self._timeout_s, troubled=self._cluster.refresh, replicas=replicas)

    def _any(self) -> Stream:
        nodes, known = self._cluster.nodes, self._streams
        well = (node for node in nodes if node not in known or not known[node].failing)
        return self.stream_at(next(well, nodes[0]))

    def _redirected(self, stream: Stream, error: Refused) -> Detour | None:
        asked = next((address for address, one in self._streams.items() if one is stream), self._cluster.nodes[0])
        try:
            slot, address = redirection(str(error), asked)
        except ValueError:
            return None
        if error.kind is Kind.MOVED:
            self._cluster.moved(slot, address)
        return Detour(self.stream_at(address), asking=error.kind is Kind.ASK)


def _spread(found: Iterable[Range]) -> list[Address | None]:
    slots: list[Address | None] = [None] * SLOTS
    for first, last, primary in found:
        slots[first : last + 1] = [primary] * (last + 1 - first)
    return slots
