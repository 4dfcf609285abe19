"""Spools in a directory of the test, on a disk that fails when it is told to."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sidecar.spool.disk import Disk
from sidecar.spool.record import Record
from sidecar.spool.spool import Limits, Spool
from tests.conftest import FakeClock

STORE = "00c0ffee"


def record(decision_id: str, reward: float = 1.0, *, final: bool = True) -> Record:
    """Make a report of a decision."""
    return Record("reward", "default", "main", "route", decision_id, 1_700_000_000_000, {"reward": reward}, final)


class FailingDisk(Disk):
    """The machine's file system, with a limit that tests lower and syncs that they count or let fail."""

    def __init__(self) -> None:
        """Start with room for everything."""
        self.room = 1 << 40
        """How many bytes may yet be written; the write that needs more fails half-way."""
        self.sync_fails = False
        self.truncate_fails = False
        self.syncs = 0
        self.directory_syncs = 0
        self.gate = threading.Event()
        """While it is not set, the disk keeps everybody waiting."""
        self.gate.set()

    def write(self, file: int, data: bytes) -> None:
        """Write what there is room for."""
        fitting = data[: self.room]
        super().write(file, fitting)
        self.room -= len(fitting)
        if len(fitting) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self, file: int) -> None:
        """Count, and fail as a broken disk does."""
        self.syncs += 1
        assert self.gate.wait(30)
        if self.sync_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().sync(file)

    def truncate(self, file: int, size: int) -> None:
        """Fail as a broken disk does."""
        if self.truncate_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super().truncate(file, size)

    def sync_directory(self, path: Path) -> None:
        """Count."""
        self.directory_syncs += 1
        super().sync_directory(path)


Opened = Callable[..., Spool]


@pytest.fixture
def disk() -> FailingDisk:
    """Make a disk that works until it is told otherwise."""
    return FailingDisk()


@pytest.fixture
def clock() -> FakeClock:
    """Make a clock that only the test moves."""
    return FakeClock()


@pytest.fixture
async def spools(tmp_path: Path, disk: FailingDisk, clock: FakeClock) -> AsyncIterator[Opened]:
    """Make spools in one directory, as several processes would; closed at the end unless a test did."""
    made: list[Spool] = []

    def make(store: str = STORE, **limits: float) -> Spool:
        made.append(Spool(tmp_path / "spool", store, Limits(**limits), clock, disk))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def replayed(spool: Spool, most: int = 1_000_000) -> list[str]:
    """Replay up to so many records; return the ids of their decisions in order."""
    ids: list[str] = []
    while len(ids) < most and (waiting := await spool.batch()):
        taken = waiting.records[: most - len(ids)]
        ids += [one.decision_id if one else "?" for one in taken]
        await spool.advance(waiting, len(taken))
    return ids


async def until(happened: Callable[[], bool]) -> None:
    """Wait patiently."""
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110 - what is waited for happens in a thread
            await asyncio.sleep(0.001)


def segments(directory: Path) -> list[Path]:
    """List the files of records below a directory, oldest first."""
    return sorted(directory.rglob("*.seg"))
