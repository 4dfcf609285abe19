"""Decisions of a service on the real server: exact probabilities, fresh statistics, and no server at all."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.clock import SystemClock
from sidecar.engine.learner import Learner
from sidecar.engine.planning import plan
from sidecar.engine.service import LEARNERS_MAX, LearningService
from sidecar.errors import StoreMisbehaved, StoreUnavailable
from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.decision import Ask, Candidate, Decision, ShieldEffect, Source
from sidecar.model.gate import GateState, Terms
from sidecar.model.mode import Mode
from sidecar.model.names import Scope
from sidecar.model.units import MICRO
from sidecar.model.view import Control, DomainView
from sidecar.settings.file import Configuration, Document
from sidecar.settings.flags import Flags
from sidecar.store import transitions as t
from sidecar.store.redis_store import RedisStore
from tests.conftest import RedisStores

from .conftest import EAGER, Launch

SCOPE = Scope("default", "main", "route")
POLICIES = st.sampled_from([
    {"name": "thompson"}, {"name": "epsilon_greedy", "parameters": {"epsilon": 0.3}}, {"name": "random"},
    {"name": "ucb1"},
])  # fmt: skip
COUNTS = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3), st.sampled_from([10, 10_000]))


def arm(name: str, good: int, bad: int, latency_us: int) -> Arm:
    """Make an arm with good and bad rewards and a latency."""
    average = SlidingAverage(latency_us, (latency_us,), 0)
    return Arm(name, count=good + bad, reward_micro=good * MICRO, reward_sq_nano=good * MICRO * 1000, latency=average)


def outcome(learner: Learner, ask: Ask, money: int) -> Decision | None:
    """Decide when so much money is available, as the script does."""
    issue, decisions = plan(learner, ask, settled=True, complete=True)
    affordable = [o.threshold_nano is None or o.threshold_nano <= money for o in issue.menu.offers]
    admitted = [learner.view.gate.has_room or not (o.sampled or o.needs_room) for o in issue.menu.offers]
    fits = [at for at in range(len(issue.menu.offers)) if affordable[at] and admitted[at]]
    return decisions[fits[0]] if fits else None


def gate(mode: str, allowance: int | None) -> GateState:
    """Make the gate of a stage, with a share of 1 in 4 in canary and 3 in 4 in live."""
    shares = {"canary": 250_000, "live": 750_000}
    stage = Mode(mode) if mode in shares else Mode.SHADOW
    return GateState(stage=stage, terms=Terms(share_ppm=shares.get(mode, 0)), salt="secret", allowance_micro=allowance)


def probabilities(learner: Learner, candidates: tuple[Candidate, ...], money: int) -> dict[str, set[float]]:
    """Collect which probabilities each executed arm had in 300 decisions."""
    seen: dict[str, set[float]] = defaultdict(set)
    for number in range(300):
        decision = outcome(learner, Ask(SCOPE, f"d{number}", candidates), money)
        if decision is not None:
            seen[decision.arm].add(decision.propensity)
    assert all(len(values) == 1 for values in seen.values())
    # An arm that is nearly impossible may not have come up in so many draws.
    assert not seen or 0.95 < sum(max(values) for values in seen.values()) < 1 + 1e-9
    return seen


@given(
    policy=POLICIES, counts=st.lists(COUNTS, min_size=1, max_size=4), money=st.integers(0, 3),
    mode=st.sampled_from(["ungated", "shadow", "gated"]), exhausted=st.sampled_from(["cheapest", "refuse"]),
)  # fmt: skip
def test_probabilities_of_all_outcomes_sum_to_one(
    policy: dict[str, Any], counts: list[tuple[int, int, int, int]], money: int, mode: str, exhausted: str
) -> None:
    """For any money left, however the shields re-route, each arm has one probability and all sum to 1."""
    budget = {"limit_usd": 1.0, "when_exhausted": exhausted}
    settings = {"mode": mode, "policy": policy | {"seed": 1}, "budget": budget, "latency": {"max_ms": 1}}
    learner = Learner(SCOPE, Configuration(Document(domains={"route": settings})), SystemClock())
    arms = [arm(str(at), good, bad, latency) for at, (good, bad, _, latency) in enumerate(counts)]
    learner.refresh(DomainView(version=1, arms={one.name: one for one in arms}))
    candidates = tuple(Candidate(str(at), ceiling) for at, (_, _, ceiling, _) in enumerate(counts))
    seen = probabilities(learner, candidates, money)
    affordable = [c for c in candidates if (c.cost_ceiling_nano or 0) <= money]
    assert bool(seen) == bool(affordable or exhausted == "cheapest")


@pytest.mark.parametrize("stage", ["canary", "live"])
@pytest.mark.parametrize("money", [0, 1, 2])
@pytest.mark.parametrize("allowance", [None, 0])
@pytest.mark.parametrize("policy", [{"name": "random"}, {"name": "epsilon_greedy", "parameters": {"epsilon": 0.3}}])
def test_probabilities_with_a_coin_sum_to_one(
    stage: str, money: int, allowance: int | None, policy: dict[str, Any]
) -> None:
    """In canary and live, too, each arm has one probability, whether or not the policy agreed, and all sum to 1."""
    settings = {"policy": policy | {"seed": 1}, "budget": {"limit_usd": 1.0}}
    learner = Learner(SCOPE, Configuration(Document(domains={"route": settings})), SystemClock())
    learner.refresh(DomainView(version=1, control=Control(1, stage), gate=gate(stage, allowance)))
    seen = probabilities(learner, (Candidate("a", 1), Candidate("b", 0), Candidate("c", 2)), money)
    assert set(seen) == ({"b"} if not money else {"a"} if allowance == 0 else set("abc"[: money + 1]))


async def test_frequencies_are_the_probabilities(launch: Launch) -> None:
    """Over 3,000 seeded decisions with a tight budget, arms come as often as their probabilities say (5 sigma)."""
    settings = EAGER | {"policy": {"name": "thompson", "seed": 3}, "budget": {"limit_usd": 0.5}}
    one = launch(settings)
    await one.teach({"a": 0.5, "b": 0.6, "c": 0.4}, rounds=3)
    candidates = (Candidate("a", 100), Candidate("b", 10**9), Candidate("c", 0))
    decisions = [await one.recommend(*candidates) for _ in range(3000)]
    came, expected = Counter(d.arm for d in decisions), {d.arm: d.propensity for d in decisions}
    assert set(came) == {"a", "c"}
    assert sum(expected.values()) == pytest.approx(1)
    for name, p in expected.items():
        assert abs(came[name] - 3000 * p) < 5 * (3000 * p * (1 - p)) ** 0.5


async def test_rerouting_says_why(launch: Launch) -> None:
    """When the proposed arm is not affordable the answer names it, the effect, and the shield as the source."""
    greedy = {"name": "epsilon_greedy", "parameters": {"epsilon": 0}}
    one = launch(EAGER | {"policy": greedy, "budget": {"limit_usd": 0.1}})
    await one.teach({"a": 0.2, "b": 0.9}, rounds=2)
    decision = await one.recommend(Candidate("a", 5), Candidate("b", 10**9))
    assert (decision.arm, decision.proposal, decision.source) == ("a", "b", Source.SHIELD)
    assert [(one.effect, one.arm) for one in decision.shields] == [(ShieldEffect.STEPPED_OVER, "b")]
    assert (decision.propensity, decision.reserved_nano) == (1.0, 5)


async def test_nothing_affordable_executes_the_cheapest(launch: Launch) -> None:
    """By default an exhausted budget executes the cheapest candidate, reserves nothing, and says so."""
    one = launch(EAGER, budget={"limit_usd": 0})
    decision = await one.recommend(Candidate("a", 9), Candidate("b", 5))
    assert (decision.arm, decision.reserved_nano, decision.propensity) == ("b", 0, 1.0)
    assert [one.effect for one in decision.shields] == [ShieldEffect.CHEAPEST_ANYWAY]


async def test_nothing_affordable_refuses_when_declared(launch: Launch) -> None:
    """With `refuse` an exhausted budget answers with no arm at all, and no decision is open."""
    one = launch(EAGER, budget={"limit_usd": 0, "when_exhausted": "refuse"})
    decision = await one.recommend(Candidate("a", 9), Candidate("b", 5))
    assert (decision.refused, decision.arm, decision.source) == (True, "", Source.SHIELD)
    assert decision.shields[-1].effect is ShieldEffect.REFUSED
    assert (await one.view()).open == 0


async def test_ceilings_come_from_what_was_seen(launch: Launch) -> None:
    """An arm whose price nobody declared reserves a high quantile of what it cost."""
    one = launch()
    for cost in (0.001, 0.004, 0.002):
        await one.reward(await one.recommend("a"), reward=0.5, cost_usd=cost)
    assert (await one.recommend("a")).reserved_nano == 4_000_000


async def test_slow_arm_is_stepped_over(launch: Launch) -> None:
    """An arm that lately took longer than the request can wait is stepped over; if all are, the fastest is taken."""
    one = launch()
    for name, latency in (("a", 900.0), ("b", 400.0)):
        await one.reward(await one.recommend(name), reward=0.5, latency_ms=latency)
    fits = await one.recommend("a", "b", max_latency_us=500_000)
    none = await one.recommend("a", "b", max_latency_us=100_000)
    assert (fits.arm, [s.effect for s in fits.shields]) == ("b", [ShieldEffect.STEPPED_OVER])
    assert (none.arm, none.shields[0].effect, none.propensity) == ("b", ShieldEffect.FASTEST_ANYWAY, 1.0)


async def test_reward_through_another_sidecar_counts_at_the_next_decision(launch: Launch) -> None:
    """With a refresh of 0 every decision is made on all rewards applied before, wherever they were reported."""
    one, other = launch(), launch()
    for number in range(5):
        decision = await one.recommend()
        assert decision.statistics_version == number
        await other.reward(decision, reward=1.0)


async def test_idle_sidecar_fetches_before_it_decides(launch: Launch) -> None:
    """A sidecar that knows nothing yet, or has been idle, decides on present statistics."""
    one = launch({"mode": "ungated", "posterior_refresh_ms": 50})
    await one.teach({"a": 0.5}, rounds=3)
    assert (await launch({"mode": "ungated"}).recommend()).statistics_version == 3


async def test_busy_sidecar_reuses_its_statistics(launch: Launch) -> None:
    """Within the refresh time decisions are made on the statistics at hand, without asking for newer ones."""
    patient = {"mode": "ungated", "posterior_refresh_ms": 60_000, "posterior_age_ms_max": 60_000}
    one, other = launch(patient), launch(patient)
    await one.recommend()
    await other.reward(await other.recommend(), reward=1.0)
    assert (await one.recommend()).statistics_version == 0
    assert (await launch(patient).recommend()).statistics_version == 1


async def test_replayed_decision_is_the_first_answer(launch: Launch) -> None:
    """The same id gets the same arm, probability and expiry from any sidecar, said to be a replay."""
    one, other = launch(), launch()
    first = await one.recommend("a", "b", decision_id="d")
    again = await other.recommend("b", "c", decision_id="d")
    assert again.source is Source.REPLAY
    same = ("arm", "propensity", "expires_at_unix_ms", "proposal", "reserved_nano")
    assert [getattr(again, name) for name in same] == [getattr(first, name) for name in same]


async def test_baseline_without_a_server(launch: Launch, redis_stores: RedisStores, tmp_path: Path) -> None:
    """Without a server the answer is the baseline, said to be degraded; a report says that it was not taken."""
    one = launch(store=redis_stores(f"unix://{tmp_path}/none"))
    decision = await one.recommend("a", "b")
    assert (decision.arm, decision.source, decision.propensity) == ("a", Source.DEGRADED, 1.0)
    for failing in (one.reward(decision, reward=1.0), one.release(decision), one.status(), one.snapshot()):
        with pytest.raises(StoreUnavailable):
            await failing


async def test_strict_without_a_server(launch: Launch, redis_stores: RedisStores, tmp_path: Path) -> None:
    """A strict request raises instead."""
    with pytest.raises(StoreUnavailable):
        await launch(store=redis_stores(f"unix://{tmp_path}/none")).recommend(strict=True)


class Restless(RedisStore):
    """Says that every decision was made on old statistics."""

    def __init__(self, store: RedisStore) -> None:
        """Work on the store's connection."""
        super().__init__(store._connection)

    async def apply(self, transition: t.Transition, until: float = math.inf) -> t.Reply:
        """Answer STALE to every decision."""
        return t.Stale(DomainView()) if isinstance(transition, t.Issue) else await super().apply(transition, until)


async def test_endless_staleness_is_given_up(launch: Launch, redis_store: RedisStore) -> None:
    """A state that keeps changing under a decision degrades it, rather than to try forever."""
    one = launch(store=Restless(redis_store))
    assert (await one.recommend()).source is Source.DEGRADED
    with pytest.raises(StoreMisbehaved):
        await one.recommend(strict=True)


async def test_sweep_closes_what_is_overdue(launch: Launch) -> None:
    """A sweep closes overdue decisions of every workspace and domain that this sidecar used."""
    one = launch()
    two = launch(domain="prompt")
    for asked in (one, two):
        await asked.recommend(reward_deadline_ms=1)
    await asyncio.sleep(0.005)
    assert await one.service.sweep() == 2
    assert [d.counters["expired"] for d in (await one.status()).domains.values()] == [1, 1]


async def test_idle_workspaces_are_swept_no_more(redis_store: RedisStore, workspace: str) -> None:
    """After two idle hours a workspace is left to the sidecars that still use it."""

    class Later(SystemClock):
        hours = 0

        def monotonic(self) -> float:
            return super().monotonic() + self.hours * 3600

    clock = Later()
    service = LearningService(redis_store, Configuration(), Flags({}), clock)
    scope = Scope("default", workspace, "route")
    await service.recommend(Ask(scope, "d", (Candidate("a"),), reward_deadline_ms=1))
    await asyncio.sleep(0.005)
    clock.hours = 3
    assert await service.sweep() == 0
    service.learner(scope)
    assert await service.sweep() == 1


def test_learners_are_bounded(redis_store: RedisStore) -> None:
    """However many scopes are asked for, only so many are remembered, those used last."""
    service = LearningService(redis_store, Configuration(), Flags({}), SystemClock())
    first, scopes = service.learner(SCOPE), [SCOPE._replace(domain=str(n)) for n in range(LEARNERS_MAX)]
    service._learners.update(dict.fromkeys(scopes[:-1], first))
    service.learner(SCOPE)
    service.learner(scopes[-1])
    service.learner(SCOPE._replace(domain="one more"))
    assert len(service._learners) == LEARNERS_MAX
    assert SCOPE in service._learners
    assert scopes[0] not in service._learners


def test_draws_are_reproducible_with_a_seed() -> None:
    """A seeded domain draws the same orders in every process."""
    settings = {"mode": "ungated", "policy": {"name": "random", "seed": 7}}
    learners = [Learner(SCOPE, Configuration(Document(domains={"route": settings})), SystemClock()) for _ in range(2)]
    ask = Ask(SCOPE, "d", tuple(Candidate(name) for name in "abcde"))
    orders = [[plan(one, ask, settled=True)[1][0].arm for _ in range(50)] for one in learners]
    assert orders[0] == orders[1]
    assert Random(7).getstate() != learners[0].policy.rng.getstate()
