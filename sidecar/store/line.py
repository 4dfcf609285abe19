"""One socket to a server: commands go out, replies come in, and each reply goes to the command it belongs to.

Redis answers in the order in which it was asked, and says nothing of what an answer belongs to. So every command that
was sent keeps its place in a queue until its reply comes, whether anybody still waits for it or not: a caller that has
left leaves its place behind, and the reply for it is dropped. Nobody can ever be given the reply of another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis

from sidecar.store.refusals import Refused, Unreachable


class Place:
    """A command, and what its caller waits on until the moment `until` of the loop's clock.

    The result is the server's reply, or an exception to raise.
    """

    __slots__ = ("command", "future", "until")

    def __init__(self, command: bytes, future: asyncio.Future[Any], until: float) -> None:
        """Keep all three."""
        self.command = command
        self.future = future
        self.until = until


class Line(asyncio.Protocol):
    """Asks one server over one socket, until that is lost.

    Args:
        lost: called once, with why, when the socket is of no use any more.
        writable: called when the server reads again after it did not.
    """

    def __init__(self, lost: Callable[[Line, BaseException], None], writable: Callable[[], None]) -> None:
        """Start without a socket."""
        self._lost: Callable[[Line, BaseException], None] | None = lost
        self._resumed = writable
        self._reader = hiredis.Reader(replyError=Refused)
        self._transport: asyncio.Transport | None = None
        self.asked: deque[Place] = deque()
        self.writable = True
        self.heard_at = 0.0
        """When the server last said something, or was asked something after it owed nothing; by the loop's clock."""

    @property
    def alive(self) -> bool:
        """Whether there is a socket that was not lost yet."""
        return self._transport is not None

    def ask(self, places: Sequence[Place], now: float) -> None:
        """Send commands in one write."""
        if self._transport is None:
            raise Unreachable("the connection was lost")
        if not self.asked:
            self.heard_at = now
        self.asked.extend(places)
        self._transport.write(b"".join([place.command for place in places]))

    def drop(self, why: BaseException) -> None:
        """Give the socket up; every caller that still waits is told."""
        lost, self._lost = self._lost, None
        if lost is None:
            return
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        while self.asked:
            future = self.asked.popleft().future
            if not future.done():
                future.set_result(Unreachable(f"the connection was lost: {why}"))
        lost(self, why)

    # --- what the socket tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)  # a stream's is
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Give each reply to its place."""
        self.heard_at = asyncio.get_running_loop().time()
        asked, gets = self.asked, self._reader.gets
        try:
            self._reader.feed(data)
            while (reply := gets()) is not False:
                future = asked.popleft().future
                if not future.done():
                    future.set_result(reply)
        except (hiredis.HiredisError, IndexError) as error:  # not RESP, or a reply that nobody asked for
            self.drop(error)

    def pause_writing(self) -> None:
        """Ask for nothing more: the server does not read."""
        self.writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self.writable = True
        self._resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody."""
        self.drop(exc or ConnectionResetError("the server closed it"))
