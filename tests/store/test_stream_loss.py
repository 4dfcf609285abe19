"""What becomes of calls when the shared connection is refused, lost or closed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sidecar.store.endpoint import Endpoint
from sidecar.store.refusals import Unreachable
from sidecar.store.stream import Stream, reply_of

from .scripted import (
    LONG_S,
    EchoServer,
    Step,
    echo,
    healed,
    outcomes,
    quiet,
    socket_in,
    stream_to,
    turns,
    until_true,
)


async def test_refused_connection_fails_at_once_and_heals(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a server calls never wait, and when one is there the stream finds it by itself."""
    path = socket_in(data_dir)
    stream, started = stream_to(path), time.monotonic()
    with pytest.raises(Unreachable, match="the server is away: FileNotFoundError"):
        await stream.execute(echo("first"))
    for _ in range(10):
        with pytest.raises(Unreachable, match="the server is away: FileNotFoundError"):
            stream.begin(echo("later"))
    async with EchoServer().listening(path) as server:
        assert await healed(stream) == b"healed"
        assert server.greeted == 1
        await stream.close()
        await until_true(lambda: quiet(caplog))
    assert time.monotonic() - started < LONG_S / 2


class NoServer:
    """An endpoint that refuses."""

    def greeting(self) -> list[bytes]:
        """Say nothing."""
        return []

    async def connect(self, make: Any) -> Any:  # noqa: ARG002 - as the endpoint's
        """Refuse."""
        raise ConnectionRefusedError


async def test_attempts_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits grow to a second at most, each by chance between half and all of it, and other sidecars' are others."""
    real = asyncio.sleep

    async def waits(seed: int) -> list[float]:
        """Record the first waits instead of waiting."""
        seen: list[float] = []

        async def sleep(delay: float) -> None:
            seen.extend([delay] * (delay > 0))
            await real(0)

        monkeypatch.setattr(asyncio, "sleep", sleep)
        stream = Stream(NoServer(), jitter=Random(seed))  # type: ignore[arg-type]
        with pytest.raises(Unreachable):
            await stream.execute(echo("x"))
        while len(seen) < 12:
            await real(0)
        await stream.close()
        return seen[:12]

    one, other, again = await waits(1), await waits(2), await waits(1)
    longest = [min(1.0, 0.05 * 2**attempt) for attempt in range(12)]
    assert all(most / 2 <= wait <= most for wait, most in zip(one, longest, strict=True))
    assert one == again
    assert not set(one) & set(other)


async def test_whatever_connecting_raises_is_told() -> None:
    """Where Python itself refuses an address, callers are told as well, at once and each time."""
    stream = Stream(Endpoint("redis://a..b"), timeout_s=LONG_S)
    for _ in range(2):
        with pytest.raises(Unreachable, match="the server is away: UnicodeError"):
            await stream.execute(echo("x"))
    await stream.close()


async def test_lost_together_with_the_greetings_reply(data_dir: Path) -> None:
    """A connection that is lost in the same read that lets us in is not taken for a good one."""
    path = socket_in(data_dir)
    async with EchoServer(farewell=b"?nonsense\r\n").listening(path) as server:
        stream = stream_to(path)
        with pytest.raises(Unreachable, match="the connection was lost"):
            await stream.execute(echo("x"))
        server.farewell = b""
        assert await healed(stream) == b"healed"
        await stream.close()


async def test_who_hangs_up_at_once_is_not_asked_in_circles(data_dir: Path) -> None:
    """A server that lets us in and hangs up is asked again only after a pause."""
    path = socket_in(data_dir)
    async with EchoServer(brief=True).listening(path) as server:
        stream, started = stream_to(path), time.monotonic()
        await outcomes(stream.execute(echo("x")))
        await until_true(lambda: len(server.peers) > 3)
        assert len(server.peers) <= 2 + (time.monotonic() - started) / 0.05
        server.brief = False
        assert await healed(stream) == b"healed"
        await stream.close()


@pytest.mark.parametrize("nonsense", [b"?\r\n", b":1\r\n"])
async def test_nonsense_ends_the_connection(data_dir: Path, nonsense: bytes) -> None:
    """After what is not RESP, or a reply that nobody asked for, nothing from there is believed any more."""
    path = socket_in(data_dir)
    async with EchoServer().listening(path) as server:
        stream = stream_to(path)
        await stream.execute(echo("connected"))
        server.peers[0].transport.write(nonsense)
        await server.peers[0].gone.wait()
        assert await healed(stream) == b"healed"
        assert server.greeted == 2
        await stream.close()


async def test_unsent_calls_survive_a_reset(data_dir: Path) -> None:
    """What was asked is told of the loss; what was not sent yet goes to the next connection."""
    path = socket_in(data_dir)
    server = EchoServer(steps=deque([Step(), Step(), Step(turns=5, hang_up=True)]))
    async with server.listening(path):
        stream = stream_to(path)
        await stream.execute(echo("connected"))
        asked = stream.begin(echo("asked"))
        await until_true(lambda: stream._line is None)
        unsent = stream.begin(echo("unsent"))
        with pytest.raises(Unreachable, match="the connection was lost"):
            await reply_of(asked)
        assert await reply_of(unsent) == b"unsent"
        await stream.close()


# --- closed


async def _asked(server: EchoServer, stream: Stream) -> None:
    await stream.execute(echo("connected"))
    server.silent = True


async def _unwritable(server: EchoServer, stream: Stream) -> None:
    await stream.execute(echo("connected"))
    server.peers[0].transport.pause_reading()
    for _ in range(18):
        stream.begin(echo(b"x" * 100_000))
    await turns(2)


async def _greeting(server: EchoServer, stream: Stream) -> None:  # noqa: ARG001 - as the others
    server.mute = True


async def _lost(server: EchoServer, stream: Stream) -> None:
    await stream.execute(echo("connected"))
    server.mute = True
    server.peers[0].transport.abort()
    await until_true(lambda: stream._line is None)


@pytest.mark.parametrize("before", [_asked, _unwritable, _greeting, _lost])
@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5, 6, 8, 200])
async def test_close_tells_everybody(data_dir: Path, caplog: pytest.LogCaptureFixture, before: Any, after: int) -> None:
    """Whether calls were asked, wait to be written or for a connection, closing tells them, and leaves nothing."""
    path = socket_in(data_dir)
    async with EchoServer().listening(path) as server:
        stream = stream_to(path)
        await before(server, stream)
        begun = [stream.begin(echo(str(number))) for number in range(3)]
        await turns(after)
        await stream.close()
        for one in begun:
            assert one.done()
            with pytest.raises(Unreachable, match="closed"):
                await reply_of(one)
        with pytest.raises(Unreachable, match="the connection is closed"):
            stream.begin(echo("x"))
        await stream.close()
    await until_true(lambda: quiet(caplog))
    assert stream._alarm is not None
    assert stream._alarm.cancelled()


async def test_close_between_attempts(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Closing ends the attempts, and a stream that never connected can be closed as well."""
    path = socket_in(data_dir)
    stream = stream_to(path)
    await outcomes(stream.execute(echo("x")))
    await stream.close()
    await stream_to(path).close()
    assert quiet(caplog)
