"""Runs scripts on a server: the one seam to the driver.

What every request needs goes over one connection that all calls share (`stream`); all else goes over redis-py. The
driver's own retries are off: it would run a slow script again up to ten times. Ours is one retry, when the server does
not know a script, which is then sent once, however many calls found out.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from sidecar.errors import StoreUnavailable
from sidecar.store.endpoint import Endpoint
from sidecar.store.lua import script
from sidecar.store.packing import load, with_source
from sidecar.store.refusals import Kind, Refused, Unreachable
from sidecar.store.routing import OneServer, Routing
from sidecar.store.stream import Stream, reply_of
from sidecar.store.wire import Call


class Begun(NamedTuple):
    """A hot script that was sent, and what it takes to send it again."""

    reply: asyncio.Future[Any]
    stream: Stream
    command: bytes
    name: str
    until: float


class Connection:
    """Connections to one server.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout_s: how long connecting, waiting for a free connection, and each answer may take.
        connections_max: at most so many at once for what is not hot; calls beyond wait for one.

    Raises:
        InvalidSettings: the URL is none of these.
    """

    def __init__(self, url: str, *, timeout_s: float = 1.0, connections_max: int = 32) -> None:
        """Prepare; nothing is connected yet."""
        self._timeout_s = timeout_s
        self._routing: Routing = OneServer(Stream(Endpoint(url), timeout_s=timeout_s))
        self._loading: dict[tuple[Stream, str], asyncio.Task[None]] = {}
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections_max,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
        self._redis: Any = Redis(connection_pool=pool)  # its stubs mix the synchronous and the asynchronous client

    def begin(self, command: bytes, name: str, key: str, until: float = math.inf) -> Begun:
        """Send a hot script; what is begun in one turn of the loop is sent together.

        Args:
            command: the call as it is sent.
            name: the script's.
            key: one of its keys.
            until: when to give up, by the loop's clock.

        Raises:
            StoreUnavailable: the server could not be asked.
        """
        stream = self._routing.stream_of(key)
        try:
            return Begun(stream.begin(command, until), stream, command, name, until)
        except Unreachable as error:
            raise StoreUnavailable(name) from error

    async def answer(self, begun: Begun) -> Any:  # noqa: ANN401 - whatever the script answers
        """Wait for the raw answer.

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

    async def _answer_of_stranger(self, begun: Begun) -> Any:  # noqa: ANN401 - whatever the script answers
        """Send it again to a server that did not know the script."""
        stream, command, name, until = begun.stream, begun.command, begun.name, begun.until
        try:
            await self._load(stream, name)
            try:
                return await stream.execute(command, until)
            except Refused as error:
                if error.kind is not Kind.NOSCRIPT:
                    raise
            # Forgotten again, or another server answered: bring the source along.
            return await stream.execute(with_source(command, name), until)
        except (Refused, OSError) as error:
            raise StoreUnavailable(name) from error

    async def run(self, call: Call, until: float = math.inf) -> Any:  # noqa: ANN401 - whatever the script answers
        """Run any other script and return its raw answer; `until` as for `begin`.

        Raises:
            StoreUnavailable: the server could not be asked, did not answer in time, or refused.
        """
        latest = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(min(until, latest)):
                return await self._run(call)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable(call.script) from error

    async def server(self) -> str:
        """What the server says it is, such as `Valkey 9.1.0`.

        Raises:
            StoreUnavailable: as for `run`.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                info: dict[str, Any] = await self._redis.info("server")
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable("info") from error
        if "valkey_version" in info:
            return f"Valkey {info['valkey_version']}"
        return f"Redis {info.get('redis_version', 'of unknown version')}"

    async def fields(self, key: str) -> list[str]:
        """The names of a hash's fields.

        Raises:
            StoreUnavailable: as for `run`.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return [field.decode() for field in await self._redis.hkeys(key)]
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable("reading the workspace") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._routing.close()
        await self._redis.aclose(close_connection_pool=True)

    async def _run(self, call: Call) -> Any:  # noqa: ANN401 - whatever the script answers
        loaded = script(call.script)
        rest = (len(call.keys), *call.keys, *call.arguments)
        try:
            return await self._redis.execute_command("EVALSHA", loaded.sha, *rest)
        except NoScriptError:
            return await self._redis.execute_command("EVAL", loaded.source, *rest)

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
