"""Goal: what ends is replaced, and what cannot be replaced ends all. Method: a fleet of workers that are made up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from sidecar.errors import SidecarError
from sidecar.ops.workers import fleet as fleet_file
from sidecar.ops.workers.fleet import Fleet, worker_settings
from sidecar.ops.workers.orders import Orders
from sidecar.ops.workers.worker import WorkerFailed
from sidecar.settings.service import ServiceSettings

SETTINGS = ServiceSettings(workers=2)


@dataclass
class MadeUp:
    """A worker that ends when it is told to."""

    number: int
    management_address: str = "off"
    end: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def ended(self) -> int:
        """Wait for its end."""
        return await asyncio.shield(self.end)

    async def stop(self, _: float) -> int:
        """End."""
        if not self.end.done():
            self.end.set_result(0)
        return self.end.result()


@dataclass
class Starts:
    """Starts workers, of which some fail or end at once; keeps what was started."""

    fails: bool = False
    ends: bool = False
    made: list[MadeUp] = field(default_factory=list)

    async def __call__(self, orders: Orders) -> MadeUp:
        """Start one."""
        if self.fails:
            raise WorkerFailed("as told")
        self.made.append(MadeUp(orders.number))
        if self.ends:
            self.made[-1].end.set_result(9)
        return self.made[-1]


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    """Put made-up workers in the place of processes, and lose no time between them."""
    one = Starts()
    monkeypatch.setattr(fleet_file, "started", one)
    monkeypatch.setattr(fleet_file, "_BACKOFF_S", (0.0, 0.0, 0.0))
    return one


async def test_one_that_ends_is_replaced(starts: Starts) -> None:
    """Only that one, and with the same number."""
    fleet = Fleet(SETTINGS)
    await fleet.start()
    keeping = asyncio.create_task(fleet.keep())
    starts.made[1].end.set_result(-9)
    async with asyncio.timeout(5):
        while len(starts.made) < 3:  # noqa: ASYNC110 - a number to reach, not an event
            await asyncio.sleep(0.01)
    keeping.cancel()
    await fleet.stop()

    assert [one.number for one in starts.made] == [0, 1, 1]
    assert all(one.end.done() for one in starts.made)


@pytest.mark.parametrize("how", ["fails", "ends"])
async def test_replacements_that_are_in_vain_end_all(starts: Starts, how: str) -> None:
    """Whoever runs it must see that something is wrong."""
    fleet = Fleet(SETTINGS)
    await fleet.start()
    setattr(starts, how, True)
    starts.made[0].end.set_result(9)
    with pytest.raises(WorkerFailed, match="worker 0 was replaced 3 times in a row"):
        await asyncio.wait_for(fleet.keep(), timeout=5)
    await fleet.stop()

    assert starts.made[1].end.result() == 0


async def test_one_that_does_not_start_ends_the_others(starts: Starts) -> None:
    """At the beginning nothing is tried again: what is wrong then stays wrong."""
    fleet = Fleet(SETTINGS)
    starts.fails = True
    with pytest.raises(SidecarError, match="as told"):
        await fleet.start()
    await fleet.stop()

    assert not fleet.complete


def test_workers_get_the_port_and_the_store_of_the_parent() -> None:
    """And probes on a free port, if there are any at all."""
    made = worker_settings(SETTINGS, "127.0.0.1:4711", "unix:///x")
    silent = worker_settings(ServiceSettings(management_address="off"), "127.0.0.1:4711", "unix:///x")

    assert (made.address, made.redis_url, made.management_address) == ("127.0.0.1:4711", "unix:///x", "127.0.0.1:0")
    assert silent.management_address == "off"
