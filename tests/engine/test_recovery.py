"""Goal: what waited is made up for in order and once. Method: a store that is cut off on command."""

from __future__ import annotations

import logging

import pytest

from sidecar.engine.flows import ReleaseOutcome, RewardOutcome
from sidecar.engine.recall import Told
from sidecar.errors import InvalidInput, Overloaded, StoreMisbehaved, StoreUnavailable
from sidecar.model.signals import Signals
from sidecar.spool.spool import Limits

from .conftest import Launched


async def test_parts_of_a_report_are_replayed_in_order(spooling: Launched) -> None:
    """The final report counts together with the partial ones before it, however many decisions there are."""
    one = spooling()
    decisions = [await one.recommend("a") for _ in range(100)]
    one.store.away = True
    for decision in decisions:
        assert (await one.reward(decision, final=False, quality=1.0)).outcome is RewardOutcome.SPOOLED
    for decision in decisions:
        assert (await one.reward(decision, safety=0.0)).outcome is RewardOutcome.SPOOLED
    one.store.away = False
    await one.drained()
    arm = (await one.view()).arm("a")
    assert (arm.count, arm.reward_mean) == (100, 0.5)
    assert one.replayed == {("spool", "collected"): 100, ("spool", "applied"): 100}


async def test_a_store_that_is_barely_quick_enough_gets_the_spool(spooling: Launched) -> None:
    """In order, and each once, although it misses every seventh."""
    one = spooling()
    decisions = [await one.recommend("a") for _ in range(30)]
    one.store.away = True
    for decision in decisions:
        await one.reward(decision, final=False, quality=1.0)
        await one.reward(decision, safety=0.0)
    one.store.away, one.store.breath = False, 6
    await one.drained()
    one.store.breath = 0
    arm = (await one.view()).arm("a")
    assert (arm.count, arm.reward_mean) == (30, 0.5)


async def test_newer_reports_go_behind_older_ones(spooling: Launched) -> None:
    """Although the store is back: a final report that overtook would make the partial one a duplicate."""
    one = spooling()
    assert one.recovering
    one.recovering.cancel()
    decision = await one.recommend("a")
    one.store.away = True
    await one.reward(decision, final=False, quality=1.0)
    one.store.away = False
    assert (await one.reward(decision, safety=0.0)).outcome is RewardOutcome.SPOOLED
    assert await one.release(decision) is ReleaseOutcome.SPOOLED
    one.begin()
    await one.drained()
    assert (await one.view()).arm("a").reward_mean == 0.5
    assert one.replayed[("spool", "already_closed")] == 1
    assert (await one.reward(decision, safety=0.0)).outcome is RewardOutcome.DUPLICATE


async def test_report_whose_answer_was_lost_counts_once(spooling: Launched) -> None:
    """It was applied, and is spooled, for nobody could know; its replay is a duplicate."""
    one = spooling()
    decision = await one.recommend("a")
    one.store.deaf = True
    assert (await one.reward(decision, quality=1.0)).outcome is RewardOutcome.SPOOLED
    one.store.deaf = False
    await one.drained()
    assert (await one.view()).arm("a").count == 1
    assert one.replayed == {("spool", "duplicate"): 1}


async def test_batch_with_the_store_away(spooling: Launched) -> None:
    """Each item is spooled or says what is wrong with it; behind others too."""
    one = spooling()
    decisions = [await one.recommend("a") for _ in range(3)]
    told = [Told(one.scope, decision.decision_id, Signals(quality=1.0)) for decision in decisions]
    wrong = Told(one.scope, decisions[0].decision_id, Signals(cost_usd=-1.0))
    one.store.away = True
    for _ in range(2):
        *taken, refused = await one.service.reward_all([*told, wrong])
        assert [getattr(outcome, "outcome", outcome) for outcome in taken] == [RewardOutcome.SPOOLED] * 3
        assert isinstance(refused, InvalidInput)
    one.store.away = False
    await one.drained()
    assert (await one.view()).arm("a").count == 3


async def test_report_that_proves_unusable_is_counted(spooling: Launched, caplog: pytest.LogCaptureFixture) -> None:
    """Whether a cost alone makes a reward, only the store knew; the log has the report, and others go on."""
    one = spooling()
    first, second = await one.recommend("a"), await one.recommend("a")
    one.store.away = True
    await one.reward(first, cost_usd=0.25)
    await one.reward(second, quality=1.0)
    one.store.away = False
    await one.drained()
    assert one.replayed == {("spool", "rejected"): 1, ("spool", "applied"): 1}
    assert '"cost_usd":0.25' in caplog.text


async def test_unknown_decisions_are_counted_and_said_once(
    spooling: Launched, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as those that were answered while the store was away."""
    one = spooling()
    one.store.away = True
    for number in range(5):
        await one.reward(f"nobody-{number}", quality=1.0)
    one.store.away = False
    await one.drained()
    assert one.replayed == {("spool", "unknown"): 5}
    assert caplog.text.count("nobody knows") == 1


async def test_strange_answer_does_not_hold_up_others_for_ever(
    spooling: Launched, caplog: pytest.LogCaptureFixture
) -> None:
    """After some attempts the record goes to the log, whole, and the next ones are replayed."""
    one = spooling()
    first, second = await one.recommend("a"), await one.recommend("a")
    one.store.strange = first.decision_id
    one.store.away = True
    await one.reward(first, quality=1.0)
    await one.reward(second, quality=1.0)
    one.store.away = False
    await one.drained()
    # The second went along with the first from the beginning; in order it is noted only after it.
    assert one.replayed == {("spool", "misbehaved"): 1, ("spool", "duplicate"): 1}
    assert (await one.view()).arm("a").count == 1
    assert [r for r in caplog.records if r.levelno == logging.ERROR and first.decision_id in r.getMessage()]


async def test_misbehaving_store_is_not_spooled_for(spooling: Launched) -> None:
    """Who gets an answer that makes no sense is told so."""
    one = spooling()
    decision = await one.recommend("a")
    one.store.strange = decision.decision_id
    with pytest.raises(StoreMisbehaved):
        await one.reward(decision, quality=1.0)
    assert one.service.spooled == 0


async def test_without_a_spool(spooling: Launched) -> None:
    """As it always was."""
    one = spooling(spool=False)
    decision = await one.recommend("a")
    one.store.away = True
    with pytest.raises(StoreUnavailable):
        await one.reward(decision, quality=1.0)
    with pytest.raises(StoreUnavailable):
        await one.release(decision)


async def test_switched_off_spools_nothing(spooling: Launched) -> None:
    """A domain that does not learn has no use for reports."""
    one = spooling(environment={"ENABLE_RL_ROUTING": "0"})
    one.store.away = True
    assert (await one.reward("d", quality=1.0)).outcome is RewardOutcome.UNKNOWN
    assert one.service.spooled == 0


async def test_full_spool_refuses_a_batch_whole(spooling: Launched) -> None:
    """Nothing of what is refused is kept."""
    one = spooling(limits=Limits(records_max=3))
    decisions = [await one.recommend("a") for _ in range(4)]
    one.store.away = True
    await one.reward(decisions[0], quality=1.0)
    await one.release(decisions[1])
    await one.reward(decisions[2], quality=1.0)
    with pytest.raises(Overloaded):
        await one.reward(decisions[3], quality=1.0)
    one.store.away = False
    await one.drained()
    assert (await one.view()).arm("a").count == 2
