"""Goal: an acknowledged report is on disk, in order, within bounds. Method: disks that fail, and several spools."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from sidecar.errors import Overloaded, StoreUnavailable
from sidecar.model.names import Scope
from sidecar.spool.claims import store_name
from tests.conftest import FakeClock

from .conftest import FailingDisk, Opened, record, replayed, segments, until

SCOPE = Scope("default", "main", "route")


async def test_nothing_is_made_before_the_first_record(spools: Opened, tmp_path: Path) -> None:
    """A sidecar whose store never goes away leaves no trace."""
    spool = spools()
    await spool.open()
    assert await spool.batch() is None
    await spool.close()
    assert not segments(tmp_path)


async def test_acknowledged_is_durable(spools: Opened, tmp_path: Path) -> None:
    """What another process finds after a crash is what was acknowledged, in order."""
    spool = spools()
    for number in range(200):
        await spool.append([record(f"d{number}", number / 200)])
    shutil.copytree(tmp_path / "spool", tmp_path / "crashed")  # what lies on disk now, without a close
    after = type(spool)(tmp_path / "crashed", "00c0ffee", spool._limits, spool._clock)
    await after.open()
    assert await replayed(after) == [f"d{number}" for number in range(200)]
    await after.close()


async def test_callers_share_a_sync(spools: Opened, disk: FailingDisk) -> None:
    """Those that come while one waits for the disk wait for the next one together."""
    spool = spools()
    disk.gate.clear()
    first = asyncio.create_task(spool.append([record("first")]))
    await until(lambda: disk.syncs == 1)
    others = [asyncio.create_task(spool.append([record(f"d{number}")])) for number in range(50)]
    await asyncio.sleep(0.01)
    assert not any(one.done() for one in (first, *others))
    disk.gate.set()
    await asyncio.gather(first, *others)
    assert (disk.syncs, spool.waiting) == (2, 51)


async def test_crash_between_write_and_sync(spools: Opened, disk: FailingDisk, tmp_path: Path) -> None:
    """Nobody was told that the record is there; whether it is found or not, all others are."""
    spool = spools()
    await spool.append([record("before")])
    disk.gate.clear()
    syncs = disk.syncs
    pending = asyncio.create_task(spool.append([record("during")]))
    await until(lambda: disk.syncs > syncs)
    [path] = segments(tmp_path)
    data = path.read_bytes()
    assert not pending.done()
    for left in (data, data[:-1], data[: len(data) // 2 + 3]):  # whatever of the write reached the disk
        crashed = tmp_path / "crashed" / f"{len(left)}" / "00c0ffee-0"
        crashed.mkdir(parents=True)
        (crashed / path.name).write_bytes(left)
        after = type(spool)(crashed.parent, "00c0ffee", spool._limits, spool._clock)
        await after.open()
        assert await replayed(after) in (["before"], ["before", "during"])
        await after.close()
    disk.gate.set()
    await pending


async def test_full_disk_acknowledges_nothing_and_spoils_nothing(spools: Opened, disk: FailingDisk) -> None:
    """A write that fails half-way is taken back: what is appended before and after it comes out whole."""
    spool = spools()
    await spool.append([record("before")])
    for room in range(0, 120, 7):
        disk.room = room
        with pytest.raises(Overloaded):
            await spool.append([record("lost")])
    disk.room = 1 << 40
    await spool.append([record("after")])
    assert await replayed(spool) == ["before", "after"]
    assert spool.damaged == 0


@pytest.mark.parametrize("truncate_fails", [False, True])
async def test_disk_that_fails_to_sync(spools: Opened, disk: FailingDisk, truncate_fails: bool) -> None:
    """Said as such; what follows goes into another file, for nobody knows what became of this one."""
    spool = spools()
    await spool.append([record("before")])
    disk.sync_fails, disk.truncate_fails = True, truncate_fails
    with pytest.raises(StoreUnavailable):
        await spool.append([record("lost")])
    disk.sync_fails = disk.truncate_fails = False
    await spool.append([record("after")])
    assert await replayed(spool) == ["before", "after"]


async def test_directory_that_cannot_be_made(spools: Opened, tmp_path: Path) -> None:
    """A read-only place is no reason to fall over: the caller is told that nothing was kept."""
    (tmp_path / "spool").write_text("in the way")
    spool = spools()
    await spool.open()
    with pytest.raises(StoreUnavailable):
        await spool.append([record("d")])
    assert not spool.holds(SCOPE, "d")


async def test_bounded_in_bytes(spools: Opened) -> None:
    """Full is said, not more than allowed lies on disk, and room made by replaying is used."""
    spool = spools(bytes_max=4096, keep_s=1000.0)
    tried = [await asyncio.gather(spool.append([record(f"d{n}")]), return_exceptions=True) for n in range(100)]
    held = sum(one == [None] for one in tried)
    assert {type(one[0]) for one in tried[held:]} == {Overloaded}
    assert spool.waiting == held
    assert 3000 < spool.size <= 4096
    assert len(await replayed(spool)) == held
    assert spool.kept == held
    for number in range(held):  # replayed ones make room, although they were to be kept
        await spool.append([record(f"e{number}")])
    assert (spool.waiting, spool.size <= 4096) == (held, True)


async def test_bounded_in_records(spools: Opened) -> None:
    """Also while they are under way to the disk."""
    spool = spools(records_max=10)
    tried = await asyncio.gather(*(spool.append([record(f"d{n}")]) for n in range(30)), return_exceptions=True)
    assert sum(isinstance(one, Overloaded) for one in tried) == 20
    assert spool.waiting == 10


async def test_reports_of_a_waiting_decision_go_behind(spools: Opened) -> None:
    """From the moment it is taken until it was replayed, and no longer."""
    spool = spools()
    appending = asyncio.create_task(spool.append([record("d"), record("d")]))
    await asyncio.sleep(0)
    assert spool.holds(SCOPE, "d")
    await appending
    assert not spool.holds(SCOPE, "another")
    assert await replayed(spool, most=1) == ["d"]
    assert spool.holds(SCOPE, "d")
    assert await replayed(spool) == ["d"]
    assert not spool.holds(SCOPE, "d")
    spool.rewind()
    assert await replayed(spool) == ["d", "d"]
    assert not spool.holds(SCOPE, "d")


async def test_left_over_records_hold_every_decision(spools: Opened) -> None:
    """Whose reports an earlier process left is not looked up, so all go behind until those are replayed."""
    first = spools()
    await first.append([record(f"d{n}") for n in range(100)])
    await first.close()
    second = spools()
    await second.open()
    assert second.holds(SCOPE, "whatever")
    await second.append([record("whatever")])
    assert await replayed(second) == [*(f"d{n}" for n in range(100)), "whatever"]
    assert not second.holds(SCOPE, "whatever")


async def test_two_processes_have_a_directory_each(spools: Opened, tmp_path: Path) -> None:
    """Neither touches the other's; when one is gone, the next that starts takes over what it left."""
    one, two = spools(), spools()
    await one.append([record("one")])
    await two.append([record("two")])
    late = spools()
    await late.open()
    assert (await late.batch(), late.directories) == (None, [])
    await two.close()
    heir = spools()
    await heir.open()
    assert await replayed(heir) == ["two"]
    assert await replayed(one) == ["one"]
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["00c0ffee-0", "00c0ffee-1"]


async def test_reports_for_another_store_are_left_alone(spools: Opened, caplog: pytest.LogCaptureFixture) -> None:
    """They would name decisions that nobody knows here; the log says that they are there."""
    other = spools(store=store_name("redis://elsewhere/0", "learning"))
    await other.append([record("theirs")])
    await other.close()
    mine = spools()
    await mine.open()
    assert await mine.batch() is None
    assert "another store" in caplog.text


async def test_cursor_is_written_now_and_then(spools: Opened, clock: FakeClock) -> None:
    """A crash in the middle repeats no more than what was replayed in the last second."""
    spool = spools()
    await spool.append([record(f"d{n}") for n in range(200)])
    assert len(await replayed(spool, most=64)) == 64
    clock.ms += 1000
    assert len(await replayed(spool, most=64)) == 64
    assert len(await replayed(spool, most=10)) == 10
    for place in spool._places:
        place.seal()
    for claim in spool._claims:  # as a crash would
        claim.close()
    spool._places, spool._claims = [], []
    after = spools()
    await after.open()
    assert (await replayed(after))[0] == "d128"


async def test_caller_who_leaves_does_not_disturb(spools: Opened, disk: FailingDisk) -> None:
    """A call that ends early takes no other's report along."""
    spool = spools()
    disk.gate.clear()
    leaving = asyncio.create_task(spool.append([record("leaving")]))
    await until(lambda: disk.syncs == 1)
    staying = asyncio.create_task(spool.append([record("staying")]))
    await asyncio.sleep(0)
    leaving.cancel()
    disk.gate.set()
    await staying
    assert await replayed(spool) == ["leaving", "staying"]
