"""A log of decisions and of what is reported of them, and how it is told to a sidecar whose store may be away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis

from sidecar.store.embedded import EmbeddedServer
from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect, SidecarProcess, Sidecars

CONFIG = """
domains:
  route:
    mode: gated
    gate: {seed: 7, epoch_decisions: 20}
    policy: {name: thompson, seed: 7}
    budget: {limit_usd: 1000}
    reward: {signals: {quality: {weight: 1}}}
workspaces:
  "*": {budget: {limit_usd: 2000}}
"""
IDS = [f"d{number}" for number in range(60)]
PATIENCE_S = 60.0
QUICK = {"LEARNING_STORE_TIMEOUT_MS": "3000"}


def ask(decision_id: str) -> pb.RecommendRequest:
    """Ask for a decision; the baseline goes round, so that several arms are executed."""
    number = int(decision_id[1:])
    arms = [("a", "b", "c")[(number + turn) % 3] for turn in range(3)]
    candidates = [pb.Candidate(arm=arm, cost_ceiling_usd=0.01) for arm in arms]
    return pb.RecommendRequest(domain="route", decision_id=decision_id, candidates=candidates)


def report(decision_id: str, *, more: bool = False) -> pb.RewardRequest:
    """Report a decision: first the cost if more is to come, then how good it was."""
    number = int(decision_id[1:])
    signals = pb.Signals(cost_usd=number / 10_000, latency_ms=number) if more else pb.Signals(quality=number % 7 / 7)
    return pb.RewardRequest(domain="route", decision_id=decision_id, signals=signals, more_to_come=more)


def reports() -> list[pb.RewardRequest]:
    """List what is told of the decisions, in order: every third in two parts, every fifth twice, two not at all."""
    told = []
    for number, decision_id in enumerate(IDS[2:]):
        told += [report(decision_id, more=True)] if number % 3 == 0 else []
        told += [report(decision_id)] * (2 if number % 5 == 0 else 1)
    return told


def release(decision_id: str) -> pb.ReleaseRequest:
    """Say that a decision was not acted on."""
    return pb.ReleaseRequest(domain="route", decision_id=decision_id)


async def decided(stub: Any) -> None:
    """Make all decisions, one after the other."""
    for decision_id in IDS:
        answer = await stub.Recommend(ask(decision_id))
        assert not answer.degraded


async def told(stub: Any, requests: Sequence[pb.RewardRequest]) -> list[int]:
    """Report in order; what is acknowledged is what comes back."""
    return [(await stub.Reward(one)).outcome for one in requests]


async def settled(stub: Any) -> None:
    """Wait until the store has got everything."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            store = (await stub.Status(pb.StatusRequest())).store
            if store.reachable and not store.spooled:
                return
            await asyncio.sleep(0.05)


def killed(server: EmbeddedServer) -> None:
    """End a server as a crash would, when what it acknowledged is on its disk: that may take it a second or two."""
    assert server.pid
    with Redis.from_url(server.url) as client:
        client.set("last", 1)  # WAITAOF is about what the same connection wrote
        assert client.execute_command("WAITAOF", 1, 0, int(PATIENCE_S * 1000))[0] == 1
    os.kill(server.pid, signal.SIGKILL)
    server.stop()


class Deserted(NamedTuple):
    """A sidecar whose store has died, and a stub of it."""

    server: EmbeddedServer
    sidecar: SidecarProcess
    stub: Any


@asynccontextmanager
async def deserted(
    sidecars: Sidecars, connect: Connect, data_dir: Path, environment: Mapping[str, str] = QUICK
) -> AsyncIterator[Deserted]:
    """Let a sidecar make all decisions, and kill its store; it may be started again."""
    server = EmbeddedServer(data_dir)
    with server:
        running = sidecars(CONFIG, redis_url=server.url, environment=environment)
        stub = connect(running.address)
        await decided(stub)
        killed(server)
        yield Deserted(server, running, stub)
