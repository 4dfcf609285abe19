"""Where a server is and how to be let in; sockets, TLS and what is said first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import hiredis

from sidecar.errors import InvalidSettings
from sidecar.settings.redis_url import Target, target_of
from sidecar.store.refusals import Kind

if TYPE_CHECKING:
    import ssl

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Way(Protocol):
    """A way to a server, which may be another one each time."""

    leaves_on: frozenset[Kind]
    """After such a refusal the connection is given up: it may be to the wrong server."""

    def greeting(self) -> list[bytes]:
        """The commands that begin a connection, packed; the last gives it a name, which may be refused."""

    def check(self, replies: Sequence[Any]) -> None:
        """See by the replies, but for the last, whether this is the server that was meant.

        Raises:
            Unreachable: it is not.
        """

    async def connect(self, make: Callable[[], P]) -> P:
        """Open a socket and return the protocol that now has it.

        Raises:
            OSError: no server can be reached, or TLS fails.
        """


class Endpoint:
    """One server.

    Args:
        target: what a URL says, or the URL: `redis://[[user][:password]@]host[:port][/db]`, `rediss://...` for TLS, or
            `unix:///path`; each with `Options`.

    Raises:
        InvalidSettings: the URL is none of these.
    """

    # Behind its name there may be another server by now, which may write.
    leaves_on = frozenset({Kind.READONLY})

    def __init__(self, target: Target | str) -> None:
        """Keep it; nothing is connected yet."""
        self._target = target_of(target) if isinstance(target, str) else target
        if self._target.kind != "server":
            raise InvalidSettings("LEARNING_REDIS_URL", f"a {self._target.kind}", "one server")

    def greeting(self) -> list[bytes]:
        """Who we are, which database, and last a name to be seen."""
        one = self._target.options
        commands: list[tuple[str | int, ...]] = []
        if one.username or one.password:
            commands.append(("AUTH", one.username, one.password) if one.username else ("AUTH", one.password))
        if one.db:
            commands.append(("SELECT", one.db))
        commands.append(("CLIENT", "SETNAME", one.client_name))
        return [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]  # its stub is narrow

    def check(self, replies: Sequence[Any]) -> None:
        """Whatever is there is what was meant."""

    async def connect(self, make: Callable[[], P]) -> P:
        """Open a socket and return the protocol that now has it.

        Raises:
            OSError: the server cannot be reached, or TLS fails.
        """
        loop = asyncio.get_running_loop()
        if self._target.path:
            _, protocol = await loop.create_unix_connection(make, self._target.path)
        else:
            host, port = self._target.addresses[0]
            _, protocol = await loop.create_connection(make, host, port, ssl=self._context())
        return protocol

    def _context(self) -> ssl.SSLContext | None:
        """Made anew for each connection, so that a renewed certificate is taken."""
        if not self._target.tls:
            return None
        one = self._target.options
        import ssl  # noqa: PLC0415 - only for who wants TLS: see `ops.openssl`

        context = ssl.create_default_context(cafile=one.ssl_ca_certs)
        context.check_hostname = one.ssl_check_hostname and one.ssl_cert_reqs != "none"
        context.verify_mode = ssl.VerifyMode[f"CERT_{one.ssl_cert_reqs.upper()}"]
        if one.ssl_certfile:
            context.load_cert_chain(one.ssl_certfile, one.ssl_keyfile)
        return context
