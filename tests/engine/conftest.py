"""Services on the real server, as many as a test wants, in a workspace of its own; with a spool, too."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.clock import SystemClock
from sidecar.engine.flows import ReleaseOutcome, Settled
from sidecar.engine.gating import ModeChange, ModeChanged
from sidecar.engine.service import LearningService, Told
from sidecar.engine.snapshot import to_json
from sidecar.engine.workspace import DomainRestore, RestoreOptions
from sidecar.model.decision import Ask, Candidate, Decision
from sidecar.model.mode import Mode
from sidecar.model.names import Scope
from sidecar.model.signals import Signals
from sidecar.model.view import DomainView, WorkspaceView
from sidecar.settings.file import Configuration, Document
from sidecar.settings.flags import Flags
from sidecar.spool.spool import Limits, Spool
from sidecar.store.connection import Connection
from sidecar.store.redis_store import RedisStore
from tests.conftest import RedisStores

from .cutting import CutStore

EAGER = {"mode": "ungated", "posterior_refresh_ms": 0}
"""Settings of a domain in which each reward counts from the next decision on."""
WEIGHED = EAGER | {"reward": {"signals": {"quality": {"weight": 1}, "safety": {"weight": 1}}}}
PATIENCE_S = 30.0


@dataclass(slots=True)
class Sidecar:
    """One service, asked about one domain of one workspace with few words."""

    service: LearningService
    workspace: str
    domain: str = "route"
    ids: list[str] = field(default_factory=list)

    @property
    def scope(self) -> Scope:
        """Name the domain."""
        return Scope("default", self.workspace, self.domain)

    async def recommend(self, *arms: str | Candidate, decision_id: str = "", **more: Any) -> Decision:
        """Ask for a decision among arms."""
        within_s = more.pop("within_s", None)
        candidates = tuple(Candidate(arm) if isinstance(arm, str) else arm for arm in arms or ("a", "b"))
        ask = Ask(self.scope, decision_id or secrets.token_hex(8), candidates, **more)
        return await self.service.recommend(ask, within_s)

    async def reward(self, decision: Decision | str, *, final: bool = True, **signals: float) -> Settled:
        """Report signals."""
        decision_id = decision if isinstance(decision, str) else decision.decision_id
        return await self.service.reward(Told(self.scope, decision_id, Signals(**signals), final=final))

    async def release(self, decision: Decision) -> ReleaseOutcome:
        """Close a decision that was not acted on."""
        return await self.service.release(self.scope, decision.decision_id)

    async def mode(self, mode: Mode, settings: Mapping[str, Any] | None = None, **more: Any) -> ModeChanged:
        """Set the mode."""
        return await self.service.set_mode(self.scope, ModeChange(mode, "a test", **more), settings)

    async def teach(self, rewards: Mapping[str, float], rounds: int = 10) -> None:
        """Let each arm be executed and rewarded so often."""
        for _ in range(rounds):
            for arm, reward in rewards.items():
                decision = await self.recommend(arm)
                await self.reward(decision, reward=reward, cost_usd=0.001, latency_ms=20.0)

    async def status(self) -> WorkspaceView:
        """Read the workspace."""
        return await self.service.status("default", self.workspace, "")

    async def view(self) -> DomainView:
        """Read the domain."""
        return (await self.status()).domains.get(self.domain, DomainView())

    async def snapshot(self, *policies: str) -> dict[str, Any]:
        """Take a snapshot, as plain values."""
        plain: dict[str, Any] = msgspec.json.decode(
            to_json(await self.service.snapshot("default", self.workspace, policies))
        )
        return plain

    async def restore(self, document: Mapping[str, Any] | str, **options: Any) -> dict[str, DomainRestore]:
        """Restore a snapshot; answer by domain."""
        text = document if isinstance(document, str) else msgspec.json.encode(document).decode()
        done = await self.service.restore("default", self.workspace, text, RestoreOptions(**options))
        return {one.domain: one for one in done}


Launch = Callable[..., Sidecar]


@pytest.fixture
async def launch(redis_stores: RedisStores, workspace: str) -> AsyncIterator[Launch]:
    """Make services in the test's workspace, from the settings of `route` and of the workspace."""
    made: list[LearningService] = []

    def make(
        route: Mapping[str, Any] | None = None,
        *,
        budget: Mapping[str, Any] | None = None,
        store: RedisStore | None = None,
        environment: Mapping[str, str] | None = None,
        domain: str = "route",
    ) -> Sidecar:
        plain = {"domains": {"route": EAGER if route is None else route}, "workspaces": {"*": {"budget": budget or {}}}}
        configuration = Configuration(msgspec.convert(plain, Document))
        service = LearningService(store or redis_stores(), configuration, Flags(environment or {}), SystemClock())
        made.append(service)
        return Sidecar(service, workspace, domain)

    yield make
    for service in made:
        await service.close()


@dataclass(slots=True)
class Spooling(Sidecar):
    """A service with a spool, on a store that can be cut off; counts what became of what was sent again."""

    store: CutStore = field(default_factory=lambda: pytest.fail("given"))
    replayed: Counter[tuple[str, str]] = field(default_factory=Counter)
    recovering: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start to recover in the background."""
        self.recovering = asyncio.create_task(self.service.recover_forever())

    async def drained(self) -> None:
        """Wait until nothing waits any more."""
        await self.until(lambda: not self.service.spooled)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait patiently."""
        async with asyncio.timeout(PATIENCE_S):
            while not happened():  # noqa: ASYNC110 - counters set no event
                await asyncio.sleep(0.01)


Launched = Callable[..., Spooling]


@pytest.fixture
async def spooling(redis_url: str, workspace: str, tmp_path: Path) -> AsyncIterator[Launched]:
    """Make services with a spool in the test's workspace."""
    made: list[Spooling] = []

    def make(route: Any = WEIGHED, *, spool: bool = True, **options: Any) -> Spooling:
        store = CutStore(Connection(redis_url, timeout_s=10.0))
        configuration = Configuration(msgspec.convert({"domains": {"route": route}}, Document))
        clock, replayed = SystemClock(), Counter[tuple[str, str]]()
        place = Spool(tmp_path / "spool", "00000000", options.pop("limits", Limits()), clock) if spool else None
        flags = Flags(options.pop("environment", {}))
        service = LearningService(
            store, configuration, flags, clock, spool=place, replayed=lambda *what: replayed.update([what]), **options
        )
        made.append(Spooling(service, workspace, store=store, replayed=replayed))
        made[-1].begin()
        return made[-1]

    yield make
    for one in made:
        assert one.recovering
        one.recovering.cancel()
        await asyncio.wait({one.recovering})
        await one.service.close()
