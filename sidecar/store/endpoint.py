"""Where a server is and how to be let in, from its URL; sockets, TLS and what is said first."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

import hiredis
from redis.asyncio.connection import RedisSSLContext, SSLConnection, parse_url

from sidecar.errors import InvalidSettings

P = TypeVar("P", bound=asyncio.BaseProtocol)

_CLIENT_NAME = "learning-sidecar"
_SSL = "ssl_"


class Endpoint:
    """One server.

    Args:
        url: `redis://[user:password@]host[:port][/db]`, `rediss://...` for TLS, or `unix:///path[?db=...]`; the
            options of redis-py's URLs mean the same here (`ssl_ca_certs`, `ssl_certfile`, `ssl_cert_reqs`, ...).

    Raises:
        InvalidSettings: the URL is none of these.
    """

    def __init__(self, url: str) -> None:
        """Take the URL apart; nothing is connected yet."""
        try:
            self._options: dict[str, Any] = dict(parse_url(url))
        except ValueError as error:
            allowed = "redis://, rediss:// or unix:// with options that redis-py knows"
            raise InvalidSettings("LEARNING_REDIS_URL", f"{url.partition('://')[0]}://...", allowed) from error

    def greeting(self) -> list[bytes]:
        """The commands that begin a connection, packed: who we are and which database."""
        one, commands = self._options, []
        if one.get("password"):
            commands.append(("AUTH", *filter(None, (one.get("username"),)), one["password"]))
        if one.get("db"):
            commands.append(("SELECT", one["db"]))
        commands.append(("CLIENT", "SETNAME", one.get("client_name", _CLIENT_NAME)))
        return [hiredis.pack_command(command) for command in commands]

    async def connect(self, make: Callable[[], P]) -> P:
        """Open a socket and return the protocol that now has it.

        Raises:
            OSError: the server cannot be reached, or TLS fails.
        """
        loop, one = asyncio.get_running_loop(), self._options
        if "path" in one:
            _, protocol = await loop.create_unix_connection(make, one["path"])
        else:
            host, port = one.get("host", "localhost"), one.get("port", 6379)
            _, protocol = await loop.create_connection(make, host, port, ssl=self._tls())
        return protocol

    def _tls(self) -> ssl.SSLContext | None:
        if self._options.get("connection_class") is not SSLConnection:
            return None
        given = {name.removeprefix(_SSL): value for name, value in self._options.items() if name.startswith(_SSL)}
        # redis-py's own defaults: the certificate and the host's name are checked unless the URL says otherwise.
        options: dict[str, Any] = {"cert_reqs": "required", "check_hostname": True} | given
        return RedisSSLContext(**options).get()
