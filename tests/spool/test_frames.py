"""Goal: no wrong byte is taken for a record. Method: every cut and every flipped bit, by hypothesis and in full."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.spool.crc32c import crc32c
from sidecar.spool.frames import HEAD_BYTES, claimed, frame_at, framed, scan

PAYLOADS = [b'{"a":1}', b'{"b":[2,3]}', b'{"c":{"d":4}}']
DATA = b"".join(map(framed, PAYLOADS))
ENDS = [sum(len(framed(one)) for one in PAYLOADS[: count + 1]) for count in range(len(PAYLOADS))]


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_checksum_is_castagnoli(data: bytes, checksum: int) -> None:
    """The vectors of RFC 3720, B.4, and the customary one."""
    assert crc32c(data) == checksum


def test_head_is_as_documented() -> None:
    """Length and checksum, little-endian, then the payload."""
    assert struct.unpack("<II", framed(b"{}")[:HEAD_BYTES]) == (2, crc32c(b"{}"))
    assert framed(b"{}")[HEAD_BYTES:] == b"{}"


@pytest.mark.parametrize("cut", range(len(DATA) + 1))
def test_torn_at_every_byte(cut: int) -> None:
    """Cut anywhere, what is whole is found, and the rest is known to be none."""
    whole = sum(end <= cut for end in ENDS)
    found = scan(DATA[:cut])
    assert found.payloads == PAYLOADS[:whole]
    assert found.good_bytes == ([0, *ENDS])[whole]
    assert found.good_bytes + found.bad_bytes == cut
    assert claimed(DATA[:cut]) == whole


@pytest.mark.parametrize("bit", range(8 * len(DATA)))
def test_every_flipped_bit_costs_one_record(bit: int) -> None:
    """Only the record that it hit is gone; those before and behind it are found."""
    data = bytearray(DATA)
    data[bit // 8] ^= 1 << bit % 8
    hit = sum(end <= bit // 8 for end in ENDS)
    assert scan(bytes(data)).payloads == PAYLOADS[:hit] + PAYLOADS[hit + 1 :]


@given(st.lists(st.binary(min_size=1, max_size=200).map(lambda one: b"{" + one)), st.binary(max_size=100))
def test_what_was_framed_is_found(payloads: list[bytes], behind: bytes) -> None:
    """Whatever the payloads are, and whatever stands behind them."""
    found = scan(b"".join(map(framed, payloads)) + b"\0" + behind)
    assert found.payloads[: len(payloads)] == payloads


@given(st.binary(max_size=500))
def test_noise_is_no_record(noise: bytes) -> None:
    """A frame of noise would need a checksum that fits by chance."""
    assert frame_at(noise, 0) is None


def test_zeros_are_no_records() -> None:
    """A hole in a file reads as zeros, and the checksum of nothing is zero too."""
    assert scan(bytes(4096)).payloads == []
