"""The learn helper: recommend, act and reward in one call."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from learning_client import AsyncLearningClient, Refused, RewardOutcome, SignalValues

from .conftest import Connect
from .drivers import Driver
from .scripted import ScriptedSidecar, refused

ARMS = ["small", "large"]


def test_an_act_may_bring_its_signals(client: Driver, sidecar: ScriptedSidecar) -> None:
    """(result, signals): the result is returned, the signals are reported, the arm is the one chosen."""
    learned = client.learn("route", ARMS, lambda arm: (f"by {arm}", {"quality": 0.9, "cost_usd": 0.01}))

    assert learned.result == "by large"
    assert learned.decision.arm == "large"
    assert learned.decision.report is not None
    assert RewardOutcome.APPLIED is learned.decision.report.outcome
    assert (sidecar.rewards[0].signals.quality, sidecar.rewards[0].signals.cost_usd) == (0.9, 0.01)


@pytest.mark.parametrize("scored", [0.7, {"quality": 0.7}])
def test_a_scorer_may_look_at_the_result(
    client: Driver, sidecar: ScriptedSidecar, scored: float | SignalValues
) -> None:
    """With score=, the result is left as it is; a plain number is its quality."""
    learned = client.learn("route", ARMS, lambda arm: (arm, 2), score=lambda _: scored)

    assert learned.result == ("large", 2)
    assert sidecar.rewards[0].signals.quality == 0.7


def test_scoring_is_not_timed(client: Driver, sidecar: ScriptedSidecar) -> None:
    """A slow judge does not make an arm slow."""

    def judge(result: object) -> float:
        del result
        time.sleep(0.05)
        return 1.0

    client.learn("route", ARMS, str, score=judge)

    assert sidecar.rewards[0].signals.latency_ms < 50


def test_a_scorer_that_fails_costs_no_result(
    client: Driver, sidecar: ScriptedSidecar, caplog: pytest.LogCaptureFixture
) -> None:
    """The result is returned and the latency reported; the failure is in the log, with its traceback."""

    def judge(result: object) -> float:
        raise LookupError(result)

    learned = client.learn("route", ARMS, str, score=judge)

    assert learned.result == "large"
    assert {"latency_ms"} == {spec.name for spec, _ in sidecar.rewards[0].signals.ListFields()}
    assert "could not score an act of route" in caplog.text
    assert "LookupError: large" in caplog.text


def test_an_act_that_fails_is_reported(client: Driver, sidecar: ScriptedSidecar) -> None:
    """The act's exception propagates, and the arm gets the worst reward."""

    def act(arm: str) -> None:
        raise LookupError(arm)

    with pytest.raises(LookupError, match="large"):
        client.learn("route", ARMS, act, score=lambda _: 1.0)

    assert sidecar.rewards[0].signals.reward == 0.0
    assert sidecar.rewards[0].signals.HasField("reward")


def test_a_refusal_raises_and_does_not_act(client: Driver, sidecar: ScriptedSidecar) -> None:
    """There is no result without an act, so Refused carries the decision."""
    sidecar.answer = refused
    with pytest.raises(Refused, match="no candidate of route is affordable") as caught:
        client.learn("route", ARMS, lambda _: pytest.fail("acted"))

    assert caught.value.decision.refused
    assert not sidecar.rewards


def test_an_act_without_signals_or_scorer_is_a_mistake(client: Driver) -> None:
    """Without score=, anything but a pair raises TypeError and says what is expected."""
    with pytest.raises(TypeError, match=r"must return \(result, signals\), got str"):
        client.learn("route", ARMS, str)


def test_learning_goes_on_without_a_sidecar(connect: Connect) -> None:
    """Nobody listens: the act runs with the first candidate and its result is returned."""
    learned = connect("unix:/nowhere/at/all.sock").learn("route", ARMS, str, score=lambda _: 1.0)

    assert learned.result == "small"
    assert learned.decision.report is None


async def test_a_scorer_may_be_async(sidecar: ScriptedSidecar) -> None:
    """A judge that is itself a remote call is awaited."""

    async def act(arm: str) -> str:
        return arm

    async def judge(result: str) -> float:
        return float(len(result)) / 10

    async with AsyncLearningClient(sidecar.address, timeout_ms=5_000) as client:
        learned = await client.learn("route", ARMS, act, score=judge)

    assert learned.result == "large"
    assert sidecar.rewards[0].signals.quality == 0.5


def test_bad_signals_of_an_act_are_dropped(client: Driver, sidecar: ScriptedSidecar) -> None:
    """What an act or a scorer returns is checked like what a block observes."""
    acts: list[Callable[[str], object]] = [lambda arm: (arm, {"quality": "good"}), lambda arm: (arm, None)]
    for act in acts:
        client.learn("route", ARMS, act)

    assert [{"latency_ms"}] * 2 == [
        {spec.name for spec, _ in reward.signals.ListFields()} for reward in sidecar.rewards
    ]
