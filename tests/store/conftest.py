"""Both stores behind one face, so that one suite of tests holds them to the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import pytest

from sidecar.model.gate import GateState
from sidecar.model.names import Scope
from sidecar.model.view import DomainView, WorkspaceView
from sidecar.model.window import window_id
from sidecar.store import transitions as t
from sidecar.store.connection import Connection
from sidecar.store.keys import workspace_key
from sidecar.store.memory_store import MemoryStore
from sidecar.store.redis_store import RedisStore
from tests.conftest import FakeClock

from .nodes import Node, making_connections, two_nodes

HOUR_MS = 3_600_000
SHAPE = t.Shape()
FREE = t.Offer(None, "a", 0, "answer a")


class Subject(Protocol):
    """A store under test, in one workspace."""

    workspace: str

    async def apply(self, transition: t.Transition) -> Any:
        """Apply one transition."""

    async def pass_ms(self, ms: int) -> None:
        """Let so much time pass."""

    async def turn(self, level: str) -> None:
        """Let every window of the calendar end."""

    async def window(self, kind: str) -> str:
        """Name the present window."""


class MemorySubject:
    """The store in memory, with a clock that only a test moves."""

    def __init__(self, workspace: str) -> None:
        """Start empty."""
        self.workspace = workspace
        self._clock = FakeClock()
        self._store = MemoryStore(self._clock)

    async def apply(self, transition: t.Transition) -> Any:
        """Apply one transition."""
        return self._store.apply(transition)

    async def pass_ms(self, ms: int) -> None:
        """Move the clock."""
        self._clock.ms += ms

    async def turn(self, level: str) -> None:  # noqa: ARG002 - all turn together
        """Move the clock by more than a month."""
        self._clock.ms += 32 * 24 * HOUR_MS

    async def window(self, kind: str) -> str:
        """Name the present window."""
        return window_id(kind, self._clock.ms)


class RedisSubject:
    """The store on the server, whose clock nobody moves."""

    def __init__(self, workspace: str, store: RedisStore, client: Any) -> None:
        """Keep all three."""
        self.workspace = workspace
        self._store = store
        self._client = client

    async def apply(self, transition: t.Transition) -> Any:
        """Apply one transition."""
        return await self._store.apply(transition)

    async def pass_ms(self, ms: int) -> None:
        """Wait."""
        await asyncio.sleep((ms + 2) / 1000)

    async def turn(self, level: str) -> None:
        """Pretend that the account's figures are of a window long ago."""
        key, field = workspace_key("learning", "default", self.workspace), f"window:{level}"
        kind = (await self._client.hget(key, field)).decode().partition("/")[0]
        await self._client.hset(key, field, f"{kind}/1")

    async def window(self, kind: str) -> str:
        """Name the present window by the server's clock."""
        seconds, micros = await self._client.time()
        return window_id(kind, seconds * 1000 + micros // 1000)


@pytest.fixture(params=["memory", "redis"])
def subject(request: pytest.FixtureRequest, workspace: str, redis_store: RedisStore, redis_client: Any) -> Subject:
    """Make either store."""
    if request.param == "memory":
        return MemorySubject(workspace)
    return RedisSubject(workspace, redis_store, redis_client)


@pytest.fixture
def made(workspace: str) -> Transitions:
    """Make transitions in the test's workspace."""
    return Transitions(workspace)


@dataclass(frozen=True, slots=True)
class Transitions:
    """Makes transitions with few words: whatever a test does not mention has a harmless value."""

    workspace: str

    def scope(self, domain: str = "route") -> Scope:
        """Name a domain of the workspace."""
        return Scope("default", self.workspace, domain)

    def issue(
        self,
        decision_id: str = "d1",
        *offers: t.Offer,
        domain: str = "route",
        version: int = 0,
        revision: int = 0,
        freshness: t.Freshness = "any",
        deadline_ms: int = HOUR_MS,
        default: int | None = None,
        shape: t.Shape = SHAPE,
        level: t.Level = t.Level(),  # noqa: B008 - frozen
        whole: t.Level = t.Level(),  # noqa: B008 - frozen
        proposal: str = "",
        agrees: bool = False,
        sample: t.Sample = t.Sample(),  # noqa: B008 - frozen
        complete: bool = True,
    ) -> t.Issue:
        """Ask for a decision; by default one that needs no money."""
        menu = t.Menu(
            self.scope(domain), deadline_ms, default, shape, level, whole, proposal, agrees, sample, offers or (FREE,),
            complete,
        )  # fmt: skip
        return t.Issue(menu, decision_id, version, revision, freshness)

    def settle(
        self,
        decision_id: str = "d1",
        reward: int | None = 500_000,
        *,
        domain: str = "route",
        cost: int | None = None,
        latency: int | None = None,
        final: bool = True,
        collected: str = "",
        signals: str = "{}",
        shape: t.Shape = SHAPE,
        phase: int = 0,
        held: tuple[int, ...] = (),
        exposed: tuple[int, ...] = (),
    ) -> t.Settle:
        """Report a reward in micro-units."""
        square = None if reward is None else (reward * reward + 500) // 1000
        return t.Settle(
            self.scope(domain), decision_id, final, collected, reward, square, cost, latency, signals, shape,
            phase, held, exposed,
        )  # fmt: skip

    def release(self, decision_id: str = "d1", domain: str = "route") -> t.Release:
        """Close a decision that was not acted on."""
        return t.Release(self.scope(domain), decision_id, SHAPE)

    def expire(self, most: int = 100, domain: str = "route", shape: t.Shape = SHAPE) -> t.Expire:
        """Close what is overdue."""
        return t.Expire(self.scope(domain), most, shape)

    def mode(
        self,
        mode: str,
        settings: str = "",
        domain: str = "route",
        *,
        revision: int = 0,
        gate: GateState = GateState(),  # noqa: B008 - frozen
        reinstate: bool = False,
    ) -> t.SetMode:
        """Set a mode."""
        return t.SetMode(self.scope(domain), revision, mode, f"reason for {mode}", settings, gate, reinstate)

    def fold(
        self,
        view: DomainView,
        *,
        new_phase: bool = False,
        checkpoint: Literal["", "keep", "reinstate"] = "",
        gate: GateState = GateState(),  # noqa: B008 - frozen
    ) -> t.Fold:
        """Fold the epoch of route that is due by this view; the totals are then its sums, or a new phase is `gate`."""
        cell = view.gate.settled_cell(view.now_ms)
        assert cell
        same = replace(view.gate, totals=cell.sums, folded=cell.number)
        return t.Fold(
            self.scope(), view.control.revision, cell, gate if new_phase else same,
            cell.count * view.gate.terms.share_ppm, new_phase, checkpoint,
        )  # fmt: skip

    def read(self) -> t.Read:
        """Read the workspace."""
        return t.Read("default", self.workspace)


async def state(subject: Subject) -> WorkspaceView:
    """Read the subject's workspace."""
    view = await subject.apply(t.Read("default", subject.workspace))
    assert isinstance(view, WorkspaceView)
    return view


async def learned(subject: Subject) -> tuple[Any, ...]:
    """Read everything that is kept, but for the moment of reading."""
    view = await state(subject)
    domains = {
        name: (one.version, dict(one.arms), dict(one.counters), one.control, one.gate, one.open, one.delay)
        for name, one in view.domains.items()
    }
    return domains, dict(view.accounts)


async def all_applied(subject: Subject, transitions: Sequence[t.Transition]) -> list[Any]:
    """Apply one after the other."""
    return [await subject.apply(one) for one in transitions]


@pytest.fixture
async def nodes() -> AsyncIterator[tuple[Node, Node]]:
    """Run two nodes of a cluster whose words a test writes."""
    async with two_nodes() as running:
        yield running


@pytest.fixture
async def connections() -> AsyncIterator[Callable[..., Connection]]:
    """Make connections to clusters."""
    async with making_connections() as make:
        yield make
