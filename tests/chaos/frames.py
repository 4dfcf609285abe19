"""Bytes on the TCP socket of a sidecar that no gRPC library would send: garbage, broken HTTP/2, broken gRPC."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _END_HEADERS = 1, 4
_PATHS = ("/learning.v1.Learning/Recommend", "/learning.v1.Learning/Restore", "/grpc.health.v1.Health/Check",
          "/learning.v1.Learning/None", "/", "")  # fmt: skip


def frame(kind: int, flags: int, stream: int, payload: bytes, *, length: int | None = None) -> bytes:
    """One HTTP/2 frame; `length` is what it claims to have, its payload's unless given."""
    claimed = len(payload) if length is None else length
    return claimed.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def headers(path: str, extra: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
    """The headers of a gRPC call, each as a literal that is not indexed."""
    fields = (
        (b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode()), (b":authority", b"localhost"),
        (b"te", b"trailers"), (b"content-type", b"application/grpc"), *extra,
    )  # fmt: skip
    return b"".join(b"\x00" + _text(name) + _text(one) for name, one in fields)


def _text(raw: bytes) -> bytes:
    assert len(raw) < 127
    return bytes([len(raw)]) + raw


def burst(rng: random.Random) -> bytes:  # noqa: PLR0911 - one for each way
    """What to send on one connection."""
    way = rng.randrange(10)
    if way == 0:
        return rng.randbytes(rng.choice((1, 9, 24, 300, 5000)))
    if way == 1:
        return _PREFACE[: rng.randrange(len(_PREFACE))] + rng.randbytes(rng.randrange(30))
    begun = _PREFACE + frame(_SETTINGS, 0, 0, b"")
    if way == 2:
        return begun + rng.randbytes(rng.choice((5, 9, 50, 2000)))
    if way == 3:
        return begun + b"".join(_any_frame(rng) for _ in range(rng.randrange(1, 12)))
    call = frame(_HEADERS, _END_HEADERS, 1, headers(rng.choice(_PATHS)))
    if way == 4:
        whole = begun + call + frame(_DATA, _END_STREAM, 1, b"\x00\x00\x00\x00\x00")
        return whole[: rng.randrange(len(whole))]
    if way == 5:
        return begun + frame(
            _HEADERS, _END_HEADERS, 1, headers("/x", ((b"grpc-encoding", b"zip"), (b"grpc-timeout", b"-1S")))
        )
    body = _message(rng)
    ended = _END_STREAM if rng.random() < 0.8 else 0
    if way == 6:
        return begun + call + frame(_DATA, ended, 1, body, length=max(0, len(body) + rng.choice((-1, 1, 1000, 2**20))))
    if way == 7:
        return begun + call + frame(_DATA, ended, 1, body) + frame(_RST, 0, 1, rng.randbytes(rng.choice((3, 4, 5))))
    if way == 8:
        return begun + call + call + frame(_DATA, ended, 1, body) + frame(_DATA, ended, 1, body)
    return begun + call + frame(_DATA, ended, 1, body)


def _message(rng: random.Random) -> bytes:
    """A gRPC message whose prefix is wrong: compressed although nothing said so, too long, too short, or huge."""
    body = rng.randbytes(rng.randrange(40))
    claimed = rng.choice((0, 1, len(body), len(body) + 1, len(body) + 5000, 2**31, 2**32 - 1))
    return bytes([rng.choice((0, 0, 0, 1, 2, 255))]) + claimed.to_bytes(4, "big") + body


def _any_frame(rng: random.Random) -> bytes:
    payload = rng.randbytes(rng.choice((0, 1, 4, 5, 6, 8, 100)))
    kind = rng.choice((_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY, _WINDOW, _CONTINUATION, 2, 5, 77))
    stream = rng.choice((0, 1, 2, 3, 2**31 - 1, 2**32 - 1))
    length = None if rng.random() < 0.7 else rng.choice((0, 1, 16_384, 16_385, 2**24 - 1))
    return frame(kind, rng.randrange(256), stream, payload, length=length)


async def send(address: str, data: bytes, wait_s: float = 0.05) -> bool:
    """Send it on a connection of its own, and read what comes for a moment; whether it could connect."""
    host, _, port = address.rpartition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    with suppress(OSError, TimeoutError):
        writer.write(data)
        async with asyncio.timeout(wait_s):
            while await reader.read(65_536):
                pass
    writer.transport.abort()
    return True
