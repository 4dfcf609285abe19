"""Takes reports while the store is away, and gives them back, in order, when it is there again.

    append --(together with what comes meanwhile)--> written --> fsync --> acknowledged
    batch --> replayed --> advance --> kept for a while --> deleted

Nothing is made on disk before the first report. Everything here runs on one event loop; the disk is waited for in a
thread, by one at a time.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from msgspec import Struct

from sidecar.clock import Clock
from sidecar.errors import Overloaded, StoreUnavailable
from sidecar.model.names import Scope
from sidecar.spool import claims
from sidecar.spool.claims import Claim
from sidecar.spool.disk import Disk
from sidecar.spool.frames import framed
from sidecar.spool.record import Record, decoded, encoded
from sidecar.spool.segments import Batch, Segments

T = TypeVar("T")

_log = logging.getLogger(__name__)

_RETRY_AFTER_S = 1.0
_SEGMENT_BYTES = 1 << 20
_SEGMENTS_LEAST = 8
_BATCH = 64
_BUCKETS = 1 << 16
_TIDY_S = 1.0
_SAID_EVERY_S = 10.0
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Limits(Struct, frozen=True):
    """How large the spool may grow, in bytes and in records that wait, and how long replayed ones are kept."""

    bytes_max: int = 64 << 20
    records_max: int = 1_000_000
    keep_s: float = 300.0


class Waiting(NamedTuple):
    """Records to replay next, in order; None for one that cannot be read, whose payload is beside it."""

    records: list[Record | None]
    payloads: list[bytes]
    batch: Batch
    place: Segments


class _Size(NamedTuple):
    bytes: int
    records: int


class _Append(NamedTuple):
    data: bytes
    buckets: list[int]
    written: asyncio.Future[None]


class Spool:
    """The spool of one store, in one process.

    Args:
        base: where its directories lie, one for each process; see `claims`.
        store: what stands for the store, from `claims.store_name`.
        limits: how large it may grow.
        clock: for when replayed segments have been kept long enough.
        disk: the file system.
    """

    def __init__(self, base: Path, store: str, limits: Limits, clock: Clock, disk: Disk | None = None) -> None:
        """Prepare; nothing is read or written yet."""
        self._base, self._store, self._limits, self._clock = base, store, limits, clock
        self._disk = disk or Disk()
        self._claims: list[Claim] = []
        self._places: list[Segments] = []
        """Those that were left by others come first; the last one is appended to, once there is one."""
        self._own: Segments | None = None
        self._appends: list[_Append] = []
        self._coming = _Size(0, 0)
        """What was taken and is not written yet."""
        self._flushing: asyncio.Task[None] | None = None
        self._disk_lock = asyncio.Lock()
        self._buckets: array[int] | None = None
        self._tidied_at = clock.monotonic()
        self._said_at = -math.inf
        self._closed = False
        self.appended: Callable[[], None] = lambda: None
        """Called when something was appended."""
        self.syncs = 0
        """How often it was waited for the disk."""

    # --- state

    @property
    def waiting(self) -> int:
        """Records that are to be replayed."""
        return sum(one.waiting for one in self._places)

    @property
    def kept(self) -> int:
        """Records that were replayed and are kept for a while."""
        return sum(one.kept for one in self._places)

    @property
    def size(self) -> int:
        """All segments together, in bytes."""
        return sum(one.size for one in self._places)

    @property
    def damaged(self) -> int:
        """Segments that were not as they had been written."""
        return sum(one.damaged for one in self._places)

    @property
    def directories(self) -> list[Path]:
        """Where it lies."""
        return [one.directory for one in self._places]

    def holds(self, scope: Scope, decision_id: str) -> bool:
        """Whether a report of this decision may wait here, so that a newer one has to go behind it.

        It may say so of a decision of which none does. While records of an earlier process wait it says so of all.
        """
        if self._buckets is not None and self._buckets[_bucket(scope, decision_id)]:
            return True
        return any(place.frontier.segment <= place.inherited for place in self._places)

    # --- appending

    async def append(self, records: Sequence[Record]) -> None:
        """Take records; they are durable on return, and none of them is there after an error.

        Raises:
            Overloaded: the spool or its disk is full.
            StoreUnavailable: the disk fails in another way, or the spool is closed.
        """
        data = b"".join(framed(encoded(record)) for record in records)
        self._admit(len(data), len(records))
        buckets = [_bucket(record.scope, record.decision_id) for record in records]
        written = asyncio.get_running_loop().create_future()
        self._appends.append(_Append(data, buckets, written))
        self._count(buckets, 1)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        # Whoever stops waiting does not stop the write.
        await asyncio.shield(written)
        self.appended()

    def _admit(self, size: int, count: int) -> None:
        if self._closed:
            raise StoreUnavailable("spooling a report: the sidecar is stopping")
        coming = _Size(self._coming.bytes + size, self._coming.records + count)
        needed = sum(one.size_needed for one in self._places)
        if needed + coming.bytes > self._limits.bytes_max or self.waiting + coming.records > self._limits.records_max:
            self._say("reports are not acknowledged, for the spool is full: %d wait", self.waiting)
            raise Overloaded("the spool", _RETRY_AFTER_S)
        self._coming = coming

    async def _flush(self) -> None:
        while self._appends:
            async with self._disk_lock:  # what comes while it is waited for is taken along
                taken, self._appends = self._appends, []
                error = await self._written(taken)
            for one in taken:
                self._coming = _Size(self._coming.bytes - len(one.data), self._coming.records - len(one.buckets))
                if error is not None:
                    self._count(one.buckets, -1)
                if one.written.cancelled():
                    continue
                if error is None:
                    one.written.set_result(None)
                else:
                    one.written.set_exception(error)
                    one.written.exception()  # perhaps nobody waits any more
        self._flushing = None

    async def _written(self, taken: Sequence[_Append]) -> Exception | None:
        data, count = b"".join(one.data for one in taken), sum(len(one.buckets) for one in taken)
        try:
            await asyncio.to_thread(self._write, data, count)
        except OSError as error:
            self._say("reports cannot be spooled and are not acknowledged: %s", error)
            full = error.errno in _FULL
            told = Overloaded("the spool's disk", _RETRY_AFTER_S) if full else StoreUnavailable("spooling a report")
            told.__cause__ = error
            return told
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave callers waiting for ever
            return error
        return None

    def _write(self, data: bytes, count: int) -> None:
        if self._own is None:
            claim = claims.fresh(self._base, self._store, self._disk)
            try:
                self._own = self._opened(claim)
            except OSError:
                claim.close()
                raise
        while self.size + len(data) > self._limits.bytes_max and any(one.drop_kept() for one in self._places):
            continue
        self._own.append(data, count)
        self.syncs += 1

    # --- replaying

    async def open(self) -> None:
        """Take over what processes that are gone have left; makes nothing. What cannot be read stays, and is said."""
        try:
            await asyncio.to_thread(self._adopt)
        except OSError:
            _log.exception("what lies in the spool %s cannot be taken over", self._base)

    async def batch(self) -> Waiting | None:
        """What is to be replayed next, up to 64 records; None when there is nothing.

        Raises:
            OSError: it cannot be read.
        """
        for place in self._places:
            if place.waiting:
                batch = await self._in_thread(partial(place.batch, _BATCH))
                if batch is not None:
                    return Waiting([decoded(one) for one in batch.payloads], batch.payloads, batch, place)
        return None

    async def advance(self, waiting: Waiting, count: int) -> None:
        """Note that the first `count` of these were replayed."""
        if count:
            before, place = waiting.place.frontier, waiting.place
            place.advance(waiting.batch, count)
            if waiting.batch.segment > place.inherited:
                for record, end in zip(waiting.records[:count], waiting.batch.ends[:count], strict=True):
                    if record is not None and (waiting.batch.segment, end) > before:
                        self._count([_bucket(record.scope, record.decision_id)], -1)
        if self._clock.monotonic() - self._tidied_at >= _TIDY_S or not self.waiting:
            await self.tidy()

    def rewind(self) -> None:
        """Let what was replayed and is still there be replayed again."""
        for place in self._places:
            place.rewind()

    async def tidy(self) -> None:
        """Write down how far replaying came, and delete what was kept long enough."""
        self._tidied_at = self._clock.monotonic()
        for place in self._places:
            try:
                await self._in_thread(partial(place.tidy, self._tidied_at, self._limits.keep_s))
            except OSError as error:  # no harm: after a crash some of it is replayed again
                _log.warning("how far %s was replayed cannot be written down: %s", place.directory, error)
        if not self.waiting and not self._coming.records:
            self._buckets = None

    async def close(self) -> None:
        """Wait for what is being written, and leave the directories to others."""
        if self._flushing is not None:
            await asyncio.wait({self._flushing})
        if self._places:
            await self.tidy()
        claims_held, self._claims, places, self._places = self._claims, [], self._places, []
        self._own, self._closed = None, True
        for place in places:
            place.seal()
        for claim in claims_held:
            claim.close()

    async def _in_thread(self, wait_for_disk: Callable[[], T]) -> T:
        """Wait for the disk, alone. Whoever is cancelled meanwhile still lets it end: it holds the lock for so long."""
        async with self._disk_lock:
            waiting = asyncio.ensure_future(asyncio.to_thread(wait_for_disk))
            try:
                return await asyncio.shield(waiting)
            except asyncio.CancelledError:
                await asyncio.wait({waiting})
                raise

    def _adopt(self) -> None:
        for claim in claims.abandoned(self._base, self._store):
            place = self._opened(claim)
            self._own = self._own or place
            if place.waiting:
                _log.warning("%d reports of an earlier run wait in %s", place.waiting, place.directory)
        for path in claims.of_others(self._base, self._store):
            _log.warning("%s holds reports for another store; only a sidecar of that store takes them over", path)

    def _opened(self, claim: Claim) -> Segments:
        segment_bytes = min(_SEGMENT_BYTES, self._limits.bytes_max // _SEGMENTS_LEAST)
        place = Segments(claim.directory, self._disk, segment_bytes, self._clock.monotonic())
        self._claims.append(claim)
        self._places.append(place)
        return place

    def _say(self, what: str, fact: object) -> None:
        """Warn, but not for every call."""
        if self._clock.monotonic() - self._said_at >= _SAID_EVERY_S:
            self._said_at = self._clock.monotonic()
            _log.warning(what, fact)

    def _count(self, buckets: Sequence[int], by: int) -> None:
        if self._buckets is None:
            self._buckets = array("I", bytes(4 * _BUCKETS))
        for bucket in buckets:
            self._buckets[bucket] += by


def _bucket(scope: Scope, decision_id: str) -> int:
    """Decisions are told apart by this only: constant memory, and a wrong yes costs a report no more than a detour."""
    return hash((scope, decision_id)) % _BUCKETS
