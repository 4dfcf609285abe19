"""Frames: a length, a checksum and a payload, one after the other in a segment.

    length (u32, little-endian) | CRC-32C of the payload (u32) | payload

A length of 0 is no frame, so that a hole of zeros in a file is not read as a row of empty ones.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from sidecar.spool.crc32c import crc32c

_HEAD = struct.Struct("<II")
HEAD_BYTES = _HEAD.size
PAYLOAD_BYTES_MAX = 1 << 16
"""Far more than any report takes; what claims to be longer is no frame."""

_BEGINS = ord("{")


class Found(NamedTuple):
    """A good frame: its payload, and where the next one begins."""

    payload: bytes
    end: int


class Scan(NamedTuple):
    """What a segment holds: good frames in order, how many bytes from its start are good, how many are in no frame."""

    payloads: list[bytes]
    good_bytes: int
    bad_bytes: int


def framed(payload: bytes) -> bytes:
    """The frame of a payload of 1 to `PAYLOAD_BYTES_MAX` bytes."""
    return _HEAD.pack(len(payload), crc32c(payload)) + payload


def frame_at(data: bytes, at: int) -> Found | None:
    """The frame that begins there; None where none does, or its end is missing."""
    end = _claimed_end(data, at)
    if end is None:
        return None
    payload = bytes(data[at + HEAD_BYTES : end])
    return Found(payload, end) if crc32c(payload) == _HEAD.unpack_from(data, at)[1] else None


def scan(data: bytes) -> Scan:
    """Look through a whole segment; beyond what is no frame, go on with the next good one.

    >>> scan(framed(b'{"a":1}') + b"torn")
    Scan(payloads=[b'{"a":1}'], good_bytes=15, bad_bytes=4)
    """
    payloads: list[bytes] = []
    at = good = bad = 0
    while at < len(data):
        found = frame_at(data, at)
        if found is None:
            following = next(_begins_after(data, at), len(data))
            bad += following - at
            at = following
            continue
        payloads.append(found.payload)
        at = found.end
        good = good if bad else at
    return Scan(payloads, good, bad)


def claimed(data: bytes) -> int:
    """How many frames there are by their lengths alone: quick, and right unless a length is wrong."""
    at = count = 0
    while (end := _claimed_end(data, at)) is not None:
        at, count = end, count + 1
    return count


def _claimed_end(data: bytes, at: int) -> int | None:
    if at + HEAD_BYTES > len(data):
        return None
    length: int = _HEAD.unpack_from(data, at)[0]
    end = at + HEAD_BYTES + length
    return end if 0 < length <= PAYLOAD_BYTES_MAX and end <= len(data) else None


def _begins_after(data: bytes, at: int) -> Iterator[int]:
    """Where good frames begin beyond a bad one. Payloads are JSON objects, so only where one may begin is looked."""
    brace = data.find(_BEGINS, at + HEAD_BYTES + 1)
    while brace >= 0:
        if frame_at(data, brace - HEAD_BYTES):
            yield brace - HEAD_BYTES
        brace = data.find(_BEGINS, brace + 1)
