"""A proxy between a sidecar and its server whose faults are switched while it runs.

    python -m tests.chaos.proxy --listen unix:/a.sock --to unix:/b.sock --seed 7

As a program it reads one fault a line on stdin, as JSON, and answers each line with what it has done so far; it ends
with stdin. `Proxy` is the same inside one's own event loop, and `ProxyProcess` runs the program, so that a busy load
generator does not slow it.

A connection on which bytes were swallowed stays silent for good: TCP never loses bytes in the middle, so to pass on
what comes later would be a fault that no network has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import struct
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

_CHUNK = 65_536
_ROOT = Path(__file__).parents[2]
_HANG_UP_HARD = struct.pack("ii", 1, 0)  # SO_LINGER: the peer gets a reset, not an orderly end


class Kind(StrEnum):
    """What the proxy does with traffic."""

    PASS = "pass"  # noqa: S105 - no password
    """Nothing but hand it on."""
    DELAY = "delay"
    """Hand it on after `delay_ms` and up to `jitter_ms` more, both ways."""
    DROP = "drop"
    """Deliver requests, swallow the reply and close the connection."""
    RESET = "reset"
    """Reset a connection as soon as it asks for something; nothing is delivered."""
    HALF = "half"
    """Deliver requests, hand on half of the reply and close the connection."""
    GARBAGE = "garbage"
    """Deliver requests, answer as many random bytes as the reply has."""
    BLACK_HOLE = "black_hole"
    """Accept and read, and never answer nor deliver."""
    REFUSE = "refuse"
    """Nobody listens, and connections that were there are reset."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One setting of the proxy; times in milliseconds."""

    kind: Kind = Kind.PASS
    delay_ms: float = 0.0
    jitter_ms: float = 0.0


PASS = Fault()


class Proxy:
    """Hands on what comes to one address to another, with the fault that is set.

    Args:
        listen: `unix:/path` or `HOST:PORT`; port 0 takes a free one.
        to: where the server is, likewise.
        seed: of the jitter and of the garbage.
    """

    def __init__(self, listen: str, to: str, seed: int = 0) -> None:
        """Prepare; nothing listens yet."""
        self.address = listen
        self.fault = PASS
        self.hit: Counter[str] = Counter()
        """How often each kind of fault struck."""
        self._to = to
        self._rng = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        if self.address.startswith("unix:"):
            self._server = await asyncio.start_unix_server(self._connected, self.address[5:])
            return
        host, _, port = self.address.rpartition(":")
        self._server = await asyncio.start_server(self._connected, host, int(port))
        self.address = f"{host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Stop listening, and hang up."""
        self._unlisten()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def switch(self, fault: Fault) -> None:
        """Set what happens from now on."""
        self.fault = fault
        if fault.kind is Kind.REFUSE:
            self._unlisten()
            self.hit[Kind.REFUSE] += 1
        elif self._server is None:
            await self.start()

    def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._links):
            _reset(writer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        self._links.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            back, onward = await _open(self._to)
            link = _Link(self, writer, onward)
            async with asyncio.TaskGroup() as both:
                both.create_task(link.requests(reader))
                both.create_task(link.replies(back))
        except* (OSError, asyncio.CancelledError):
            self.hit["link ended"] += 1
        finally:
            for one in (writer, onward):
                if one is not None:
                    one.transport.abort()
            self._links.discard(writer)
            self._passing.discard(task)

    async def late(self) -> None:
        """Wait as long as the fault says."""
        if self.fault.kind is Kind.DELAY:
            self.hit[Kind.DELAY] += 1
            await asyncio.sleep((self.fault.delay_ms + self._rng.random() * self.fault.jitter_ms) / 1000)

    def noise(self, length: int) -> bytes:
        """So many random bytes."""
        return self._rng.randbytes(length)


class _Link:
    """One connection: requests one way, replies the other."""

    def __init__(self, proxy: Proxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        self._silent = False

    async def requests(self, reader: asyncio.StreamReader) -> None:
        """Hand on what the sidecar asks, until it hangs up."""
        proxy = self._proxy
        while data := await reader.read(_CHUNK):
            await proxy.late()
            if proxy.fault.kind is Kind.RESET:
                proxy.hit[Kind.RESET] += 1
                _reset(self._near)
                raise ConnectionResetError
            if proxy.fault.kind is Kind.BLACK_HOLE:
                proxy.hit[Kind.BLACK_HOLE] += 1
                self._silent = True
            if not self._silent:
                self._far.write(data)
                await self._far.drain()
        raise ConnectionResetError

    async def replies(self, reader: asyncio.StreamReader) -> None:
        """Hand on what the server answers, or what the fault makes of it."""
        proxy = self._proxy
        while data := await reader.read(_CHUNK):
            await proxy.late()
            kind = proxy.fault.kind
            if kind is Kind.BLACK_HOLE:
                proxy.hit[kind] += 1
                self._silent = True
            if self._silent:
                continue
            if kind in (Kind.DROP, Kind.RESET):
                proxy.hit[kind] += 1
                _reset(self._near)
                raise ConnectionResetError
            if kind is Kind.HALF:
                proxy.hit[kind] += 1
                self._near.write(data[: len(data) // 2])
                await self._near.drain()
                raise ConnectionResetError
            if kind is Kind.GARBAGE:
                proxy.hit[kind] += 1
                data = proxy.noise(len(data))
                self._silent = True
            self._near.write(data)
            await self._near.drain()
        raise ConnectionResetError


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.family != socket.AF_UNIX:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP_HARD)
    writer.transport.abort()


async def _open(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith("unix:"):
        return await asyncio.open_unix_connection(address[5:])
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


class ProxyProcess:
    """The proxy as a process of its own.

    Args:
        listen: see `Proxy`.
        to: likewise.
        seed: likewise.
    """

    def __init__(self, listen: str, to: str, seed: int = 0) -> None:
        """Prepare; nothing runs yet."""
        self.address, self._to, self._seed = listen, to, seed
        self.hit: Counter[str] = Counter()
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Start it and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.proxy", "--listen", self.address, "--to", self._to,
            "--seed", str(self._seed), stdin=PIPE, stdout=PIPE, cwd=_ROOT, start_new_session=True,
        )  # fmt: skip
        await self.switch(PASS)
        return self

    async def switch(self, fault: Fault) -> None:
        """Set what happens from now on; it has taken effect when this returns."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        async with self._turn:
            process.stdin.write(json.dumps(asdict(fault)).encode() + b"\n")
            await process.stdin.drain()
            answer = json.loads(await process.stdout.readline())
        self.address = answer["address"]
        self.hit = Counter(answer["hit"])

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _serve(options: argparse.Namespace) -> None:
    proxy = Proxy(options.listen, options.to, options.seed)
    await proxy.start()
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        asked = json.loads(line)
        await proxy.switch(Fault(Kind(asked["kind"]), asked["delay_ms"], asked["jitter_ms"]))
        sys.stdout.write(json.dumps({"address": proxy.address, "hit": proxy.hit}) + "\n")
        sys.stdout.flush()
    await proxy.stop()


def main(arguments: list[str] | None = None) -> int:
    """Run a proxy until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True, metavar="ADDRESS")
    parser.add_argument("--to", required=True, metavar="ADDRESS")
    parser.add_argument("--seed", type=int, default=0)
    asyncio.run(_serve(parser.parse_args(arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
