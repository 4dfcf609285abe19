"""Goal: switched off, not a byte changes. Method: the whole dataset of the server, before and after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.v1 import learning_pb2 as pb

CALLS = 1000


async def dataset(client: Any) -> dict[bytes, bytes]:
    """Every key of the server with everything in it, and when it expires."""
    keys = sorted([key async for key in client.scan_iter(count=1000)])
    return {key: (await client.dump(key)) + str(await client.pttl(key)).encode() for key in keys}


@pytest.mark.parametrize("environment", [{"ENABLE_RL_GLOBAL": "0"}, {"ENABLE_RL_ROUTING": "0"}])
async def test_flags_off_change_no_byte(
    sidecars: Callable[..., Any],
    connect: Callable[[str], Any],
    redis_client: Any,
    workspace: str,
    environment: dict[str, str],
) -> None:
    """After 1,000 calls of each kind the server holds what it held: the first candidate came from nowhere."""
    learning, off = connect(sidecars().address), connect(sidecars(environment=environment).address)
    asked = pb.RecommendRequest(workspace=workspace, domain="route", candidates=[pb.Candidate(arm="a")])
    asked.candidates.add(arm="b")
    decision = await learning.Recommend(asked)
    before = await dataset(redis_client)

    report = pb.RewardRequest(workspace=workspace, domain="route", signals=pb.Signals(reward=1))
    report.decision_id = decision.decision_id
    release = pb.ReleaseRequest(workspace=workspace, domain="route", decision_id=decision.decision_id)
    arms: set[str] = set()
    for _ in range(CALLS // 100):
        answers = await asyncio.gather(*(off.Recommend(asked) for _ in range(100)))
        arms |= {answer.arm for answer in answers}
        await asyncio.gather(*(off.Reward(report) for _ in range(100)), *(off.Release(release) for _ in range(100)))

    assert arms == {"a"}
    assert await dataset(redis_client) == before
    assert (await learning.Reward(report)).outcome == pb.REWARD_OUTCOME_APPLIED


async def test_off_by_set_mode_records_nothing(
    sidecars: Callable[..., Any], connect: Callable[[str], Any], workspace: str
) -> None:
    """The kill switch of one domain, for every sidecar; and back."""
    one, other = (connect(sidecars().address) for _ in range(2))
    asked = pb.RecommendRequest(workspace=workspace, domain="route", candidates=[pb.Candidate(arm="a")])
    await other.Recommend(asked)
    await one.SetMode(pb.SetModeRequest(workspace=workspace, domain="route", mode=pb.MODE_OFF))
    off = await other.Recommend(asked)
    status = await one.Status(pb.StatusRequest(workspace=workspace, domain="route"))
    await one.SetMode(pb.SetModeRequest(workspace=workspace, domain="route", mode=pb.MODE_SHADOW))
    await asyncio.sleep(1.1)  # what is off asks for the control once a second
    back = await other.Recommend(asked)

    assert (off.mode, off.expires_at_unix_ms, status.domains[0].decisions) == (pb.MODE_OFF, 0, 1)
    assert (back.mode, back.expires_at_unix_ms > 0) == (pb.MODE_SHADOW, True)
