"""Goal: each fault of the proxy is the fault that it says. Method: a server that echoes, seen through the proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from .proxy import PASS, Fault, Kind, Proxy, ProxyProcess

ADDRESSES = ("tcp", "unix")
ENDED = (b"", "reset")


class Echo:
    """Answers what it is sent, and remembers it."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self.heard = b""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echo until the other end hangs up."""
        while data := await self._read(reader):
            self.heard += data
            writer.write(data)
        writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read(1000)
        except ConnectionResetError:
            return b""

    async def awaited(self, data: bytes) -> None:
        """Wait until it has heard that."""
        async with asyncio.timeout(20):
            while data not in self.heard:  # noqa: ASYNC110 - bytes to see, not an event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def proxied(kind: str, directory: Path) -> AsyncIterator[tuple[Echo, Proxy]]:
    """Run an echo behind a proxy."""
    directory.mkdir()  # noqa: ASYNC240 - one call
    echo = Echo()
    server = await asyncio.start_unix_server(echo.connected, directory / "echo")
    listen = f"unix:{directory}/near" if kind == "unix" else "127.0.0.1:0"
    proxy = Proxy(listen, f"unix:{directory}/echo", seed=1)
    await proxy.start()
    yield echo, proxy
    await proxy.stop()
    server.close()
    await asyncio.sleep(0.05)  # the echo's connections see that they ended


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect through the proxy."""
    if proxy.address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(proxy.address[5:])
    else:
        host, _, port = proxy.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    yield reader, writer
    writer.transport.abort()
    await asyncio.sleep(0)


async def said(reader: asyncio.StreamReader, length: int = 1000) -> bytes | str:
    """What comes next, or that the connection was reset."""
    try:
        async with asyncio.timeout(20):
            return await reader.read(length)
    except ConnectionError:
        return "reset"


async def silent(reader: asyncio.StreamReader) -> bool:
    """Whether nothing comes for a while."""
    try:
        async with asyncio.timeout(0.3):
            await reader.read(1)
    except TimeoutError:
        return True
    return False


@pytest.fixture(params=ADDRESSES)
def kind(request: pytest.FixtureRequest) -> str:
    """Name each kind of address."""
    return str(request.param)


async def test_it_passes_everything(kind: str, data_dir: Path) -> None:
    """Without a fault nobody notices it."""
    async with proxied(kind, data_dir) as (echo, proxy), connected(proxy) as (reader, writer):
        writer.write(b"hello")
        assert await said(reader) == b"hello"
        assert echo.heard == b"hello"


async def test_delay(kind: str, data_dir: Path) -> None:
    """Both ways take at least as long as was asked for."""
    async with proxied(kind, data_dir) as (_, proxy), connected(proxy) as (reader, writer):
        await proxy.switch(Fault(Kind.DELAY, 100, 20))
        began = asyncio.get_running_loop().time()
        writer.write(b"slow")
        assert await said(reader) == b"slow"
        assert asyncio.get_running_loop().time() - began >= 0.2
        assert proxy.hit[Kind.DELAY] == 2


@pytest.mark.parametrize("fault", [Kind.DROP, Kind.HALF, Kind.GARBAGE])
async def test_what_was_asked_is_done_and_the_answer_is_not_right(fault: Kind, kind: str, data_dir: Path) -> None:
    """The server was asked; the answer is nothing, its half, or noise; and the connection is of no use any more."""
    async with proxied(kind, data_dir) as (echo, proxy), connected(proxy) as (reader, writer):
        await proxy.switch(Fault(fault))
        writer.write(b"0123456789")
        await echo.awaited(b"0123456789")
        answer = await said(reader)
        await proxy.switch(PASS)
        if fault is Kind.GARBAGE:
            assert isinstance(answer, bytes)
            assert answer != b"0123456789"
            assert len(answer) == 10
            writer.write(b"again")
            assert await silent(reader)
        else:
            assert answer in (ENDED if fault is Kind.DROP else (b"01234",))
            assert await said(reader) in ENDED
        assert proxy.hit[fault] == 1


async def test_reset_delivers_nothing(kind: str, data_dir: Path) -> None:
    """The connection is reset as soon as something is asked, and the server never hears it."""
    async with proxied(kind, data_dir) as (echo, proxy), connected(proxy) as (reader, writer):
        writer.write(b"before")
        assert await said(reader) == b"before"
        await proxy.switch(Fault(Kind.RESET))
        writer.write(b"lost")
        assert await said(reader) in (("reset",) if kind == "tcp" else ENDED)
        assert echo.heard == b"before"


async def test_black_hole_stays_silent_when_it_is_over(kind: str, data_dir: Path) -> None:
    """Nothing is delivered nor answered, nor anything later on that connection; a new one works."""
    async with proxied(kind, data_dir) as (echo, proxy), connected(proxy) as (reader, writer):
        await proxy.switch(Fault(Kind.BLACK_HOLE))
        writer.write(b"gone")
        assert await silent(reader)
        await proxy.switch(PASS)
        writer.write(b"later")
        assert await silent(reader)
        assert echo.heard == b""
        async with connected(proxy) as (fresh, asking):
            asking.write(b"new")
            assert await said(fresh) == b"new"


async def test_refuse_hangs_up_and_lets_nobody_in(kind: str, data_dir: Path) -> None:
    """Connections that were there end, new ones are refused, and afterwards the same address answers again."""
    async with proxied(kind, data_dir) as (_, proxy), connected(proxy) as (reader, writer):
        writer.write(b"x")
        assert await said(reader) == b"x"
        await proxy.switch(Fault(Kind.REFUSE))
        assert await said(reader) in ENDED
        with pytest.raises(ConnectionError):
            async with connected(proxy):
                pass
        await proxy.switch(PASS)
        async with connected(proxy) as (fresh, asking):
            asking.write(b"y")
            assert await said(fresh) == b"y"


async def test_a_server_that_is_gone_is_no_answer(kind: str, data_dir: Path) -> None:
    """Where nothing listens behind the proxy, the connection ends."""
    async with proxied(kind, data_dir) as (_, proxy):
        (data_dir / "echo").unlink()
        async with connected(proxy) as (reader, writer):
            writer.write(b"x")
            assert await said(reader) in ENDED


async def test_the_program_does_the_same(kind: str, data_dir: Path) -> None:
    """As a process of its own it takes faults and counts them, and it ends."""
    async with proxied("unix", data_dir) as (_, inner):
        listen = f"unix:{data_dir}/outer" if kind == "unix" else "127.0.0.1:0"
        async with ProxyProcess(listen, inner.address) as proxy:
            async with connected(proxy) as (reader, writer):  # type: ignore[arg-type]  # has an address as well
                writer.write(b"through two")
                assert await said(reader) == b"through two"
                await proxy.switch(Fault(Kind.DROP))
                writer.write(b"x")
                assert await said(reader) in ENDED
            await proxy.switch(PASS)
            assert proxy.hit[Kind.DROP] == 1


async def test_noise_is_of_the_seed() -> None:
    """The same seed makes the same garbage, another one another."""
    one, same, other = (Proxy("", "", seed).noise(20) for seed in (1, 1, 2))
    assert one == same != other
