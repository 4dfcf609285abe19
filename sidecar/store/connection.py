"""Runs scripts on a server: the one seam to Redis.

What every request needs goes over one connection that all calls share, and all else over a second one, so that a
snapshot of megabytes holds no decision up. Nothing is sent twice of its own accord but to a server that did not know a
script, which is then sent once, however many calls found out.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, NamedTuple

import hiredis

from sidecar.errors import StoreUnavailable
from sidecar.store.endpoint import Endpoint
from sidecar.store.line import Joint
from sidecar.store.packing import load, packed_call, with_source
from sidecar.store.refusals import Kind, Refused, Unreachable
from sidecar.store.routing import OneServer, Routing
from sidecar.store.stream import Stream, reply_of
from sidecar.store.wire import Call


class Begun(NamedTuple):
    """A script that was sent, and what it takes to send it again."""

    reply: asyncio.Future[Any]
    stream: Stream
    command: bytes
    name: str
    until: float
    joint: Joint | None = None


class Connection:
    """The connections to one server.

    Args:
        url: `redis://`, `rediss://` or `unix://`; see `Endpoint`.
        timeout_s: how long connecting and each answer may take.

    Raises:
        InvalidSettings: the URL is none of these.
    """

    def __init__(self, url: str, *, timeout_s: float = 1.0) -> None:
        """Prepare; nothing is connected yet."""
        endpoint = Endpoint(url)
        self._hot: Routing = OneServer(Stream(endpoint, timeout_s=timeout_s))
        self._rest: Routing = OneServer(Stream(endpoint, timeout_s=timeout_s))
        self._loading: dict[tuple[Stream, str], asyncio.Task[None]] = {}

    def begin(self, command: bytes, name: str, key: str, until: float = math.inf, joint: Joint | None = None) -> Begun:
        """Send a hot script; what is begun in one turn of the loop is sent together.

        Args:
            command: the call as it is sent.
            name: the script's.
            key: one of its keys.
            until: when to give up, by the loop's clock.
            joint: see `Stream.begin`.

        Raises:
            StoreUnavailable: the server could not be asked.
        """
        return _begun(self._hot.stream_of(key), command, name, until, joint)

    async def answer(self, begun: Begun) -> Any:  # noqa: ANN401 - whatever the script answers
        """Wait for the answer: as the script gave it, or what the joint made of it.

        Raises:
            StoreUnavailable: the server did not answer in time, or refused.
        """
        try:
            return await reply_of(begun.reply)
        except Refused as error:
            if error.kind is not Kind.NOSCRIPT:
                raise StoreUnavailable(begun.name) from error
        except OSError as error:  # what is lost and what is late are both OSErrors
            raise StoreUnavailable(begun.name) from error
        return await self._answer_of_stranger(begun)

    async def run(self, call: Call, until: float = math.inf) -> Any:  # noqa: ANN401 - whatever the script answers
        """Run any other script and return its raw answer.

        Raises:
            StoreUnavailable: the server could not be asked, did not answer in time, or refused.
        """
        stream = self._rest.stream_of(call.keys[0])
        return await self.answer(_begun(stream, packed_call(call), call.script, until))

    async def server(self) -> str:
        """What the server says it is, such as `Valkey 9.1.0`.

        Raises:
            StoreUnavailable: as for `run`.
        """
        told: bytes = await self._ask("asking what it is", "", "INFO", "server")
        facts = dict(line.split(":", 1) for line in told.decode().splitlines() if ":" in line)
        if "valkey_version" in facts:
            return f"Valkey {facts['valkey_version']}"
        return f"Redis {facts.get('redis_version', 'of unknown version')}"

    async def fields(self, key: str) -> list[str]:
        """The names of a hash's fields.

        Raises:
            StoreUnavailable: as for `run`.
        """
        return [field.decode() for field in await self._ask("reading the workspace", key, "HKEYS", key)]

    async def close(self) -> None:
        """Close every connection."""
        await self._hot.close()
        await self._rest.close()

    async def _ask(self, what: str, key: str, *words: str) -> Any:  # noqa: ANN401 - whatever the server answers
        try:
            return await self._rest.stream_of(key).execute(hiredis.pack_command(words))  # type: ignore[arg-type]
        except (Refused, OSError) as error:
            raise StoreUnavailable(what) from error

    async def _answer_of_stranger(self, begun: Begun) -> Any:  # noqa: ANN401 - whatever the script answers
        """Send it again to a server that did not know the script."""
        stream, command, name, until, joint = begun.stream, begun.command, begun.name, begun.until, begun.joint
        if joint is not None:
            command = joint.command([command])
        try:
            async with asyncio.timeout_at(until):
                await self._load(stream, name)
            try:
                answer = await stream.execute(command, until)
            except Refused as error:
                if error.kind is not Kind.NOSCRIPT:
                    raise
                # Forgotten again, or another server answered: bring the source along.
                answer = await stream.execute(with_source(command, name), until)
            return joint.replies(answer)[0] if joint else answer
        except (Refused, OSError) as error:
            raise StoreUnavailable(name) from error

    async def _load(self, stream: Stream, name: str) -> None:
        """Make a script known, once for all who found that it is not."""
        task = self._loading.get((stream, name))
        if task is None:
            task = self._loading[stream, name] = asyncio.create_task(self._loaded(stream, name))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits any more
        await asyncio.shield(task)

    async def _loaded(self, stream: Stream, name: str) -> None:
        try:
            await stream.execute(load(name))
        finally:
            del self._loading[stream, name]


def _begun(stream: Stream, command: bytes, name: str, until: float, joint: Joint | None = None) -> Begun:
    try:
        return Begun(stream.begin(command, until, joint), stream, command, name, until, joint)
    except Unreachable as error:
        raise StoreUnavailable(name) from error
