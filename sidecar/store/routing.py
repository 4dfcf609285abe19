"""Which connection a call goes over. With one server there is one; in a cluster it depends on the key's slot."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sidecar.store.refusals import Refused
from sidecar.store.stream import Stream


class Detour(NamedTuple):
    """Where to send a call again: over that stream, perhaps as one that was sent there by ASK.

    `pause`: wait a little first, and then ask which stream it is. `once`: the same again would not help.
    """

    stream: Stream
    asking: bool = False
    pause: bool = False
    once: bool = False


class Routing(Protocol):
    """Knows the connection of every key."""

    def stream_of(self, key: str) -> Stream:
        """The connection to the server that holds this key; to any server if it is empty."""

    def streams(self) -> list[Stream]:
        """The connections to all servers that keys may lie on."""

    def detour(self, key: str, stream: Stream, error: Exception) -> Detour | None:
        """Where to send a call again that was refused on a stream, or never sent; None when there is no use in it."""

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

    def streams(self) -> list[Stream]:
        """The one connection."""
        return [self._stream]

    def detour(self, key: str, stream: Stream, error: Exception) -> Detour | None:  # noqa: ARG002 - as above
        """The next connection, when this one was given up because of the refusal."""
        return Detour(stream, once=True) if isinstance(error, Refused) and error.kind in stream.leaves_on else None

    async def close(self) -> None:
        """Close it."""
        await self._stream.close()
