"""Domains with very many arms, of which each sidecar knows those that it was asked about."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import pytest

from sidecar.engine.learner import Learner
from sidecar.model.decision import Candidate
from sidecar.store import transitions as t
from sidecar.store.redis_store import RedisStore

from .conftest import Launch

ARMS = [f"arm {number}" for number in range(300)]
GREEDY: dict[str, Any] = {"mode": "ungated", "policy": {"name": "epsilon_greedy", "parameters": {"epsilon": 0.0}}}


class Watched(RedisStore):
    """Notes which arms are looked at."""

    def __init__(self, store: RedisStore) -> None:
        """Work on the store's connection."""
        super().__init__(store._connection)
        self.looks: list[tuple[str, ...]] = []

    async def apply(self, transition: t.Transition, until: float = math.inf) -> t.Reply:
        """Note it, and apply it."""
        if isinstance(transition, t.Issue) and transition.wanted:
            self.looks.append(transition.wanted)
        return await super().apply(transition, until)


async def fill(store: RedisStore, one: Any) -> None:
    """Let each arm have been rewarded, the better the higher its number."""
    rewards = {f"reward_micro:{arm}": number * 1000 for number, arm in enumerate(ARMS)}
    squares = {f"reward_sq_nano:{arm}": number**2 * 1000 for number, arm in enumerate(ARMS)}
    figures = {f"{figure}:{arm}": 1 for arm in ARMS for figure in ("count", "pulls", "proposed", "cost_nano")}
    restoration = t.Restoration(one.scope, 0, rewards | squares | figures, {})
    await store.apply(t.Restore("default", one.workspace, (restoration,), {}))


async def test_first_decision_knows_its_arms(launch: Launch, redis_store: RedisStore) -> None:
    """Whichever arms are asked about for the first time, the best of them is chosen."""
    one = launch(GREEDY)
    await fill(redis_store, one)
    for first in range(0, 300, 60):
        assert (await one.recommend(*ARMS[first : first + 60])).arm == ARMS[first + 59]
    assert not one.service.learner(one.scope).view.whole


async def test_rewards_of_another_sidecar_come_along(launch: Launch, redis_store: RedisStore) -> None:
    """What others learn of an arm is known after the refresh, in the same request where statistics must be exact."""
    one, other = (launch(GREEDY | {"posterior_refresh_ms": 0}) for _ in range(2))
    await fill(redis_store, one)
    assert (await one.recommend(*ARMS[:50])).arm == ARMS[49]
    for _ in range(20):
        await other.reward(await other.recommend("arm 49"), reward=0.0)
    assert (await one.recommend(*ARMS[:50])).arm == ARMS[48]


async def test_few_arms_are_looked_at_in_one_call(launch: Launch, redis_store: RedisStore) -> None:
    """However many are asked about: at first in several calls, later again and again those seen longest ago."""
    watched = Watched(redis_store)
    one = launch(GREEDY | {"posterior_refresh_ms": 10}, store=watched)
    await fill(redis_store, one)
    await one.recommend(*ARMS[:100])
    assert [len(looked) for looked in watched.looks] == [32] * 4
    watched.looks.clear()
    while len({arm for looked in watched.looks for arm in looked}) < 100:
        await one.recommend(*ARMS[:100])
        await asyncio.sleep(0.002)
    assert {len(looked) for looked in watched.looks} == {32}
    assert len(watched.looks) == 4


async def test_a_first_look_is_planned_for_once(
    launch: Launch, redis_store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many calls it takes: what is planned on statistics that are not there yet is of no use."""
    one = launch(GREEDY)
    await fill(redis_store, one)
    planned = []
    choice = Learner.choice
    monkeypatch.setattr(Learner, "choice", lambda *asked: planned.append(1) or choice(*asked))
    assert (await one.recommend(*ARMS)).arm == ARMS[-1]
    assert len(planned) == 2


async def test_a_whole_view_is_not_forgotten(launch: Launch, redis_store: RedisStore) -> None:
    """Status reads every arm; when fewer are looked at next, the others are as old as that."""
    one = launch(GREEDY)
    await fill(redis_store, one)
    learner = one.service.learner(one.scope)
    await one.recommend(*ARMS[:60])
    whole = (await one.status()).domains["route"]
    learner.refresh(whole)
    learner.refresh(replace(whole, arms={}, whole=False), ARMS[:32])
    assert learner.version_of(ARMS) == whole.version
    assert learner.freshness(ARMS) == "any"
    assert learner.view.arm(ARMS[0]).count == 0
    assert learner.view.arm(ARMS[40]).count == 1


async def test_own_rewards_make_nothing_old(launch: Launch, redis_store: RedisStore) -> None:
    """What this sidecar itself has told is known; another one's rewards are not."""
    one, other = launch(GREEDY), launch(GREEDY)
    await fill(redis_store, one)
    learner = one.service.learner(one.scope)
    decision = await one.recommend(*ARMS[:60])
    await one.reward(decision, reward=0.0)
    assert learner.version_of(ARMS[:60]) == learner.view.version == (await other.view()).version
    await other.reward(await other.recommend("arm 3"), reward=0.0)
    learner.refresh(replace(await other.view(), arms={}, whole=False), ARMS[3:5])
    assert learner.version_of(ARMS[3:5]) == learner.view.version
    assert learner.version_of(ARMS[:60]) < learner.view.version


async def test_hundred_prices_are_all_offered(launch: Launch, redis_store: RedisStore) -> None:
    """Where only the cheapest of a hundred prices is affordable, it is found, with its exact probability."""
    one = launch(GREEDY | {"budget": {"limit_usd": 3e-9, "when_exhausted": "refuse"}})
    await fill(redis_store, one)
    candidates = [Candidate(arm, price) for price, arm in enumerate(ARMS[:100], 2)]
    decision = await one.recommend(*candidates)
    assert (decision.arm, decision.propensity, decision.reserved_nano) == (ARMS[1], 1.0, 3)
    assert (await one.recommend(*candidates)).refused
