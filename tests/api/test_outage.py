"""Goal: an app is not held up by the store, and nothing it told is lost. Method: a sidecar whose server is killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidecar.store.embedded import EmbeddedServer
from sidecar.v1 import learning_pb2 as pb
from tests.chaos.bench import short_directory
from tests.chaos.outage import different, outage
from tests.conftest import Connect, Sidecars

from .patience import persistently

COUNTED = {pb.REWARD_OUTCOME_APPLIED, pb.REWARD_OUTCOME_SPOOLED}


@pytest.fixture
async def orphaned(sidecars: Sidecars, connect: Connect, data_dir: Path) -> Any:
    """A stub of a sidecar whose server was killed after one decision."""
    with EmbeddedServer(data_dir) as server:
        stub = connect(sidecars(redis_url=server.url).address)
        await stub.Recommend(ask("before"))
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        yield stub


def ask(decision_id: str, *, strict: bool = False) -> pb.RecommendRequest:
    """A request for a decision."""
    candidates = [pb.Candidate(arm="a"), pb.Candidate(arm="b")]
    return pb.RecommendRequest(domain="route", decision_id=decision_id, candidates=candidates, strict=strict)


def child_of(pid: int) -> int:
    """Find the one process that a process has started, whichever of its threads did."""
    [child] = [one for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()]
    return int(child)


async def settled_domain(stub: Any) -> tuple[int, int]:
    """Wait until nothing waits on disk and a report has come to something, perhaps when sent again; count these."""
    async with asyncio.timeout(60):
        while True:
            status = await stub.Status(pb.StatusRequest())
            known = [(domain.applied, domain.late) for domain in status.domains]
            if any(map(any, known)) and not status.store.spooled:
                return known[0]
            await asyncio.sleep(0.1)


async def test_recommend_degrades_within_its_deadline(orphaned: Any) -> None:
    """The baseline, said to be degraded, without an id to reward."""
    started = time.perf_counter()
    answer = await orphaned.Recommend(ask("after"), timeout=1.0)

    assert (answer.arm, answer.degraded, answer.source) == ("a", True, pb.SOURCE_DEGRADED)
    assert answer.decision_id == ""
    assert time.perf_counter() - started < 1.0


async def test_rewards_are_spooled(orphaned: Any) -> None:
    """They wait on disk; tests/api/test_spooling.py follows them."""
    report = pb.RewardRequest(domain="route", decision_id="before", signals=pb.Signals(reward=1))
    assert (await orphaned.Reward(report)).outcome == pb.REWARD_OUTCOME_SPOOLED


async def test_strict_and_administrative_calls_say_unavailable(orphaned: Any) -> None:
    """With a hint when to try again, and without the driver's words."""
    snapshot = pb.SnapshotRequest()
    for call, request in ((orphaned.Recommend, ask("after", strict=True)), (orphaned.Snapshot, snapshot)):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(request)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not re.search(r"sock|Errno|redis", str(caught.value.details()))


async def test_status_says_that_the_store_is_away(orphaned: Any) -> None:
    """People debugging need an answer most of all now."""
    status = await orphaned.Status(pb.StatusRequest())
    assert status.store.reachable is False


async def test_state_survives_a_restart(sidecars: Sidecars, connect: Connect, data_dir: Path) -> None:
    """The embedded server keeps what was learned; a second sidecar on the same directory is refused."""
    first = sidecars(redis_url=None, arguments=("--data-dir", str(data_dir)))
    stub = connect(first.address)
    await stub.Recommend(ask("one"))
    first.stop()
    again = connect(sidecars(redis_url=None, arguments=("--data-dir", str(data_dir))).address)

    report = pb.RewardRequest(domain="route", decision_id="one", signals=pb.Signals(reward=1))
    assert (await again.Recommend(ask("one"))).source == pb.SOURCE_REPLAY
    assert (await again.Reward(report)).outcome == pb.REWARD_OUTCOME_APPLIED


async def test_an_embedded_server_that_dies_is_started_again(
    sidecars: Sidecars, connect: Connect, data_dir: Path
) -> None:
    """Nobody else would: decisions and reports from before are there, and what was acknowledged meanwhile counts.

    What the server acknowledged while it died may be gone; then it is sent again.
    """
    running = sidecars(redis_url=None, arguments=("--data-dir", str(data_dir)))
    stub = connect(running.address)
    await stub.Recommend(ask("one"))
    await asyncio.sleep(1.5)  # the file is written once a second
    os.kill(child_of(running.process.pid), signal.SIGKILL)
    report = pb.RewardRequest(domain="route", decision_id="one", signals=pb.Signals(reward=1))
    assert (await persistently(stub.Reward, report)).outcome in COUNTED
    assert await settled_domain(stub) == (1, 0)
    assert "has ended by itself" in running.log


async def test_a_blocked_store_does_not_hold_up(sidecars: Sidecars, connect: Connect, data_dir: Path) -> None:
    """A server that is stopped, not dead: the answer comes before the caller's deadline."""
    with EmbeddedServer(data_dir) as server:
        stub = connect(sidecars(redis_url=server.url).address)
        await stub.Recommend(ask("before"))
        assert server.pid
        os.kill(server.pid, signal.SIGSTOP)
        answer = await stub.Recommend(ask("during"), timeout=3.0)
        os.kill(server.pid, signal.SIGCONT)

    assert (answer.arm, answer.degraded) == ("a", True)


async def test_a_strict_call_made_again_keeps_its_reward(sidecars: Sidecars, connect: Connect, data_dir: Path) -> None:
    """What was recorded for a strict call that failed is not taken back: the same call, repeated, gets it."""
    with EmbeddedServer(data_dir) as server:
        stub = connect(sidecars(redis_url=server.url, environment={"LEARNING_STORE_TIMEOUT_MS": "1000"}).address)
        await stub.Recommend(ask("before"))
        assert server.pid
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Recommend(ask("during", strict=True))
        os.kill(server.pid, signal.SIGCONT)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

        report = pb.RewardRequest(domain="route", decision_id="during", signals=pb.Signals(reward=1))
        assert (await persistently(stub.Recommend, ask("during", strict=True))).source != pb.SOURCE_DEGRADED
        assert (await persistently(stub.Reward, report)).outcome in COUNTED
        assert await settled_domain(stub) == (1, 0)


@pytest.mark.timeout(300)
async def test_an_outage_changes_nothing(transport: str) -> None:
    """`make outage` for three seconds: what was learned, spent and found out is that of a run without one."""
    with short_directory() as directory:
        found = await outage(directory, seconds=3, decisions=120, transport=transport)
    assert found["differences"] == {}
    assert found["equal"]
    assert found["stage"] == "canary"
    assert found["spooled"] >= 20
    assert found["sidecar_away_s"] > 0
    assert found["compared"] > 120


def test_a_difference_is_found() -> None:
    """A figure that is off by one, and one that only one of the two has."""
    assert different({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 3, "d": 0}) == {
        "b": [2, 3],
        "c": [3, None],
        "d": [None, 0],
    }
