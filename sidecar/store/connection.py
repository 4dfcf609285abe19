"""Runs scripts on a server: the one seam to Redis.

What every request needs goes over one connection that all calls share, and all else over a second one, so that a
snapshot of megabytes holds no decision up; in a cluster over two to each primary. Nothing is sent twice of its own
accord but what was not carried out: by a server that did not know a script, which is then sent once, however many calls
found out, or by one that said that it was the wrong one.
"""

from __future__ import annotations

import asyncio
import math
from random import Random
from time import monotonic
from typing import Any, NamedTuple
from weakref import WeakSet

import hiredis

from sidecar.errors import StoreUnavailable
from sidecar.settings.redis_url import target_of
from sidecar.store.breaker import Breaker, State
from sidecar.store.cluster import Cluster
from sidecar.store.endpoint import Endpoint, Way
from sidecar.store.line import Joint
from sidecar.store.packing import load, packed_call
from sidecar.store.refusals import Kind, Refused, Unreachable, Unsent
from sidecar.store.resending import Resending
from sidecar.store.routing import OneServer, Routing
from sidecar.store.sentinel import WatchedPrimary
from sidecar.store.stream import Stream, reply_of
from sidecar.store.wire import Call

_INFO: bytes = hiredis.pack_command(("INFO", "server"))  # type: ignore[arg-type]  # its stub knows tuples of one only


class Server(NamedTuple):
    """What a server is, such as `Valkey 9.1.0`, and which one: each start has its own `run_id`, empty if not told.

    Of a cluster the ids of its primaries, in order, with commas between: it is another one when one of them is.
    """

    name: str
    run_id: str


class Begun(NamedTuple):
    """A script that was sent, and what it takes to send it again."""

    reply: asyncio.Future[Any]
    routing: Routing
    stream: Stream
    command: bytes
    name: str
    key: str
    until: float
    joint: Joint | None = None
    breaker: Breaker | None = None
    begun_at: float = 0.0


class Connection:
    """The connections to one server, to whichever Sentinels say is the primary, or to a cluster.

    Args:
        url: see `redis_url.target_of`.
        timeout_s: how long connecting and each answer may take.

    Raises:
        InvalidSettings: the URL is none of these.
    """

    def __init__(self, url: str, *, timeout_s: float = 1.0) -> None:
        """Prepare; nothing is connected yet."""
        self._hot, self._rest = _routings(url, timeout_s)
        self._timeout_s = timeout_s
        self._jitter = Random()  # noqa: S311 - spreads load, keeps no secret
        self._loading: dict[tuple[Stream, str], asyncio.Task[None]] = {}
        self._failing: WeakSet[Breaker] = WeakSet()

    def begin(self, command: bytes, name: str, key: str, until: float = math.inf, joint: Joint | None = None) -> Begun:
        """Send a hot script; what is begun in one turn of the loop is sent together.

        Args:
            command: the call as it is sent.
            name: the script's.
            key: one of its keys.
            until: when to give up, by the loop's clock.
            joint: see `Stream.begin`.

        Raises:
            StoreUnavailable: the server could not be asked, or did not answer of late and is left alone for a moment.
        """
        stream, now = self._hot.stream_of(key), monotonic()
        breaker = stream.breaker
        if breaker.tripped and not breaker.admits(now):
            raise StoreUnavailable(name) from Unreachable("it did not answer of late and is left alone for a moment")
        try:
            reply = stream.begin(command, until, joint)
            return Begun(reply, self._hot, stream, command, name, key, until, joint, breaker, now)
        except Unreachable as error:
            self._missed(breaker, error, now)
            raise StoreUnavailable(name) from error

    async def answer(self, begun: Begun) -> Any:  # noqa: ANN401 - whatever the script answers
        """Wait for the answer: as the script gave it, or what the joint made of it.

        Raises:
            StoreUnavailable: the server did not answer in time, or refused.
        """
        breaker, again = begun.breaker, None
        try:
            try:
                answer = await reply_of(begun.reply)
            except (Refused, Unsent) as error:
                _, routing, stream, command, name, key, _, joint, *_ = begun
                again = Resending(routing, stream, command, name, key, joint, self._jitter)
                answer = await self._answer_again(again, begun.until, error)
        except (Refused, OSError) as error:  # what is lost and what is late are both OSErrors
            if breaker is not None:
                self._missed(again.stream.breaker if again else breaker, error, begun.begun_at)
            raise StoreUnavailable(begun.name) from error
        except BaseException:
            if breaker is not None:
                breaker.left(monotonic())
            raise
        if breaker is not None and breaker.failures:
            breaker.answered()
        return answer

    async def run(self, call: Call, until: float = math.inf) -> Any:  # noqa: ANN401 - whatever the script answers
        """Run any other script and return its raw answer.

        Raises:
            StoreUnavailable: the server could not be asked, did not answer in time, or refused.
        """
        return await self.answer(self._begun(packed_call(call), call.script, call.keys[0], until))

    async def server(self) -> Server:
        """Who the server says it is; in a cluster all primaries that say so, as one.

        Raises:
            StoreUnavailable: none says anything.
        """
        told = await asyncio.gather(*map(_told, self._rest.streams()), return_exceptions=True)
        well = [one for one in told if isinstance(one, Server)]
        if not well:
            raise StoreUnavailable("asking what it is") from next(one for one in told if isinstance(one, Exception))
        return Server(well[0].name, ",".join(sorted(one.run_id for one in well)))

    async def fields(self, key: str) -> list[str]:
        """The names of a hash's fields.

        Raises:
            StoreUnavailable: as for `run`.
        """
        return [field.decode() for field in await self._ask("reading the workspace", key, "HKEYS", key)]

    async def table(self, key: str) -> dict[str, str]:
        """A hash: its fields and their values.

        Raises:
            StoreUnavailable: as for `run`.
        """
        flat = [item.decode() for item in await self._ask("reading the workspace", key, "HGETALL", key)]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    async def field(self, key: str, name: str) -> str | None:
        """One field of a hash, None where there is none.

        Raises:
            StoreUnavailable: as for `run`.
        """
        value: bytes | None = await self._ask("reading a field", key, "HGET", key, name)
        return None if value is None else value.decode()

    @property
    def breaker(self) -> State:
        """Whether calls go to the store; with several servers, to the one that is worst off."""
        states = {breaker.state for breaker in self._failing}
        return next((state for state in (State.OPEN, State.HALF_OPEN) if state in states), State.CLOSED)

    async def close(self) -> None:
        """Close every connection."""
        await self._hot.close()
        await self._rest.close()

    async def _ask(self, what: str, key: str, *words: str) -> Any:  # noqa: ANN401 - whatever the server answers
        command: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub knows tuples of one only
        return await self.answer(self._begun(command, what, key, math.inf, lasting=False))

    def _begun(self, command: bytes, name: str, key: str, until: float, *, lasting: bool = True) -> Begun:
        stream = self._rest.stream_of(key)
        try:
            return Begun(stream.begin(command, until, lasting=lasting), self._rest, stream, command, name, key, until)
        except Unreachable as error:
            raise StoreUnavailable(name) from error

    async def _answer_again(self, again: Resending, until: float, error: Refused | Unreachable) -> Any:  # noqa: ANN401 - whatever the script answers
        """Send it again as long as that is of use, and there is time."""
        until = min(until, asyncio.get_running_loop().time() + self._timeout_s)
        async with asyncio.timeout_at(until):
            while True:
                if not isinstance(error, Refused) or error.kind is not Kind.NOSCRIPT:
                    await again.turn(error, until)
                elif again.lacks_script():
                    await self._load(again.stream, again.name)
                try:
                    return await again.send(until)
                except (Refused, Unsent) as refusal:
                    error = refusal

    def _missed(self, breaker: Breaker, error: Refused | OSError, begun_at: float) -> None:
        now = monotonic()
        breaker.failed(error, now - begun_at, now)
        self._failing.add(breaker)

    async def _load(self, stream: Stream, name: str) -> None:
        """Make a script known, once for all who found that it is not."""
        task = self._loading.get((stream, name))
        if task is None:
            task = self._loading[stream, name] = asyncio.create_task(self._loaded(stream, name))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits any more
        await asyncio.shield(task)

    async def _loaded(self, stream: Stream, name: str) -> None:
        try:
            await stream.execute(load(name), lasting=False)
        finally:
            del self._loading[stream, name]


async def _told(stream: Stream) -> Server:
    told: bytes = await stream.execute(_INFO, lasting=False)
    facts = dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)
    name = f"Redis {facts.get('redis_version', 'of unknown version')}"
    if "valkey_version" in facts:
        name = f"Valkey {facts['valkey_version']}"
    return Server(name, facts.get("run_id", ""))


def _routings(url: str, timeout_s: float) -> tuple[Routing, Routing]:
    """The ways of what every request needs, and of all else."""
    target = target_of(url)
    if target.kind == "cluster":
        cluster = Cluster(target, timeout_s)
        return cluster.hot, cluster.rest
    way: Way = WatchedPrimary(target, timeout_s) if target.kind == "sentinel" else Endpoint(target)
    hot, rest = (Stream(way, timeout_s=timeout_s, replicas=target.options.min_replicas) for _ in range(2))
    return OneServer(hot), OneServer(rest)
