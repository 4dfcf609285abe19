"""Runs scripts on a server: the one seam to the driver.

The driver's own retries are off: it would run a slow script again up to ten times. Ours is one retry, when
the server does not know a script, which is then sent once, however many calls found out.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from sidecar.errors import StoreUnavailable
from sidecar.store.lua import script, script_names
from sidecar.store.wire import Call


class Connection:
    """A pool of connections to one server.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        timeout_s: how long connecting, waiting for a free connection, and each answer may take.
        connections_max: at most so many at once; calls beyond wait for one.
    """

    def __init__(self, url: str, *, timeout_s: float = 1.0, connections_max: int = 32) -> None:
        """Prepare; nothing is connected yet."""
        self._timeout_s = timeout_s
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
        self._loading = asyncio.Lock()

    async def run(self, call: Call) -> Any:  # noqa: ANN401 - whatever the script answers
        """Run a script and return its raw answer.

        Raises:
            StoreUnavailable: the server could not be asked, did not answer in time, or refused.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
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
        await self._redis.aclose(close_connection_pool=True)

    async def _run(self, call: Call) -> Any:  # noqa: ANN401 - whatever the script answers
        loaded = script(call.script)
        arguments = (loaded.sha, len(call.keys), *call.keys, *call.arguments)
        try:
            return await self._redis.execute_command("EVALSHA", *arguments)
        except NoScriptError:
            await self._load()
        try:
            return await self._redis.execute_command("EVALSHA", *arguments)
        except NoScriptError:  # flushed again, or another server answered: bring the source along
            return await self._redis.execute_command("EVAL", loaded.source, *arguments[1:])

    async def _load(self) -> None:
        async with self._loading:
            shas = [script(name).sha for name in script_names()]
            known = await self._redis.script_exists(*shas)
            for name, there in zip(script_names(), known, strict=True):
                if not there:
                    await self._redis.script_load(script(name).source)
