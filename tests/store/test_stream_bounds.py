"""What the shared connection does at its limits: when many call at once, when it is full, when nobody answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sidecar.store import stream as module
from sidecar.store.line import Joint, Line
from sidecar.store.refusals import Unreachable
from sidecar.store.stream import reply_of

from .scripted import CHORUS, EchoServer, echo, healed, outcomes, quiet, socket_in, stream_to, turns, until_true


class Counting(Line):
    """A line that counts its writes and reads."""

    writes: int
    reads: int

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look into the transport."""
        super().connection_made(transport)
        self.writes, self.reads, write = 0, 0, transport.write  # type: ignore[attr-defined]

        def counted(data: bytes) -> None:
            self.writes += 1
            write(data)

        transport.write = counted  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Count."""
        self.reads += 1
        super().data_received(data)


# --- one write


async def test_calls_of_one_turn_are_one_write(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred calls that begin together leave in one write, arrive in one read and are answered by one."""
    path = socket_in(data_dir)
    monkeypatch.setattr(module, "Line", Counting)
    async with EchoServer().listening(path) as server:
        stream = stream_to(path)
        for at in range(2):  # the first hundred wait for the connection, the second have one
            texts = [f"{at}/{number}" for number in range(100)]
            assert await asyncio.gather(*(stream.execute(echo(text)) for text in texts)) == [*map(str.encode, texts)]
            assert server.echoed[at] == [[b"ECHO", text.encode()] for text in texts]
            assert isinstance(stream._line, Counting)
            assert stream._line.writes == stream._line.reads == 2 + at  # the greeting was one
        await stream.close()


async def test_cancelled_before_the_turn_ends_is_not_sent(data_dir: Path) -> None:
    """What nobody waits for any more when the turn ends, never leaves."""
    path = socket_in(data_dir)
    async with EchoServer().listening(path) as server:
        stream = stream_to(path)
        await stream.execute(echo("connected"))
        first, second = stream.begin(echo("first")), stream.begin(echo("second"))
        first.cancel()
        assert await reply_of(second) == b"second"
        assert server.echoed[1:] == [[[b"ECHO", b"second"]]]
        await stream.close()


# --- full


@pytest.mark.parametrize("joint", [None, CHORUS], ids=["alone", "together"])
async def test_full_stream_refuses_at_once(data_dir: Path, joint: Joint | None) -> None:
    """Beyond its places calls fail at once, before and after the connection is made; later ones are taken again."""
    path = socket_in(data_dir)
    async with EchoServer().listening(path):
        stream = stream_to(path, places_max=3)
        for _ in range(2):
            begun = [stream.begin(one if joint else echo(one), joint=joint) for one in (b"0", b"1", b"2")]
            with pytest.raises(Unreachable, match="3 calls are under way already"):
                stream.begin(echo("too many"))
            await turns(1)
            with pytest.raises(Unreachable, match="3 calls are under way already"):
                await stream.execute(echo("too many"))
            assert await asyncio.gather(*map(reply_of, begun)) == [b"0", b"1", b"2"]
        await stream.close()


# --- unanswered


@pytest.mark.parametrize("how", ["mute", "deaf"])
async def test_black_hole_ends_calls_at_their_deadlines(
    data_dir: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that takes connections and does nothing more holds calls up to their deadlines, and no longer."""
    path = socket_in(data_dir)
    loop, server = asyncio.get_running_loop(), EchoServer(mute=how == "mute", deaf=how == "deaf")
    stream = stream_to(path, timeout_s=0.3)
    async with server.listening(path):
        started = loop.time()
        first = asyncio.create_task(stream.execute(echo("1"), started + 0.05))
        with pytest.raises(OSError, match=r"no reply in time|the server is away"):
            await stream.execute(echo("2"))
        assert isinstance(first.exception(), TimeoutError)
        assert loop.time() - started >= 0.25
        await until_true(lambda: stream._failure is not None)
        with pytest.raises(Unreachable, match="the server is away: TimeoutError"):
            stream.begin(echo("3"))
    async with EchoServer().listening(path):
        assert await healed(stream) == b"healed"
        await stream.close()
        await until_true(lambda: quiet(caplog))


async def test_silent_connection_is_dropped(data_dir: Path) -> None:
    """One that stops answering is given up after the timeout, though calls go on, and made again."""
    path = socket_in(data_dir)
    loop = asyncio.get_running_loop()
    async with EchoServer().listening(path) as server:
        stream = stream_to(path, timeout_s=0.3)
        await stream.execute(echo("connected"))
        server.silent, started, seen = True, loop.time(), []
        while not server.peers[0].gone.is_set():
            seen += await outcomes(stream.execute(echo("x"), loop.time() + 0.02))
        assert loop.time() - started >= 0.25
        assert isinstance(seen[0], TimeoutError)
        assert {type(one) for one in seen} <= {TimeoutError, Unreachable}
        server.silent = False
        assert await healed(stream) == b"healed"
        assert server.greeted == len(server.peers)
        await stream.close()


async def test_server_that_stops_reading(data_dir: Path) -> None:
    """What cannot be written waits until its deadline, is not sent to the next connection, and frees its place."""
    path = socket_in(data_dir)
    loop = asyncio.get_running_loop()
    async with EchoServer().listening(path) as server:
        stream = stream_to(path, timeout_s=0.3, places_max=20)
        await stream.execute(echo("connected"))
        server.peers[0].transport.pause_reading()
        written = [stream.begin(echo(b"x" * 100_000)) for _ in range(18)]
        await turns(2)
        assert stream._line is not None
        assert not stream._line.writable
        held_up = stream.begin(echo("held up"), loop.time() + 0.05)
        assert isinstance(await held_up, TimeoutError)
        assert {type(one) for one in await outcomes(*written)} <= {TimeoutError, Unreachable}
        assert await healed(stream) == b"healed"
        assert [b"ECHO", b"held up"] not in server.reads[-1]
        assert not stream._waiting
        await stream.close()


async def test_slow_reader_gets_what_waited(data_dir: Path) -> None:
    """What could not be written yet goes out, in one write, as soon as the server reads again."""
    path = socket_in(data_dir)
    async with EchoServer().listening(path) as server:
        stream = stream_to(path)
        await stream.execute(echo("connected"))
        server.peers[0].transport.pause_reading()
        first = [stream.begin(echo(b"x" * 100_000)) for _ in range(18)]
        await turns(2)
        later = [stream.begin(echo(str(number))) for number in range(9)]
        await turns(2)
        assert len(stream._waiting) == 9
        server.peers[0].transport.resume_reading()
        assert await asyncio.gather(*later) == [str(number).encode() for number in range(9)]
        assert {len(one) for one in await asyncio.gather(*first)} == {100_000}
        await stream.close()
