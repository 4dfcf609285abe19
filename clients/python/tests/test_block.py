"""The decide block against a sidecar that answers.

Goal: whatever happens inside the block, exactly the report that the rules ask for arrives, and the app sees its own
results and exceptions. Method: a scripted server records every request; both clients make every claim.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

import pytest
from learning_client import (
    AsyncLearningClient,
    Decision,
    Mode,
    RewardOutcome,
    Shield,
    ShieldAction,
    ShieldEffect,
    Source,
)
from learning_client.v1 import learning_pb2 as pb

from .drivers import Driver, Unchecked
from .scripted import EXPIRES_AT_UNIX_MS, ScriptedSidecar, chosen, refused

ARMS = ["small", "large"]


def _nothing(decision: object) -> None:
    del decision


def _raising(error: BaseException) -> Callable[[Decision], None]:
    def body(decision: Decision) -> None:
        decision.observe(cost_usd=0.01)
        raise error

    return body


def test_the_decision_tells_what_the_sidecar_answered(client: Driver) -> None:
    """Every fact of the answer is on the decision, as plain Python values."""
    decision = client.block(_nothing, "route", ARMS)

    assert decision.arm == "large"
    assert decision.baseline == "small"
    assert decision.proposal == "large"
    assert decision.propensity == 0.75
    assert Source.LEARNED is decision.source
    assert Mode.UNGATED is decision.mode
    assert (ShieldAction(Shield.BUDGET, ShieldEffect.STEPPED_OVER, "huge"),) == decision.shields
    assert (decision.policy, decision.statistics_version, decision.reserved_usd) == ("thompson", 7, 0.02)
    assert decision.expires_at_unix_ms == EXPIRES_AT_UNIX_MS
    assert decision.recorded
    assert not decision.refused
    assert not decision.degraded


def test_the_request_carries_what_the_app_said(client: Driver, sidecar: ScriptedSidecar) -> None:
    """Candidates keep their order, and each option arrives in its field."""
    client.block(
        _nothing,
        "route",
        ARMS,
        context={"tokens": 812},
        cost_ceilings_usd={"large": 0.02, "absent": 1.0},
        max_latency_ms=1_500,
        reward_deadline_ms=60_000,
        decision_id="request-17",
    )

    expected = pb.RecommendRequest(
        tenant="default",
        workspace="main",
        domain="route",
        decision_id="request-17",
        candidates=[pb.Candidate(arm="small"), pb.Candidate(arm="large", cost_ceiling_usd=0.02)],
        context={"tokens": 812},
        max_latency_ms=1_500,
        reward_deadline_ms=60_000,
    )
    assert [expected] == sidecar.recommends


def test_the_report_carries_what_was_observed(client: Driver, sidecar: ScriptedSidecar) -> None:
    """One final reward arrives for the same decision, with the last value of each signal."""

    def body(decision: Decision) -> None:
        decision.observe(quality=0.2, cost_usd=0.01)
        decision.observe(quality=0.9, groundedness=None)

    decision = client.block(body, "route", ARMS)

    [reward] = sidecar.rewards
    assert (reward.tenant, reward.workspace, reward.domain) == ("default", "main", "route")
    assert sidecar.recommends[0].decision_id == decision.decision_id == reward.decision_id
    assert (reward.signals.quality, reward.signals.cost_usd) == (0.9, 0.01)
    assert {"quality", "cost_usd", "latency_ms"} == {spec.name for spec, _ in reward.signals.ListFields()}
    assert not reward.more_to_come
    assert decision.report is not None
    assert RewardOutcome.APPLIED is decision.report.outcome


def test_the_act_is_timed(client: Driver, sidecar: ScriptedSidecar) -> None:
    """The reported latency is the block's duration."""
    before = time.monotonic()
    client.block(lambda _: time.sleep(0.02), "route", ARMS)
    whole_ms = (time.monotonic() - before) * 1_000

    assert 20 <= sidecar.rewards[0].signals.latency_ms <= whole_ms


def test_a_latency_that_is_given_wins(client: Driver, sidecar: ScriptedSidecar) -> None:
    """An app that knows better, such as the time to the first token, overrides the stopwatch."""
    client.block(lambda decision: decision.observe(latency_ms=123.0), "route", ARMS)

    assert sidecar.rewards[0].signals.latency_ms == 123.0


def test_a_failed_act_is_rewarded_with_the_worst(client: Driver, sidecar: ScriptedSidecar) -> None:
    """By default an exception propagates untouched and costs the arm a reward of 0, with its cost and latency."""
    error = LookupError("the model is gone")
    with pytest.raises(LookupError) as caught:
        client.block(_raising(error), "route", ARMS)

    assert error is caught.value
    assert error.__context__ is None
    [reward] = sidecar.rewards
    assert reward.signals.HasField("reward")
    assert reward.signals.reward == 0.0
    assert reward.signals.cost_usd == 0.01
    assert reward.signals.HasField("latency_ms")


def test_a_failed_act_can_be_released(client: Driver, sidecar: ScriptedSidecar) -> None:
    """on_error="release" gives the money back and reports nothing."""
    with pytest.raises(LookupError):
        client.block(_raising(LookupError()), "route", ARMS, on_error="release")

    assert [sidecar.recommends[0].decision_id] == [release.decision_id for release in sidecar.releases]
    assert not sidecar.rewards


def test_a_failed_act_can_be_ignored(client: Driver, sidecar: ScriptedSidecar) -> None:
    """on_error="ignore" sends nothing, so that the domain's own rule applies."""
    with pytest.raises(LookupError):
        client.block(_raising(LookupError()), "route", ARMS, on_error="ignore")

    assert not sidecar.rewards
    assert not sidecar.releases


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError(), SystemExit(3)], ids=repr)
def test_what_comes_from_outside_releases(client: Driver, sidecar: ScriptedSidecar, error: BaseException) -> None:
    """An interruption says nothing about the arm: released, whatever on_error says."""
    with pytest.raises(type(error)):
        client.block(_raising(error), "route", ARMS, on_error="worst")

    assert len(sidecar.releases) == 1
    assert not sidecar.rewards


async def test_a_cancelled_task_releases_and_stops(sidecar: ScriptedSidecar) -> None:
    """A task that is really cancelled in the middle of its act gives the decision back and stays cancelled."""
    acting = asyncio.Event()
    async with AsyncLearningClient(sidecar.address, timeout_ms=5_000) as client:

        async def act() -> None:
            async with client.decide("route", ARMS):
                acting.set()
                await asyncio.sleep(60)

        task = asyncio.create_task(act())
        await acting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert task.cancelled()
    assert len(sidecar.releases) == 1
    assert not sidecar.rewards


def test_feedback_may_come_later(client: Driver, sidecar: ScriptedSidecar) -> None:
    """A block that is kept open reports in part, and the id alone completes it afterwards."""

    def body(decision: Decision) -> None:
        decision.observe(cost_usd=0.01)
        decision.keep_open()

    decision = client.block(body, "route", ARMS)
    result = client.reward(decision.decision_id, domain="route", quality=1.0)

    assert decision.report is not None
    assert RewardOutcome.COLLECTED is decision.report.outcome
    assert RewardOutcome.APPLIED is result.outcome
    assert [reward.more_to_come for reward in sidecar.rewards] == [True, False]
    assert not sidecar.rewards[1].signals.HasField("latency_ms")


def test_a_refusal_is_the_baseline_without_a_report(client: Driver, sidecar: ScriptedSidecar) -> None:
    """A refused decision says so, names the baseline, and sends nothing."""
    sidecar.answer = refused
    decision = client.block(_nothing, "route", ARMS)

    assert decision.refused
    assert decision.arm == "small"
    assert not decision.recorded
    assert decision.report is None
    assert not sidecar.rewards
    assert not sidecar.releases


@pytest.mark.parametrize("error", [None, LookupError(), KeyboardInterrupt()], ids=repr)
def test_what_was_not_recorded_is_not_reported(
    client: Driver, sidecar: ScriptedSidecar, error: BaseException | None
) -> None:
    """A degraded answer, or one in mode off, has no expiry: nobody waits for a report."""

    def degraded(request: pb.RecommendRequest) -> pb.RecommendResponse:
        answer = chosen(request)
        answer.degraded, answer.source, answer.expires_at_unix_ms = True, pb.SOURCE_DEGRADED, 0
        return answer

    sidecar.answer = degraded
    if error is None:
        decision = client.block(_nothing, "route", ARMS)
        assert decision.degraded
        assert Source.DEGRADED is decision.source
    else:
        with pytest.raises(type(error)):
            client.block(_raising(error), "route", ARMS, on_error="worst")

    assert not sidecar.rewards
    assert not sidecar.releases


def test_bad_signals_are_dropped(client: Driver, sidecar: ScriptedSidecar, caplog: pytest.LogCaptureFixture) -> None:
    """A signal that cannot be used is logged and left out; the good ones arrive and nothing raises."""
    wrong: Unchecked = {"latency_ms": "slow", "safety": [1], "qualty": 0.5}

    def body(decision: Decision) -> None:
        decision.observe(reward=1.2, quality=math.nan, cost_usd=-1, groundedness=0.5)
        decision.observe(**wrong)

    client.block(body, "route", ARMS)

    assert {"groundedness", "latency_ms"} == {spec.name for spec, _ in sidecar.rewards[0].signals.ListFields()}
    assert "dropped the signal reward=1.2" in caplog.text


def test_an_unknown_rule_raises_at_once(client: Driver, sidecar: ScriptedSidecar) -> None:
    """A misspelt on_error is a mistake in the program: nothing is asked."""
    with pytest.raises(ValueError, match="best"):
        client.block(_nothing, "route", ARMS, on_error="best")

    assert not sidecar.recommends
