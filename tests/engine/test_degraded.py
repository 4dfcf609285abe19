"""Goal: without the store a sidecar spends no more than was set aside. Method: a store that is cut off on command."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sidecar.engine.flows import RewardOutcome
from sidecar.engine.learner import Learner
from sidecar.engine.purse import Purse
from sidecar.errors import StoreUnavailable
from sidecar.model.decision import Candidate, ShieldEffect, Source
from sidecar.model.names import Scope
from sidecar.settings.file import Configuration, Document
from sidecar.store.connection import Connection
from tests.conftest import FakeClock

from .conftest import EAGER, Launch, Sidecar
from .cutting import CutStore

DEAR, CHEAP = Candidate("dear", 3_000_000_000), Candidate("cheap", 1_000_000_000)
FREE = Candidate("free", 0)


@pytest.fixture
def cut(redis_url: str) -> CutStore:
    """Make a store that can be cut off."""
    return CutStore(Connection(redis_url, timeout_s=10.0))


def budgeted(**budget: Any) -> dict[str, Any]:
    """Declare a domain with a budget."""
    return {**EAGER, "budget": {"limit_usd": 20.0, **budget}}


async def money(one: Sidecar) -> tuple[float, float, float]:
    """Read what is spent, reserved and overrun, in dollars."""
    account = (await one.status()).accounts["domain/route"]
    return account.spent_nano / 1e9, account.reserved_nano / 1e9, account.overrun_nano / 1e9


async def chosen(one: Sidecar, *candidates: Candidate) -> str:
    """Ask for a decision, which must be degraded; give its arm."""
    decision = await one.recommend(*candidates)
    assert decision.source is Source.DEGRADED
    return decision.arm


async def test_the_lease_is_spent_and_booked(launch: Launch, cut: CutStore) -> None:
    """The baseline while the purse affords it, then what is cheaper, then nothing; all of it is booked afterwards."""
    one = launch(budgeted(lease_usd=5.0, when_exhausted="refuse"), store=cut)
    await one.reward(await one.recommend(DEAR), reward=1.0, cost_usd=2.0)
    await one.service.sweep()
    assert await money(one) == (2.0, 5.0, 0.0)

    cut.away = True
    assert [await chosen(one, DEAR, CHEAP) for _ in range(4)] == ["dear", "cheap", "cheap", ""]
    assert await chosen(one, DEAR, CHEAP, FREE) == "free"
    cut.away = False

    await one.service.sweep()
    assert await money(one) == (7.0, 5.0, 0.0)
    await one.service.sweep()
    assert await money(one) == (7.0, 5.0, 0.0)


async def test_a_report_whose_answer_is_lost_counts_once(launch: Launch, cut: CutStore) -> None:
    """The same report is told again, and what was spent meanwhile comes with the next one."""
    one = launch(budgeted(lease_usd=5.0), store=cut)
    await one.recommend(FREE)
    await one.service.sweep()
    cut.away = True
    assert await chosen(one, CHEAP) == "cheap"
    cut.away, cut.deaf_to_leases = False, True
    with pytest.raises(StoreUnavailable):
        await one.service.sweep()
    cut.away = True
    assert await chosen(one, DEAR) == "dear"
    assert (await one.recommend(DEAR)).shields[0].effect is ShieldEffect.CHEAPEST_ANYWAY
    cut.away = cut.deaf_to_leases = False

    await one.service.sweep()
    assert await money(one) == (1.0, 5.0, 0.0)
    await one.service.sweep()
    assert await money(one) == (4.0, 5.0, 0.0)


async def lent(launch: Launch, cut: CutStore) -> Sidecar:
    """A sidecar that has a lease of five dollars, of which it spent one while the store was away."""
    one = launch(budgeted(lease_usd=5.0), store=cut)
    await one.recommend(FREE)
    await one.service.sweep()
    cut.away = True
    await one.recommend(CHEAP)
    cut.away = False
    return one


async def test_closing_gives_the_rest_back(launch: Launch, cut: CutStore) -> None:
    """What was spent is booked and nothing stays reserved."""
    one = await lent(launch, cut)
    await one.service.close()

    assert await money(launch()) == (1.0, 0.0, 0.0)


async def test_a_domain_that_made_room_gives_its_lease_back(launch: Launch, cut: CutStore) -> None:
    """Nothing is set aside for who is not remembered; whoever comes again gets it again."""
    one = await lent(launch, cut)
    one.service._learners.clear()
    for _ in range(2):
        await one.service.sweep()
    assert await money(one) == (1.0, 0.0, 0.0)
    assert not one.service._purses._purses

    await one.recommend(FREE)
    await one.service.sweep()
    assert await money(one) == (1.0, 5.0, 0.0)


async def test_without_a_lease(launch: Launch, cut: CutStore) -> None:
    """Under a limit only what is free is affordable; then `when_exhausted` says what to do."""
    refusing, lenient = (launch(budgeted(when_exhausted=when), store=cut) for when in ("refuse", "cheapest"))
    unlimited = launch(store=cut)
    cut.away = True
    assert await chosen(refusing, DEAR, CHEAP) == ""
    assert await chosen(refusing, FREE, CHEAP) == "free"
    assert await chosen(lenient, DEAR, CHEAP) == "cheap"
    assert await chosen(unlimited, DEAR, CHEAP) == "dear"


async def test_a_degraded_decision_has_no_reward(launch: Launch, cut: CutStore) -> None:
    """It was recorded nowhere; its money is booked by the lease."""
    one = launch(budgeted(lease_usd=5.0), store=cut)
    await one.recommend(FREE)
    await one.service.sweep()
    cut.away = True
    decision = await one.recommend(CHEAP)
    cut.away = False
    assert (await one.reward(decision, reward=1.0, cost_usd=1.0)).outcome is RewardOutcome.UNKNOWN


def test_a_purse_closes_before_its_lease_lapses() -> None:
    """After nine tenths of the time for which the store holds it, nothing may be spent of it."""
    clock = FakeClock()
    plain = {"domains": {"route": budgeted(lease_usd=5.0)}}
    learner = Learner(Scope("t", "w", "route"), Configuration(msgspec.convert(plain, Document)), clock)
    purse = Purse(learner, "one", clock)
    report = purse.report()
    assert report
    purse.granted(5_000_000_000, clock.monotonic())
    clock.ms += report.holds_ms * 9 // 10 - 1
    assert purse.available_nano == 5_000_000_000
    clock.ms += 1
    assert purse.available_nano == 0
