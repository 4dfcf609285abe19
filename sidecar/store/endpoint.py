"""Where a server is and how to be let in, from its URL; sockets, TLS and what is said first.

The URLs are those of redis-py, which is not asked to take them apart: importing it costs 10 MB in every pod
(docs/decisions/0008).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import hiredis
import msgspec
from msgspec import Meta, Struct

from sidecar.errors import InvalidSettings

if TYPE_CHECKING:
    import ssl

P = TypeVar("P", bound=asyncio.BaseProtocol)

_SCHEMES = ("redis", "rediss", "unix")
_PORT = 6379


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """What may follow `?` in a URL."""

    db: Annotated[int, Meta(ge=0)] = 0
    username: str = ""
    password: str = ""
    client_name: str = "learning-sidecar"
    ssl_ca_certs: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_cert_reqs: Literal["none", "optional", "required"] = "required"
    ssl_check_hostname: bool = True


class Endpoint:
    """One server.

    Args:
        url: `redis://[[user][:password]@]host[:port][/db]`, `rediss://...` for TLS, or `unix:///path`; each with
            `Options`.

    Raises:
        InvalidSettings: the URL is none of these.
    """

    def __init__(self, url: str) -> None:
        """Take the URL apart; nothing is connected yet."""
        try:
            parts = urlsplit(url)
            if parts.scheme not in _SCHEMES or (parts.scheme == "unix" and not parts.path):
                raise ValueError(parts.scheme)
            given = dict(parse_qsl(parts.query))
            self._host, self._port = parts.hostname or "localhost", parts.port or _PORT
            self._path = unquote(parts.path) if parts.scheme == "unix" else ""
            if not self._path and parts.path.strip("/"):
                given.setdefault("db", parts.path.strip("/"))
            if parts.username:
                given["username"] = unquote(parts.username)
            if parts.password:
                given["password"] = unquote(parts.password)
            self._options = msgspec.convert(given, Options, strict=False)
        except ValueError as error:  # msgspec's errors are ValueErrors; none of them may show a password
            allowed = f"redis://, rediss:// or unix:// with options among {', '.join(Options.__struct_fields__)}"
            scheme = url.partition("://")[0] if "://" in url else ""  # without one, all of it may be secret
            raise InvalidSettings("LEARNING_REDIS_URL", f"{scheme}://...", allowed) from error
        self._tls = parts.scheme == "rediss"

    def greeting(self) -> list[bytes]:
        """The commands that begin a connection, packed: who we are, which database, and last a name to be seen."""
        one = self._options
        commands: list[tuple[str | int, ...]] = []
        if one.username or one.password:
            commands.append(("AUTH", one.username, one.password) if one.username else ("AUTH", one.password))
        if one.db:
            commands.append(("SELECT", one.db))
        commands.append(("CLIENT", "SETNAME", one.client_name))
        return [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]  # its stub is narrow

    async def connect(self, make: Callable[[], P]) -> P:
        """Open a socket and return the protocol that now has it.

        Raises:
            OSError: the server cannot be reached, or TLS fails.
        """
        loop = asyncio.get_running_loop()
        if self._path:
            _, protocol = await loop.create_unix_connection(make, self._path)
        else:
            _, protocol = await loop.create_connection(make, self._host, self._port, ssl=self._context())
        return protocol

    def _context(self) -> ssl.SSLContext | None:
        """Made anew for each connection, so that a renewed certificate is taken."""
        if not self._tls:
            return None
        one = self._options
        import ssl  # noqa: PLC0415 - only for who wants TLS: see `ops.openssl`

        context = ssl.create_default_context(cafile=one.ssl_ca_certs)
        context.check_hostname = one.ssl_check_hostname and one.ssl_cert_reqs != "none"
        context.verify_mode = ssl.VerifyMode[f"CERT_{one.ssl_cert_reqs.upper()}"]
        if one.ssl_certfile:
            context.load_cert_chain(one.ssl_certfile, one.ssl_keyfile)
        return context
