"""One directory of the spool: segments that are appended to, and a cursor that says how far they were replayed.

    00000001.seg  00000002.seg ...   frames, oldest first; replayed ones stay for a while
    cursor                           {"segment": 2, "offset": 4711}: everything before it was replayed
    00000001.seg.damaged             a segment as it was found, with bytes that are no frame

Nothing here is asynchronous or locked: whoever uses it calls one method at a time.
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from sidecar.spool.disk import Disk
from sidecar.spool.frames import HEAD_BYTES, PAYLOAD_BYTES_MAX, claimed, frame_at, framed, scan

_log = logging.getLogger(__name__)

_READ_BYTES = PAYLOAD_BYTES_MAX + HEAD_BYTES  # at least one frame


@dataclass(slots=True)
class Segment:
    """One file: how many bytes of it are durable frames, and how many frames they are.

    `replayed_at`, in seconds, once all of it was replayed.
    """

    number: int
    path: Path
    size: int = 0
    records: int = 0
    replayed_at: float | None = None


class Cursor(NamedTuple):
    """Where replaying goes on: in which segment, and how many bytes from its start."""

    segment: int
    offset: int


class Batch(NamedTuple):
    """Payloads that follow each other in one segment, and where each of them ends."""

    segment: int
    payloads: list[bytes]
    ends: list[int]


class Segments:
    """The segments of one directory, which nobody else uses.

    Args:
        directory: is there.
        disk: the file system.
        segment_bytes: a segment that is larger is followed by another.
        now: what replayed segments that are found here are as old as, in seconds.

    Raises:
        OSError: also from every method that reads or writes.
    """

    def __init__(self, directory: Path, disk: Disk, segment_bytes: int, now: float = 0.0) -> None:
        """Find what is there; a torn end is cut off."""
        self.directory = directory
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._active: int | None = None
        """The open file of the last segment while it is appended to."""
        self.segments = [Segment(int(path.stem), path) for path in sorted(directory.glob("*.seg"))]
        self.damaged = 0
        """How many segments were set aside because they were not as they had been written."""
        self.inherited = self.segments[-1].number if self.segments else 0
        """Segments up to this number were there before this process."""
        self.cursor = self._saved = self.frontier = self._read_cursor()
        """Where replaying goes on, how far that was written down, and how far it ever came before it was rewound."""
        self._measure()
        self.replayed_here = self._count_before_cursor()
        """Records of the cursor's segment that lie before it."""
        self._finish_segments(now)

    @property
    def waiting(self) -> int:
        """Records that were not replayed yet, or are to be again."""
        return sum(one.records for one in self.segments if one.number >= self.cursor.segment) - self.replayed_here

    @property
    def size(self) -> int:
        """All segments together, in bytes."""
        return sum(one.size for one in self.segments)

    @property
    def size_needed(self) -> int:
        """Those that were not replayed entirely, in bytes."""
        return sum(one.size for one in self.segments if one.replayed_at is None)

    @property
    def kept(self) -> int:
        """Records that were replayed and are still there."""
        return sum(one.records for one in self.segments) - self.waiting

    # --- appending

    def append(self, data: bytes, records: int) -> None:
        """Append frames; they are durable on return, and not there after an error."""
        if self._active is not None and self.segments[-1].size >= self._segment_bytes:
            self.seal()
        if self._active is None:
            self._begin()
        assert self._active is not None
        last = self.segments[-1]
        try:
            self._disk.write(self._active, data)
        except OSError:
            self._cut_back(last.size)
            raise
        try:
            self._disk.sync(self._active)
        except OSError:  # what the kernel still has of this file is anybody's guess: go on in another
            self._cut_back(last.size)
            self.seal()
            raise
        last.size += len(data)
        last.records += records

    def seal(self) -> None:
        """Append to the last segment no more."""
        if self._active is not None:
            os.close(self._active)
            self._active = None

    def _begin(self) -> None:
        number = self.segments[-1].number + 1 if self.segments else max(1, self.cursor.segment)
        path = self.directory / f"{number:08d}.seg"
        self._active = self._disk.create(path)
        self.segments = [*self.segments, Segment(number, path)]  # never in place: others may look at it meanwhile

    def _cut_back(self, size: int) -> None:
        assert self._active is not None
        try:
            self._disk.truncate(self._active, size)
        except OSError:
            _log.exception("a write to %s failed and cannot be undone; it ends there", self.segments[-1].path)
            self.seal()

    # --- replaying

    def batch(self, most: int) -> Batch | None:
        """The next records in order, `most` at most; None when all were replayed.

        Bytes that are no frame are passed over: the segment is set aside as it is, and what is good of it kept.
        """
        for segment in self.segments:
            if segment.number < self.cursor.segment:
                continue
            found = self._read(segment, most)
            if found is None and self._offset_in(segment) < segment.size:
                self._repair(segment)
                found = self._read(segment, most)
            if found is not None:
                return found
        return None

    def advance(self, batch: Batch, count: int) -> None:
        """Note that the first `count` of a batch were replayed."""
        if self.cursor.segment != batch.segment:
            self.replayed_here = 0
        self.cursor = Cursor(batch.segment, batch.ends[count - 1])
        self.replayed_here += count
        self.frontier = max(self.frontier, self.cursor)

    def rewind(self) -> None:
        """Let everything that is still there be replayed again."""
        if self.segments:
            self.cursor, self.replayed_here = Cursor(self.segments[0].number, 0), 0
            for segment in self.segments:
                segment.replayed_at = None

    def tidy(self, now: float, keep_s: float) -> None:
        """Write the cursor, end what was replayed entirely, and delete what was so `keep_s` seconds ago."""
        if self._active is not None and self.waiting == 0:
            self.seal()
        self._finish_segments(now)
        if self.cursor != self._saved:
            self._disk.replace(self.directory / "cursor", msgspec.json.encode(self.cursor._asdict()))
            self._saved = self.cursor
        for segment in self.segments:
            if segment.replayed_at is not None and segment.replayed_at + keep_s <= now:
                self._delete(segment)

    def drop_kept(self) -> bool:
        """Delete the oldest segment that was replayed, to make room; return whether there was one."""
        oldest = next((one for one in self.segments if one.replayed_at is not None), None)
        if oldest is not None:
            self._delete(oldest)
        return oldest is not None

    def _finish_segments(self, now: float) -> None:
        for segment in self.segments:
            active = self._active is not None and segment is self.segments[-1]
            if segment.number == self.cursor.segment and self.cursor.offset >= segment.size and not active:
                self.cursor, self.replayed_here = Cursor(segment.number + 1, 0), 0
            if segment.number < self.cursor.segment and segment.replayed_at is None:
                segment.replayed_at = now
        self.frontier = max(self.frontier, self.cursor)

    def _delete(self, segment: Segment) -> None:
        segment.path.unlink(missing_ok=True)
        self.segments = [one for one in self.segments if one is not segment]

    def _offset_in(self, segment: Segment) -> int:
        return self.cursor.offset if segment.number == self.cursor.segment else 0

    def _read(self, segment: Segment, most: int) -> Batch | None:
        offset = self._offset_in(segment)
        with segment.path.open("rb") as file:
            data = os.pread(file.fileno(), max(0, min(_READ_BYTES, segment.size - offset)), offset)
        batch, at = Batch(segment.number, [], []), 0
        while len(batch.payloads) < most and (found := frame_at(data, at)):
            at = found.end
            batch.payloads.append(found.payload)
            batch.ends.append(offset + at)
        return batch if batch.payloads else None

    # --- what a crash or a bad disk leaves

    def _measure(self) -> None:
        for segment in self.segments:
            data = segment.path.read_bytes()
            segment.size, segment.records = len(data), claimed(data)
        if not self.segments:
            return
        last = self.segments[-1]
        found = scan(last.path.read_bytes())
        if found.good_bytes + found.bad_bytes == last.size and found.bad_bytes:
            _log.warning(
                "%s: %d bytes at its end were not written entirely and are cut off", last.path, found.bad_bytes
            )
            with last.path.open("r+b") as file:
                self._disk.truncate(file.fileno(), found.good_bytes)
            last.size, last.records = found.good_bytes, len(found.payloads)
        elif found.bad_bytes:
            self._repair(last)

    def _repair(self, segment: Segment) -> None:
        """Set a segment aside as it is, and keep the good frames of it."""
        if segment is self.segments[-1]:
            self.seal()
        found = scan(segment.path.read_bytes())
        aside = segment.path.with_name(segment.path.name + ".damaged")
        with contextlib.suppress(FileExistsError):
            aside.hardlink_to(segment.path)
        data = b"".join(map(framed, found.payloads))
        self._disk.replace(segment.path, data)
        segment.size, segment.records = len(data), len(found.payloads)
        if segment.number == self.cursor.segment and self.cursor.offset > found.good_bytes:
            self.cursor, self.replayed_here = Cursor(segment.number, 0), 0  # what was replayed may have moved
        self.damaged += 1
        told = "%s is damaged: %d bytes are no record; kept as %s, and its %d good records go on"
        _log.error(told, segment.path, found.bad_bytes, aside.name, len(found.payloads))

    def _read_cursor(self) -> Cursor:
        first = Cursor(self.segments[0].number if self.segments else 1, 0)
        try:
            cursor = Cursor(**msgspec.json.decode((self.directory / "cursor").read_bytes(), type=dict[str, int]))
        except FileNotFoundError:
            return first
        except (msgspec.DecodeError, TypeError):
            _log.exception("%s cannot be read; all that is there is replayed again", self.directory / "cursor")
            return first
        if cursor.offset and all(one.number != cursor.segment for one in self.segments):
            cursor = Cursor(cursor.segment + 1, 0)  # its segment is gone, and another of that number is not it
        return max(first, cursor)

    def _count_before_cursor(self) -> int:
        for segment in self.segments:
            if segment.number == self.cursor.segment:
                return claimed(segment.path.read_bytes()[: self.cursor.offset])
        return 0
