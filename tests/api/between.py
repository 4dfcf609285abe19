"""Stands between a sidecar and its server, and spoils what they say to each other as it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hiredis

from tests.store.scripted import turns

_LESS_THAN_A_REPLY = 3

Answer = Callable[[bytes], bytes]
"""What is sent back for what the sidecar sent."""


class Between:
    """Listens on a port of its own, and passes what comes on to a socket, from a thread with a loop of its own.

    Args:
        path: the server's socket.
    """

    def __init__(self, path: Path) -> None:
        """Prepare; nothing listens yet."""
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._listening: asyncio.Server | None = None
        self._links: set[Link] = set()
        self.port = 0
        self.answer: Callable[[], Answer] | None = None
        """Makes what answers a connection in the server's place, if anything does."""
        self.halved = False
        """Whether only the beginning of what the server says is passed on."""
        self.resets = False
        """Whether who says something is hung up on."""

    @contextlib.contextmanager
    def running(self) -> Iterator[Between]:
        """Listen until the end."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            self._do(self._listen())
            yield self
        finally:
            self._do(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    @contextlib.contextmanager
    def spoiling(self, *, refuses: bool = False, anew: bool = False, **how: Any) -> Iterator[None]:
        """Spoil what is said until the end; then be as before, on new connections.

        Args:
            refuses: nobody listens.
            anew: who is connected has to connect again.
            how: attributes to set.
        """
        for name, value in how.items():
            setattr(self, name, value)
        if refuses:
            self._do(self._shut())
        elif anew:
            self._do(self._hang_up())
        try:
            yield
        finally:
            self.answer, self.halved, self.resets = None, False, False
            self._do(self._hang_up())
            if refuses:
                self._do(self._listen())

    def _do(self, doing: Any) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result(30)

    async def _listen(self) -> None:
        self._listening = await self._loop.create_server(self._linked, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    def _linked(self) -> Link:
        link = Link(self, self._path)
        self._links.add(link)
        return link

    async def _shut(self) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        await turns(5)  # whoever is being accepted is among them then
        links, self._links = self._links, set()
        for link in links:
            await link.end()
        await turns(5)  # sockets are closed in the next turn


class Link(asyncio.Protocol):
    """One connection of the sidecar."""

    def __init__(self, between: Between, path: Path) -> None:
        """Begin."""
        self._between = between
        self._path = path
        self._spoken: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: asyncio.Transport | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._answer: Answer | None = None
        self._halved = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server as well."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._tasks.append(asyncio.create_task(self._pass_on()))

    def data_received(self, data: bytes) -> None:
        """Answer in the server's place, hang up, or pass it on."""
        assert self._transport is not None
        if self._between.resets:
            self._transport.abort()
        elif self._between.answer is not None:
            self._answer = self._answer or self._between.answer()
            self._transport.write(self._answer(data))
        else:
            self._spoken.put_nowait(data)

    async def end(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass_on(self) -> None:
        assert self._transport is not None
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            self._transport.abort()
            return
        self._tasks.append(asyncio.create_task(self._pass_back(reader)))
        try:
            while True:
                writer.write(await self._spoken.get())
        finally:
            writer.transport.abort()

    async def _pass_back(self, reader: asyncio.StreamReader) -> None:
        assert self._transport is not None
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if self._answer is not None:  # what comes now would be taken for the answer to something else
                    continue
                if self._between.halved:
                    data = b"" if self._halved else data[:_LESS_THAN_A_REPLY]
                    self._halved = True
                self._transport.write(data)
        self._transport.abort()


def silence() -> Answer:
    """Answer nothing."""
    return lambda _: b""


def garbage() -> Answer:
    """Answer what is no RESP."""
    return lambda _: b"\x00\xffHTTP/1.1 400 Bad Request\r\n\r\n"


def saying(line: str) -> Callable[[], Answer]:
    """Answer every command with an error."""

    def begin() -> Answer:
        reader = hiredis.Reader()

        def answer(data: bytes) -> bytes:
            reader.feed(data)
            return b"".join(f"-{line}\r\n".encode() for _ in iter(reader.gets, False))  # noqa: FBT003 - the end of it

        return answer

    return begin
