"""Servers on TCP whose answers a test writes itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import hiredis

Command = list[bytes]
OK = b"+OK\r\n"


@dataclass(slots=True)
class Dialogue:
    """A server that says what `answer` makes of each command, and OK to a greeting. What it heard is kept."""

    answer: Callable[[Command], bytes]
    port: int = 0
    heard: list[Command] = field(default_factory=list)
    """Every command but greetings, in order."""
    reads: list[list[Command]] = field(default_factory=list)
    """The same, as each read held them."""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    """Every connection there was."""

    @property
    def place(self) -> str:
        """As in a URL."""
        return f"127.0.0.1:{self.port}"

    def count(self, *words: bytes) -> int:
        """How many commands began with these words."""
        return sum(tuple(command[: len(words)]) == words for command in self.heard)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Dialogue]:
        """Listen on a port, the same one again if there was one."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self.writers:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        parser = hiredis.Reader()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 20):
                parser.feed(data)
                commands = list(iter(parser.gets, False))  # noqa: FBT003 - what says that there is no more
                spoken = [one for one in commands if one[0] not in (b"CLIENT", b"AUTH")]
                self.heard += spoken
                self.reads.append(spoken)
                for one in commands:
                    writer.write(OK if one[0] == b"CLIENT" else self.answer(one))
                await writer.drain()
        writer.close()


def array(*items: bytes) -> bytes:
    """An answer of several, each in RESP already."""
    return b"*%d\r\n%b" % (len(items), b"".join(items))


def bulk(text: str | bytes) -> bytes:
    """A string in RESP."""
    raw = text.encode() if isinstance(text, str) else text
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


def number(value: int) -> bytes:
    """A number in RESP."""
    return b":%d\r\n" % value
