"""Reports to a service on the real server: one reward, however many reports bring its signals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sidecar.engine.flows import ReleaseOutcome, RewardOutcome
from sidecar.errors import InvalidInput

from .conftest import EAGER, Launch

WEIGHED: dict[str, Any] = EAGER | {
    "reward": {"signals": {"quality": {"weight": 3}, "cost_usd": {"weight": 1, "high": 0.02}}}
}
REQUIRED = WEIGHED | {"reward": WEIGHED["reward"] | {"missing_signal": "required"}}


async def test_reward_is_made_of_signals(launch: Launch) -> None:
    """The declared weights and ranges make the reward that the arm learns, and the breakdown says how."""
    one = launch(WEIGHED)
    settled = await one.reward(await one.recommend("a"), quality=0.9, cost_usd=0.005)
    arm = (await one.view()).arm("a")
    assert (settled.outcome, settled.arm) == (RewardOutcome.APPLIED, "a")
    assert settled.result is not None
    assert [(part.signal, part.weight, part.normalized) for part in settled.result.breakdown] == [
        ("quality", 0.75, 0.9), ("cost_usd", 0.25, 0.75),
    ]  # fmt: skip
    assert (arm.reward_micro, arm.cost_nano) == (862_500, 5_000_000)


async def test_parts_become_one_reward(launch: Launch) -> None:
    """What several sidecars were told in parts makes one reward and one cost; the first value of a signal counts."""
    one, other = launch(WEIGHED), launch(WEIGHED)
    decision = await one.recommend("a")
    first = await one.reward(decision, final=False, cost_usd=0.005, latency_ms=30.0)
    second = await other.reward(decision, final=False, quality=0.9, cost_usd=0.02)
    last = await one.reward(decision, latency_ms=70.0)
    arm = (await one.view()).arm("a")
    outcomes = [first.outcome, second.outcome, last.outcome]
    assert outcomes == [RewardOutcome.COLLECTED, RewardOutcome.COLLECTED, RewardOutcome.APPLIED]
    assert (arm.count, arm.reward_micro, arm.cost_nano, arm.latency.recent) == (1, 862_500, 5_000_000, (30_000,))


async def test_parts_at_once_are_all_kept(launch: Launch) -> None:
    """Parts that arrive at the same time at two sidecars are merged, none is lost."""
    one, other = launch(WEIGHED), launch(WEIGHED)
    for _ in range(20):
        decision = await one.recommend("a")
        await asyncio.gather(
            one.reward(decision, final=False, quality=0.9), other.reward(decision, final=False, cost_usd=0.005)
        )
        await one.reward(decision, latency_ms=1.0)
    arm = (await one.view()).arm("a")
    assert (arm.count, arm.reward_micro, arm.cost_nano) == (20, 20 * 862_500, 20 * 5_000_000)


async def test_required_signals_may_come_in_parts(launch: Launch) -> None:
    """Where signals are required, those collected before count as there."""
    one = launch(REQUIRED)
    decision = await one.recommend("a")
    await one.reward(decision, final=False, quality=0.9)
    settled = await one.reward(decision, cost_usd=0.005)
    assert settled.outcome is RewardOutcome.APPLIED
    assert (await one.view()).arm("a").reward_micro == 862_500


@pytest.mark.parametrize("signals", [{"cost_usd": 0.01}, {"latency_ms": 5.0}])
async def test_missing_required_signal_leaves_the_decision_open(launch: Launch, signals: dict[str, float]) -> None:
    """A final report without what is required is refused by name, and a good one still counts."""
    one = launch(REQUIRED)
    decision = await one.recommend("a")
    with pytest.raises(InvalidInput, match=r"signals"):
        await one.reward(decision, **signals)
    assert (await one.view()).open == 1
    assert (await one.reward(decision, quality=1.0, cost_usd=0.0)).outcome is RewardOutcome.APPLIED


async def test_report_of_nothing_useful_is_still_recognised(launch: Launch) -> None:
    """A report that makes no reward by itself is answered by what became of its decision."""
    one = launch(WEIGHED)
    decision = await one.recommend("a")
    await one.reward(decision, reward=1.0)
    assert (await one.reward(decision, latency_ms=5.0)).outcome is RewardOutcome.DUPLICATE
    assert (await one.reward("never", latency_ms=5.0)).outcome is RewardOutcome.UNKNOWN


async def test_cost_of_a_late_report_is_booked(launch: Launch) -> None:
    """A late report of a cost alone teaches nothing, and its cost is spent."""
    one = launch(EAGER)
    decision = await one.recommend("a", reward_deadline_ms=1)
    await asyncio.sleep(0.005)
    assert (await one.reward(decision, cost_usd=0.25)).outcome is RewardOutcome.LATE
    status = await one.status()
    assert status.accounts["workspace"].spent_nano == 250_000_000
    assert status.domains["route"].arm("a").observations == 0


async def test_reward_given_outright(launch: Launch) -> None:
    """A reward that is given is taken as it is; the other signals feed averages and money only."""
    one = launch(WEIGHED)
    settled = await one.reward(await one.recommend("a"), reward=0.25, quality=1.0, cost_usd=0.01)
    assert settled.result is not None
    assert (settled.result.reward, settled.result.breakdown) == (0.25, ())
    assert (await one.view()).arm("a").cost_nano == 10_000_000


@pytest.mark.parametrize(
    ("signals", "field"),
    [({"quality": 1.5}, "signals.quality"), ({"cost_usd": -1.0}, "signals.cost_usd"), ({}, "signals"),
     ({"latency_ms": float("nan")}, "signals.latency_ms"), ({"reward": float("inf")}, "signals.reward")],
)  # fmt: skip
async def test_wrong_signal_changes_nothing(launch: Launch, signals: dict[str, float], field: str) -> None:
    """A signal that cannot be is refused by name, and the decision stays open."""
    one = launch(WEIGHED)
    decision = await one.recommend("a")
    with pytest.raises(InvalidInput) as refused:
        await one.reward(decision, **signals)
    assert refused.value.field == field
    assert (await one.view()).open == 1


async def test_missing_reward_counts_as_declared(launch: Launch) -> None:
    """Where feedback fails to come because the outcome was bad, a missing one counts as declared."""
    one = launch(EAGER | {"reward": {"missing_reward": 0.125}})
    await one.recommend("a", reward_deadline_ms=1)
    await asyncio.sleep(0.005)
    arm = (await one.view()).arm("a")
    assert (arm.count, arm.defaulted, arm.reward_micro) == (0, 1, 125_000)


async def test_release_is_told_what_became_of_it(launch: Launch) -> None:
    """A release gives the money back once; afterwards, and for an unknown decision, it says so."""
    one = launch()
    decision = await one.recommend("a")
    outcomes = [await one.release(decision), await one.release(decision)]
    assert outcomes == [ReleaseOutcome.RELEASED, ReleaseOutcome.ALREADY_CLOSED]
    assert (await one.reward(decision, reward=1.0)).outcome is RewardOutcome.LATE
