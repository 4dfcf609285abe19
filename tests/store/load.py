"""Decisions and rewards all the time in many workspaces, by callers that keep books of their own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from sidecar.errors import StoreUnavailable
from sidecar.model.view import WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.redis_store import RedisStore

from .conftest import HOUR_MS, SHAPE, Transitions
from .topologies import PATIENCE_S

CEILING_NANO = 1_000
COST_NANO = 7
_TOGETHER = 4


@dataclass(slots=True)
class Book:
    """What one workspace was told: so many decisions, of which so many were settled."""

    decisions: int = 0
    settled: int = 0

    def agrees(self, view: WorkspaceView) -> bool:
        """Whether the store counts the same decisions, rewards, and money to the nano-dollar."""
        route = view.domains["route"]
        told = route.counters.get("decisions", 0), route.counters.get("applied", 0)
        return told == (self.decisions, self.settled) and consistent(view)


def consistent(view: WorkspaceView) -> bool:
    """Whether decisions are settled or open, and the money is that of just these, to the nano-dollar."""
    route, account = view.domains["route"], view.accounts["domain/route"]
    settled, still_open = route.counters.get("applied", 0), route.open
    return (
        route.counters["decisions"] == settled + still_open == account.decisions
        and account.spent_nano == settled * COST_NANO == route.arms["a"].cost_nano
        and account.reserved_nano == still_open * CEILING_NANO
    )


@dataclass(slots=True)
class Load:
    """Callers, one for each workspace, who ask again under the same id when they were told of no outcome.

    Args:
        store: that they share.
        workspaces: theirs.
        within_s: how long each call may take.
    """

    store: RedisStore
    workspaces: Sequence[str]
    within_s: float = 20.0
    errors: list[StoreUnavailable] = field(default_factory=list)
    """Calls without an answer."""
    forgotten: int = 0
    """Decisions that the store had answered and later did not know."""
    books: dict[str, Book] = field(default_factory=dict)
    answered_at: float = 0.0
    """When the last call was answered, by `time.monotonic`."""
    rounds: Counter[str] = field(default_factory=Counter)
    """How often each workspace went from decisions to rewards."""
    _ending: bool = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Load]:
        """Call all the time, from the first answer of each until the end."""
        callers = [asyncio.create_task(self._call(workspace)) for workspace in self.workspaces]
        try:
            await self.go_on(callers)
            yield self
            await self.go_on(callers)
        finally:
            self._ending = True
            await asyncio.gather(*callers)

    async def go_on(self, callers: Sequence[asyncio.Task[None]] = ()) -> None:
        """Wait until each workspace has gone two rounds further."""
        goals = {workspace: self.rounds[workspace] + 2 for workspace in self.workspaces}
        deadline = time.monotonic() + PATIENCE_S
        while any(self.rounds[workspace] < goal for workspace, goal in goals.items()):
            assert not any(one.done() for one in callers), [one for one in callers if one.done()]
            assert time.monotonic() < deadline, (self.rounds, [repr(error.__cause__) for error in self.errors[-5:]])
            await asyncio.sleep(0.01)

    async def views(self) -> dict[str, WorkspaceView]:
        """Read every workspace."""
        found = {}
        for workspace in self.workspaces:
            view = await self._told(Transitions(workspace).read())
            assert isinstance(view, WorkspaceView)
            found[workspace] = view
        return found

    async def _call(self, workspace: str) -> None:
        made, book, menu = Transitions(workspace), self.books.setdefault(workspace, Book()), menu_of(workspace)
        while not self._ending:
            ids = [f"{self.rounds[workspace]}-{number}" for number in range(_TOGETHER)]
            issues = await asyncio.gather(*(self._told(t.Issue(menu, one, 0, 0)) for one in ids))
            assert {type(one) for one in issues} <= {t.Issued, t.Replayed}, issues
            book.decisions += len(ids)
            settles = await asyncio.gather(*(self._told(made.settle(one, cost=COST_NANO)) for one in ids[1:]))
            assert {type(one) for one in settles} <= {t.Applied, t.Duplicate, t.Unknown}, settles
            book.settled += sum(type(one) is not t.Unknown for one in settles)
            self.forgotten += sum(type(one) is t.Unknown for one in settles)
            self.rounds[workspace] += 1

    async def _told(self, transition: t.Transition) -> t.Reply:
        while True:
            try:
                reply = await self.store.apply(transition, asyncio.get_running_loop().time() + self.within_s)
            except StoreUnavailable as error:
                self.errors.append(error)
                await asyncio.sleep(0.02)
            else:
                self.answered_at = time.monotonic()
                return reply


def menu_of(workspace: str) -> t.Menu:
    """Make a menu with one arm that costs money."""
    offer = t.Offer(CEILING_NANO, "a", CEILING_NANO, "answer a")
    made = Transitions(workspace).issue("d", offer, deadline_ms=HOUR_MS, shape=SHAPE, level=t.Level(10**12))
    return made.menu
