"""A decision that was recorded although its answer came too late gives its money back, unless somebody has it."""

from __future__ import annotations

import asyncio
import math

import pytest

from sidecar.engine.flows import RewardOutcome
from sidecar.errors import StoreUnavailable
from sidecar.model.decision import Candidate, Source
from sidecar.store import transitions as t
from sidecar.store.redis_store import RedisStore

from .conftest import Launch


class Stalling(RedisStore):
    """Does what it is told, but answers decisions too late."""

    def __init__(self, store: RedisStore) -> None:
        """Work on the store's connection."""
        super().__init__(store._connection)
        self.stalls = True

    async def apply(self, transition: t.Transition, until: float = math.inf) -> t.Reply:
        """Apply, and let the caller's time pass before the answer."""
        reply = await super().apply(transition, until)
        if self.stalls and isinstance(transition, t.Issue):
            await asyncio.sleep(until - asyncio.get_running_loop().time())
            raise StoreUnavailable("recommend")
        return reply


@pytest.mark.parametrize(("strict", "repeatable"), [(False, False), (False, True), (True, False)])
async def test_decision_that_nobody_heard_of_is_released(
    launch: Launch, redis_store: RedisStore, strict: bool, repeatable: bool
) -> None:
    """When the answer comes too late for the caller, the decision that was recorded gives its money back."""
    one = launch(store=Stalling(redis_store), budget={"limit_usd": 1})
    try:
        decision = await one.recommend(Candidate("a", 100), strict=strict, repeatable=repeatable, within_s=0.2)
        assert (decision.source, strict) == (Source.DEGRADED, False)
    except StoreUnavailable:
        assert strict
    await asyncio.wait(one.service._tasks)
    status = await one.status()
    assert status.domains["route"].counters["released"] == 1
    assert status.accounts["workspace"].reserved_nano == 0


async def test_strict_call_that_may_be_repeated_keeps_its_decision(launch: Launch, redis_store: RedisStore) -> None:
    """A caller who was told of the failure asks again under the same id, and gets what was recorded."""
    one = launch(store=Stalling(redis_store), budget={"limit_usd": 1})
    with pytest.raises(StoreUnavailable):
        await one.recommend(Candidate("a", 100), strict=True, within_s=0.2)
    assert not one.service._tasks
    status = await one.status()
    assert (status.domains["route"].open, status.accounts["workspace"].reserved_nano) == (1, 100)


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_what_another_call_was_answered_is_not_released(
    launch: Launch, redis_store: RedisStore, elsewhere: bool
) -> None:
    """Who asks twice under one id and hears nothing the second time may have acted on the first answer."""
    store = Stalling(redis_store)
    store.stalls = False
    other = launch(store=Stalling(redis_store))
    one = launch(store=store)
    first = await one.recommend()
    store.stalls = True
    second = await (other if elsewhere else one).recommend(decision_id=first.decision_id, within_s=0.2)
    assert second.source is Source.DEGRADED
    for task in {*one.service._tasks, *other.service._tasks}:
        await task
    assert (await one.reward(first, reward=1.0)).outcome is RewardOutcome.APPLIED


class Losing(RedisStore):
    """Loses the first question on its way, and keeps releases back for a while."""

    def __init__(self, store: RedisStore) -> None:
        """Work on the store's connection."""
        super().__init__(store._connection)
        self.loses = True
        self.lets_through = asyncio.Event()

    async def apply(self, transition: t.Transition, until: float = math.inf) -> t.Reply:
        """Apply what is not lost."""
        if isinstance(transition, t.Release):
            await self.lets_through.wait()
        if self.loses and isinstance(transition, t.Issue):
            self.loses = False
            raise StoreUnavailable("recommend")
        return await super().apply(transition, until)


async def test_a_late_release_spares_what_was_decided_meanwhile(launch: Launch, redis_store: RedisStore) -> None:
    """The first call was recorded nowhere; the second one, of the same id, was, before the first one's release came."""
    store = Losing(redis_store)
    one = launch(store=store)
    assert (await one.recommend(decision_id="d")).source is Source.DEGRADED
    second = await one.recommend(decision_id="d")
    assert second.source is not Source.DEGRADED
    store.lets_through.set()
    for task in list(one.service._tasks):
        await task
    assert (await one.reward(second, reward=1.0)).outcome is RewardOutcome.APPLIED
