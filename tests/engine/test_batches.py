"""Several requests together: each has its own answer, in order, and together they take one round trip."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sidecar.engine.flows import RewardOutcome, Settled
from sidecar.engine.service import Told
from sidecar.errors import InvalidInput, SidecarError, StoreUnavailable
from sidecar.model.decision import Ask, Candidate, Decision, Source
from sidecar.model.signals import Signals
from sidecar.store.line import Asked, Line
from sidecar.store.redis_store import RedisStore
from tests.conftest import RedisStores

from .conftest import Launch

MANY = 200
ARMS = (Candidate("a"), Candidate("b"))


def decided(outcomes: list[Decision | SidecarError]) -> list[Decision]:
    """See that all are decisions."""
    assert all(isinstance(one, Decision) for one in outcomes)
    return [one for one in outcomes if isinstance(one, Decision)]


async def test_order_is_kept_and_each_is_recorded(launch: Launch) -> None:
    """Two hundred requests are answered in order, and reported on in order."""
    one = launch()
    asks = [Ask(one.scope, f"d{number}", (Candidate(f"arm {number}"),)) for number in range(MANY)]
    decisions = decided(await one.service.recommend_all(asks))
    assert [decision.arm for decision in decisions] == [f"arm {number}" for number in range(MANY)]
    told = [Told(one.scope, decision.decision_id, Signals(reward=0.5)) for decision in decisions]
    settled = await one.service.reward_all([*told, told[0]])
    assert [done.arm for done in settled[:MANY] if isinstance(done, Settled)] == [ask.baseline for ask in asks]
    last = settled[-1]
    assert isinstance(last, Settled)
    assert last.outcome is RewardOutcome.DUPLICATE
    assert (await one.view()).counters["applied"] == MANY


async def test_a_batch_is_written_at_once(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty-four decisions are one write of few commands; more go in parts of sixty-four."""
    one = launch()
    await one.recommend()
    writes, ask = [], Line.ask

    def counted(line: Line, asked: list[Asked], now: float) -> None:
        writes.append([len(one.places) for one in asked])
        ask(line, asked, now)

    monkeypatch.setattr(Line, "ask", counted)
    await one.service.recommend_all([Ask(one.scope, f"e{number}", ARMS) for number in range(150)])
    assert [sum(commands) for commands in writes] == [64, 64, 22]
    assert max(len(commands) for commands in writes) <= 4


async def test_money_is_never_promised_twice_within_a_batch(launch: Launch) -> None:
    """Of a hundred decisions in one batch exactly as many are paid for as the limit allows."""
    one = launch({"budget": {"limit_usd": 7e-7, "when_exhausted": "refuse"}})
    asks = [Ask(one.scope, f"d{number}", (Candidate("a", 100), Candidate("b", 100))) for number in range(100)]
    decisions = decided(await one.service.recommend_all(asks))
    assert sum(not decision.refused for decision in decisions) == 7
    assert (await one.status()).accounts["workspace"].reserved_nano == 700


async def test_one_bad_report_harms_no_other(launch: Launch) -> None:
    """An item that is not allowed has its error, and the others count."""
    one = launch()
    decisions = [await one.recommend() for _ in range(2)]
    told = [Told(one.scope, decision.decision_id, Signals(reward=0.5)) for decision in decisions]
    told.insert(1, Told(one.scope, "x", Signals(reward=7.0)))
    first, bad, last = await one.service.reward_all(told)
    assert isinstance(bad, InvalidInput)
    assert [one.outcome for one in (first, last) if isinstance(one, Settled)] == [RewardOutcome.APPLIED] * 2


async def test_store_away(launch: Launch, redis_stores: RedisStores, tmp_path: Path) -> None:
    """Each item is the baseline, or an error where it is strict."""
    one = launch(store=redis_stores(f"unix://{tmp_path}/none"))
    asks = [Ask(one.scope, f"d{number}", ARMS, strict=number == 1) for number in range(3)]
    first, strict, last = await one.service.recommend_all(asks)
    assert isinstance(strict, StoreUnavailable)
    assert [one.source for one in (first, last) if isinstance(one, Decision)] == [Source.DEGRADED] * 2
    assert isinstance((await one.service.reward_all([Told(one.scope, "d", Signals(reward=1.0))]))[0], StoreUnavailable)


async def test_cancelled_batch_leaves_the_connection_in_order(launch: Launch, redis_store: RedisStore) -> None:
    """After a batch whose caller left, others still get their own answers."""
    one = launch(store=redis_store)
    await one.recommend()
    batch = asyncio.ensure_future(
        one.service.recommend_all([Ask(one.scope, f"left {n}".replace(" ", "-"), ARMS) for n in range(100)])
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    batch.cancel()
    asks = [Ask(one.scope, f"d{number}", (Candidate(f"arm {number}"),)) for number in range(50)]
    assert [decision.arm for decision in decided(await one.service.recommend_all(asks))] == [a.baseline for a in asks]
