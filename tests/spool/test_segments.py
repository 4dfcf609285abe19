"""Goal: what a crash or a bad disk leaves costs no good record. Method: files are cut, flipped and taken away."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sidecar.spool.frames import framed
from sidecar.spool.segments import Segments

from .conftest import FailingDisk, segments

PAYLOADS = [b'{"n":%d}' % number for number in range(9)]


def filled(directory: Path, disk: FailingDisk, *, segment_bytes: int = 1) -> Segments:
    """Make nine records, each in a segment of its own unless told otherwise."""
    made = Segments(directory, disk, segment_bytes)
    for payload in PAYLOADS:
        made.append(framed(payload), 1)
    made.seal()
    return made


def replayed(opened: Segments) -> list[bytes]:
    """Replay everything."""
    payloads: list[bytes] = []
    while batch := opened.batch(4):
        payloads += batch.payloads
        opened.advance(batch, len(batch.payloads))
    return payloads


@pytest.mark.parametrize("segment_bytes", [1, 40, 1 << 20])
def test_records_come_back_in_order(tmp_path: Path, disk: FailingDisk, segment_bytes: int) -> None:
    """Over however many segments."""
    filled(tmp_path, disk, segment_bytes=segment_bytes)
    again = Segments(tmp_path, disk, segment_bytes)
    assert (again.waiting, replayed(again), again.waiting) == (9, PAYLOADS, 0)


def test_last_segment_is_cut_at_every_byte(tmp_path: Path, disk: FailingDisk) -> None:
    """A crash may end a write anywhere: what was whole is replayed, and what comes later is not harmed."""
    filled(tmp_path, disk, segment_bytes=1 << 20)
    [path] = segments(tmp_path)
    data = path.read_bytes()
    each = len(framed(PAYLOADS[0]))
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        for later in segments(tmp_path)[1:]:
            later.unlink()
        opened = Segments(tmp_path, disk, 1 << 20)
        assert opened.waiting == cut // each
        opened.append(framed(b'{"later":1}'), 1)
        opened.seal()
        assert replayed(Segments(tmp_path, disk, 1 << 20)) == [*PAYLOADS[: cut // each], b'{"later":1}']


@pytest.mark.parametrize("number", [0, 4, 8])
@pytest.mark.parametrize("at", [0, 5, 9, -1])
def test_damaged_segment_is_set_aside(
    tmp_path: Path, disk: FailingDisk, caplog: pytest.LogCaptureFixture, number: int, at: int
) -> None:
    """A flipped bit costs its record only; the segment is kept as it was found, and the log says so."""
    opened = filled(tmp_path, disk, segment_bytes=2 * len(framed(PAYLOADS[0])))
    path = segments(tmp_path)[number // 2]
    data = bytearray(path.read_bytes())
    hit = number % 2 * len(framed(PAYLOADS[0]))
    data[hit + at if at >= 0 else min(len(data), hit + len(framed(PAYLOADS[0]))) - 1] ^= 0x10
    path.write_bytes(data)
    del opened

    again = Segments(tmp_path, disk, 1)
    found = replayed(again)
    torn = number == 8  # nothing stands behind it, as after a crash
    assert found == PAYLOADS[:number] + PAYLOADS[number + 1 :]
    assert again.damaged == (0 if torn else 1)
    assert path.with_name(path.name + ".damaged").exists() is not torn
    levels = {one.levelno for one in caplog.records}
    assert levels == ({logging.WARNING} if torn else {logging.ERROR})


def test_cursor_survives(tmp_path: Path, disk: FailingDisk) -> None:
    """What was replayed and noted is not replayed again; what was not noted is."""
    opened = filled(tmp_path, disk, segment_bytes=40)
    batch = opened.batch(2)
    assert batch
    opened.advance(batch, 2)
    opened.tidy(0.0, 60.0)
    batch = opened.batch(1)
    assert batch
    opened.advance(batch, 1)
    again = Segments(tmp_path, disk, 40)
    assert (again.waiting, replayed(again)) == (7, PAYLOADS[2:])


@pytest.mark.parametrize("text", [b"", b"nonsense", b'{"segment": "x"}', b'{"other": 1}'])
def test_unreadable_cursor_repeats_everything(tmp_path: Path, disk: FailingDisk, text: bytes) -> None:
    """Replaying twice is safe; forgetting is not."""
    opened = filled(tmp_path, disk)
    replayed(opened)
    opened.tidy(0.0, 60.0)
    (tmp_path / "cursor").write_bytes(text)
    assert replayed(Segments(tmp_path, disk, 1)) == PAYLOADS


def test_cursor_of_a_segment_that_is_gone(tmp_path: Path, disk: FailingDisk) -> None:
    """A new segment does not get a number up to which the cursor says that all was replayed."""
    filled(tmp_path, disk, segment_bytes=1 << 20)
    (tmp_path / "cursor").write_bytes(b'{"segment": 1, "offset": 50}')
    segments(tmp_path)[0].unlink()
    opened = Segments(tmp_path, disk, 1)
    opened.append(framed(b'{"new":1}'), 1)
    opened.seal()
    assert replayed(Segments(tmp_path, disk, 1)) == [b'{"new":1}']


def test_replayed_segments_are_kept_for_a_while(tmp_path: Path, disk: FailingDisk) -> None:
    """Deleted after that, and until then replayed again when asked for."""
    opened = filled(tmp_path, disk)
    assert replayed(opened) == PAYLOADS
    opened.tidy(100.0, 60.0)
    assert (opened.waiting, opened.kept, len(segments(tmp_path))) == (0, 9, 9)
    opened.rewind()
    assert (opened.waiting, replayed(opened)) == (9, PAYLOADS)
    opened.tidy(101.0, 60.0)
    opened.tidy(160.9, 60.0)
    assert opened.kept == 9
    opened.tidy(161.0, 60.0)
    assert (opened.kept, segments(tmp_path)) == (0, [])
    assert Segments(tmp_path, disk, 1).waiting == 0


def test_new_segment_makes_its_directory_durable(tmp_path: Path, disk: FailingDisk) -> None:
    """Else a crash could leave a file that is on no list."""
    filled(tmp_path, disk)
    assert disk.directory_syncs == 9
