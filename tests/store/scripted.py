"""A server that echoes, as slowly and as piecemeal as it is told to, and hangs up when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hiredis
import pytest

from sidecar.store.endpoint import Endpoint
from sidecar.store.stream import Stream

WHOLE = 1 << 30
LONG_S = 60.0
"""More than a test may take: whoever waited so long would be seen."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a server does next: waits for some turns of the loop or some time, then sends some bytes or hangs up."""

    turns: int = 0
    wait_ms: int = 0
    size: int = WHOLE
    hang_up: bool = False


@dataclass(slots=True)
class EchoServer:
    """Echoes the argument of each command, in order; says OK to a greeting. What it heard is kept."""

    steps: deque[Step] = field(default_factory=deque)
    silent: bool = False
    """Answers no ECHO."""
    mute: bool = False
    """Answers nothing at all."""
    deaf: bool = False
    """Does not even read."""
    brief: bool = False
    """Hangs up after the greeting."""
    farewell: bytes = b""
    """Sent along with the answer to the greeting."""
    reads: list[list[list[bytes]]] = field(default_factory=list)
    """The commands that each read held."""
    peers: list[Peer] = field(default_factory=list)
    """Every connection there was."""

    @property
    def greeted(self) -> int:
        """How many connections said who they are."""
        return sum(command[0] == b"CLIENT" for read in self.reads for command in read)

    @property
    def echoed(self) -> list[list[list[bytes]]]:
        """The reads without those that held greetings."""
        return [read for read in self.reads if read and read[0][0] == b"ECHO"]

    @contextlib.asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[EchoServer]:
        """Listen on a socket."""
        server = await asyncio.get_running_loop().create_unix_server(lambda: Peer(self), path)
        try:
            yield self
        finally:
            await turns(5)  # whoever is being accepted becomes a peer; asyncio itself cannot close in between
            server.close()
            for peer in self.peers:
                await peer.end()


class Peer(asyncio.Protocol):
    """One connection to an `EchoServer`."""

    def __init__(self, server: EchoServer) -> None:
        """Begin."""
        self._server = server
        self._reader = hiredis.Reader()
        self._unsent = bytearray()
        self._more = asyncio.Event()
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read, unless deaf."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._speaking = asyncio.create_task(self._speak())
        self._server.peers.append(self)
        if self._server.deaf:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Note the commands and prepare the answers."""
        self._reader.feed(data)
        read = list(iter(self._reader.gets, False))  # noqa: FBT003 - what says that there is no more
        self._server.reads.append(read)
        self._unsent += b"".join(map(self._answer, read))
        self._more.set()
        if self._server.brief:
            self.transport.write(bytes(self._unsent))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base's
        """Say no more."""
        self._speaking.cancel()
        self.gone.set()

    async def end(self) -> None:
        """Hang up."""
        self._speaking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._speaking
        self.transport.abort()
        await self.gone.wait()

    def _answer(self, command: list[bytes]) -> bytes:
        if self._server.mute or (self._server.silent and command[0] == b"ECHO"):
            return b""
        if command[0] == b"ECHO":
            return b"$%d\r\n%b\r\n" % (len(command[1]), command[1])
        return b"+OK\r\n" + self._server.farewell

    async def _speak(self) -> None:
        while await self._more.wait():
            self._more.clear()
            while self._unsent:
                step = self._server.steps.popleft() if self._server.steps else Step()
                await turns(step.turns)
                if step.wait_ms:
                    await asyncio.sleep(step.wait_ms / 1000)
                if step.hang_up:
                    self.transport.abort()
                    return
                self.transport.write(bytes(self._unsent[: step.size]))
                del self._unsent[: step.size]


def echo(text: str | bytes) -> bytes:
    """Make a command that asks for an echo."""
    command: bytes = hiredis.pack_command(("ECHO", text))  # type: ignore[arg-type]  # its stub knows tuples of one only
    return command


class Chorus:
    """What calls that go together have alike: their texts are echoed as one."""

    most = 3

    def command(self, owns: Sequence[bytes]) -> bytes:
        """Ask for one echo."""
        return echo(b"|".join(owns))

    def replies(self, answer: bytes) -> Sequence[bytes]:
        """Take it apart."""
        return answer.split(b"|")


CHORUS = Chorus()


async def turns(count: int) -> None:
    """Let the loop turn so often."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until_true(condition: Any) -> None:
    """Wait until a condition holds; a test's own limit ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - what is waited for knows no events
        await asyncio.sleep(0.001)


def socket_in(directory: Path) -> Path:
    """Name a socket in a new directory."""
    directory.mkdir()
    return directory / "s"


def stream_to(path: Path, timeout_s: float = LONG_S, **options: Any) -> Stream:
    """Make a stream to a socket."""
    return Stream(Endpoint(f"unix://{path}"), timeout_s=timeout_s, **options)


async def healed(stream: Stream) -> bytes:
    """Ask until there is a reply."""
    while True:
        try:
            reply: bytes = await stream.execute(echo("healed"))
        except OSError:
            await asyncio.sleep(0.001)
        else:
            return reply


async def outcomes(*calls: Any) -> list[Any]:
    """Wait for all, whatever becomes of them."""
    return await asyncio.gather(*calls, return_exceptions=True)


def quiet(caplog: pytest.LogCaptureFixture) -> bool:
    """Say whether asyncio had nothing to complain of, and no task is left."""
    gc.collect()
    complaints = [one for one in caplog.records if one.name == "asyncio" and one.levelno >= logging.WARNING]
    return not complaints and not tasks_left()


def tasks_left() -> Iterable[asyncio.Task[Any]]:
    """Every other task that is not done."""
    return asyncio.all_tasks() - {asyncio.current_task()}
