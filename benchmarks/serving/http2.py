"""As much HTTP/2 as a client needs that sends the same small gRPC request again and again.

RFC 9113; header blocks are literals without indexing (RFC 7541, 6.2.2), so that every request has the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
WINDOW = 65_535
_HEAD = 9
_LARGE = 2**31 - 1
_INITIAL_WINDOW_SIZE = 4


class Frame(NamedTuple):
    """One frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame on the wire.

    >>> frame(PING, ACK, 0, b"01234567").hex()
    '0000080601000000003031323334353637'
    """
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def opening() -> bytes:
    """What a client says first; windows so large that the server never waits for them."""
    settings = _INITIAL_WINDOW_SIZE.to_bytes(2, "big") + _LARGE.to_bytes(4, "big")
    wider = (_LARGE - WINDOW).to_bytes(4, "big")
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, wider)


def header_block(method: str, authority: str) -> bytes:
    """The headers of a gRPC request."""
    headers = (
        (":method", "POST"), (":scheme", "http"), (":path", method), (":authority", authority),
        ("content-type", "application/grpc"), ("te", "trailers"),
    )  # fmt: skip
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def taken(buffer: bytearray) -> Iterator[Frame]:
    """Take every whole frame out of what has arrived."""
    while len(buffer) >= _HEAD:
        end = _HEAD + int.from_bytes(buffer[:3], "big")
        if len(buffer) < end:
            return
        stream = int.from_bytes(buffer[5:9], "big") & _LARGE
        found = Frame(buffer[3], buffer[4], stream, bytes(buffer[_HEAD:end]))
        del buffer[:end]
        yield found


def _text(value: str) -> bytes:
    raw = value.encode()
    if len(raw) > 126:
        raise ValueError("too long for a length of one byte")
    return bytes([len(raw)]) + raw
