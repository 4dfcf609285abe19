"""Goal: money set aside for a sidecar is promised to nobody else, and booked once. Method: leases on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sidecar.model.names import Scope
from sidecar.model.view import Account, WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.leasing import Lease
from sidecar.store.redis_store import RedisStore

from .conftest import SHAPE, Transitions

LIMIT = t.Level(100)
HOUR_MS = 3_600_000


@pytest.fixture
def made(workspace: str) -> Transitions:
    """Make transitions in the test's workspace."""
    return Transitions(workspace)


@pytest.fixture
def lease(made: Transitions) -> Lease:
    """Want 30 of the 100 that the domain may spend."""
    return Lease(made.scope(), "one", 1, 0, 30, HOUR_MS, LIMIT, t.Level())


async def account(store: RedisStore, scope: Scope, level: str = "domain/route") -> Account:
    """Read an account."""
    view = await store.apply(t.Read(scope.tenant, scope.workspace))
    assert isinstance(view, WorkspaceView)
    return view.accounts[level]


async def books(store: RedisStore, scope: Scope) -> tuple[int, int, int]:
    """Read what is spent, reserved and overrun; both levels say the same here."""
    one, whole = [await account(store, scope, level) for level in ("domain/route", "workspace")]
    assert (one.spent_nano, one.reserved_nano) == (whole.spent_nano, whole.reserved_nano)
    return one.spent_nano, one.reserved_nano, one.overrun_nano


async def test_a_lease_reserves(redis_store: RedisStore, lease: Lease) -> None:
    """What is set aside is reserved at both levels; no decision is counted."""
    assert await redis_store.lease(lease) == 30
    assert await books(redis_store, lease.scope) == (0, 30, 0)
    assert (await account(redis_store, lease.scope)).decisions == 0


async def test_what_was_spent_is_booked_once(redis_store: RedisStore, lease: Lease) -> None:
    """A report that is told twice counts once; what was spent is set aside anew."""
    await redis_store.lease(lease)
    second = replace(lease, report=2, spent_nano=12)
    assert [await redis_store.lease(second) for _ in range(3)] == [30, 30, 30]
    assert await books(redis_store, lease.scope) == (12, 30, 0)


async def test_no_more_than_is_left(redis_store: RedisStore, lease: Lease) -> None:
    """Leases of several sidecars share the limit."""
    others = [replace(lease, sidecar=name, wanted_nano=60) for name in ("two", "three", "four")]
    assert [await redis_store.lease(one) for one in (lease, *others)] == [30, 60, 10, 0]
    assert await books(redis_store, lease.scope) == (0, 100, 0)


async def test_the_workspace_limits_as_well(redis_store: RedisStore, lease: Lease) -> None:
    """The tighter level decides."""
    assert await redis_store.lease(replace(lease, workspace_level=t.Level(7))) == 7


async def test_decisions_do_not_get_what_is_set_aside(redis_store: RedisStore, lease: Lease, made: Transitions) -> None:
    """An offer that needs the leased money is not affordable."""
    await redis_store.lease(lease)
    dear = t.Offer(71, "dear", 71, "dear")
    cheap = t.Offer(70, "cheap", 70, "cheap")
    issue = made.issue("d", dear, cheap, level=LIMIT)
    reply = await redis_store.apply(issue)
    assert isinstance(reply, t.Issued)
    assert reply.offer == 1


async def test_giving_back(redis_store: RedisStore, lease: Lease, redis_client: Any) -> None:
    """Wanting nothing gives the rest back and leaves no trace but what was spent."""
    await redis_store.lease(lease)
    assert await redis_store.lease(replace(lease, report=2, spent_nano=5, wanted_nano=0)) == 0
    assert await books(redis_store, lease.scope) == (5, 0, 0)
    key = f"learning:1:{{default/{lease.scope.workspace}}}"
    assert [field for field in await redis_client.hkeys(f"{key}:workspace") if b"lease" in field] == []
    assert await redis_client.zrange(f"{key}:route:due", 0, -1) == [b"# keep"]


async def _swept(store: RedisStore, scope: Scope) -> None:
    reply = await store.apply(t.Expire(scope, 16, SHAPE))
    assert reply == t.Swept(1)


async def _asked_again(store: RedisStore, scope: Scope) -> None:
    late = Lease(scope, "one", 2, 12, 30, HOUR_MS, LIMIT, t.Level())
    assert await store.lease(late) == 30
    assert await store.lease(replace(late, report=3, spent_nano=0, wanted_nano=0)) == 0


@pytest.mark.parametrize("then", [_swept, _asked_again])
async def test_a_lease_that_lapses_is_spent(
    redis_store: RedisStore, lease: Lease, then: Callable[[RedisStore, Scope], Any]
) -> None:
    """Who says nothing for too long may have spent all of it: it is booked, once, whoever notices."""
    await redis_store.lease(replace(lease, holds_ms=1))
    await asyncio.sleep(0.05)
    await then(redis_store, lease.scope)
    assert await books(redis_store, lease.scope) == (30, 0, 0)


async def test_spending_more_than_was_held_is_overrun(redis_store: RedisStore, lease: Lease) -> None:
    """It should not happen; if it does, it is booked and counted."""
    await redis_store.lease(lease)
    assert await redis_store.lease(replace(lease, report=2, spent_nano=35, wanted_nano=0)) == 0
    assert await books(redis_store, lease.scope) == (35, 0, 5)
