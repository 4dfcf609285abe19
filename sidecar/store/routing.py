"""Which connection a call goes over. With one server there is one; in a cluster it depends on the key's slot."""

from __future__ import annotations

from typing import Protocol

from sidecar.store.stream import Stream


class Routing(Protocol):
    """Knows the connection of every key."""

    def stream_of(self, key: str) -> Stream:
        """The connection to the server that holds this key."""

    async def close(self) -> None:
        """Close every connection."""


class OneServer:
    """Every key lies on one server.

    Args:
        stream: the connection to it.
    """

    def __init__(self, stream: Stream) -> None:
        """Keep it."""
        self._stream = stream

    def stream_of(self, key: str) -> Stream:  # noqa: ARG002 - all keys are alike here
        """The one connection."""
        return self._stream

    async def close(self) -> None:
        """Close it."""
        await self._stream.close()
