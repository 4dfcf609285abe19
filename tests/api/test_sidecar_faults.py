"""Goal: a sidecar that dies, stops or stalls loses nothing and says so. Method: real processes, killed."""

from __future__ import annotations

import asyncio
import stat
import time
from pathlib import Path

import pytest

from sidecar.ops import probes
from sidecar.ops.probes import Vitals
from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect, Sidecars

from .patience import persistently

CONFIG = """
domains:
  route:
    mode: ungated
    budget: {limit_usd: 1000}
"""


def ask(workspace: str, number: int) -> pb.RecommendRequest:
    """Ask for a decision that may cost a dollar."""
    candidates = [pb.Candidate(arm=arm, cost_ceiling_usd=1) for arm in ("a", "b")]
    return pb.RecommendRequest(workspace=workspace, domain="route", decision_id=f"d{number}", candidates=candidates)


def report(workspace: str, number: int) -> pb.RewardRequest:
    """Report what came of it, at half a dollar."""
    signals = pb.Signals(reward=1, cost_usd=0.5)
    return pb.RewardRequest(workspace=workspace, domain="route", decision_id=f"d{number}", signals=signals)


async def test_killed_in_the_middle_of_calls(
    sidecars: Sidecars, connect: Connect, workspace: str, data_dir: Path
) -> None:
    """Calls made again after the restart, on the same socket, are the same calls: each counts once, to the cent."""
    address = f"unix:{data_dir}/s"
    started = {"arguments": ("--address", address), "environment": {"LEARNING_IN_FLIGHT_MAX": "1024"}}
    running = sidecars(CONFIG, **started)
    stub = connect(address)
    await stub.Recommend(ask(workspace, 0))

    async def decide_and_report(number: int) -> int:
        await persistently(stub.Recommend, ask(workspace, number))
        outcome: int = (await persistently(stub.Reward, report(workspace, number))).outcome
        return outcome

    calls = [asyncio.ensure_future(decide_and_report(number)) for number in range(1, 200)]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    running.kill()
    again = sidecars(CONFIG, **started)
    outcomes = set(await asyncio.gather(*calls))
    status = await connect(again.address).Status(pb.StatusRequest(workspace=workspace))

    assert outcomes <= {pb.REWARD_OUTCOME_APPLIED, pb.REWARD_OUTCOME_DUPLICATE}
    [route] = status.domains
    assert (route.decisions, route.applied, route.open) == (200, 199, 1)
    assert (route.budget.spent_usd, route.budget.reserved_usd) == (99.5, 1.0)


async def test_a_blocked_loop_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe, which runs beside the loop, says so while the loop stands still, and not for longer."""
    monkeypatch.setattr(probes, "LOOP_STALL_S", 0.05)
    vitals = Vitals(asyncio.get_running_loop())
    asked = asyncio.get_running_loop().run_in_executor(None, vitals.alive)
    time.sleep(1.0)  # noqa: ASYNC251 - the fault
    assert await asked is False

    monkeypatch.setattr(probes, "LOOP_STALL_S", 30.0)
    assert await asyncio.to_thread(vitals.alive) is True


@pytest.mark.parametrize("mode", ["0600", "0666"])
async def test_a_socket_has_the_rights_that_are_asked_for(
    sidecars: Sidecars, connect: Connect, workspace: str, data_dir: Path, mode: str
) -> None:
    """In a pod the app may be another user, who may enter the directory of the socket and nothing else."""
    started = {"arguments": ("--address", f"unix:{data_dir}/s"), "environment": {"LEARNING_SOCKET_MODE": mode}}
    running = sidecars(CONFIG, **started)

    assert stat.S_IMODE((data_dir / "s").stat().st_mode) == int(mode, 8)
    assert (await connect(running.address).Recommend(ask(workspace, 0))).arm in {"a", "b"}
