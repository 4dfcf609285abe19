"""A sidecar that lives through many tests, and what they ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from sidecar.store.embedded import EmbeddedServer
from sidecar.v1 import learning_pb2 as pb
from tests.conftest import SidecarProcess

from .between import Between

PATIENCE_S = 30.0
DEADLINE_S = 10.0
"""Of each call. The sidecar's own share is the store's time-out, 1 s; the rest is for a machine that stands still."""
CANDIDATES = [pb.Candidate(arm="a"), pb.Candidate(arm="b")]


@dataclass(slots=True)
class Subject:
    """One sidecar, its server, what stands between them, and a call to each."""

    process: SidecarProcess
    server: EmbeddedServer
    between: Between
    workspace: str
    stub: Any = None
    admin: Any = None
    document: str = ""

    def ask(self, *, strict: bool = False) -> pb.RecommendRequest:
        """A request for a decision, under an id that may be repeated."""
        return pb.RecommendRequest(
            workspace=self.workspace, domain="route", decision_id=secrets.token_hex(8), candidates=CANDIDATES,
            strict=strict,
        )  # fmt: skip

    def report(self, decision_id: str) -> pb.RewardRequest:
        """What happened after a decision."""
        signals = pb.Signals(reward=1)
        return pb.RewardRequest(workspace=self.workspace, domain="route", decision_id=decision_id, signals=signals)

    async def learn(self) -> int:
        """Decide and report until a reward is applied; return the version of the statistics then."""
        for _ in patiently():
            asked = self.ask()
            if not (await self.stub.Recommend(asked, timeout=DEADLINE_S)).degraded:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    told = await self.stub.Reward(self.report(asked.decision_id), timeout=DEADLINE_S)
                    if told.outcome == pb.REWARD_OUTCOME_APPLIED:
                        return (await self.domain()).statistics_version
            await asyncio.sleep(0.05)
        pytest.fail(f"it does not learn again\n{self.process.log}")

    async def domain(self) -> pb.DomainStatus:
        """How the domain is doing."""
        for _ in patiently():
            status = await self.stub.Status(pb.StatusRequest(workspace=self.workspace), timeout=DEADLINE_S)
            if status.domains:
                return status.domains[0]
        pytest.fail("there is no domain")

    def metric(self, sample: str) -> float:
        """What the sidecar counts."""
        (where,) = re.findall(r"management on ([\d.:]+)", self.process.log)
        with urllib.request.urlopen(f"http://{where}/metrics", timeout=DEADLINE_S) as page:
            text = page.read().decode()
        found = re.search(rf"^{re.escape(sample)} (\S+)$", text, flags=re.MULTILINE)
        return float(found.group(1)) if found else 0.0


def patiently() -> Iterator[None]:
    """Try again for as long as a test has patience."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        yield
