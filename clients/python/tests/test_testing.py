"""The fakes that an app uses in its own tests."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from learning_client import AsyncLearningClient, LearningClient, ReleaseOutcome, RewardOutcome, Source
from learning_client.testing import AsyncFakeLearning, FakeLearning, FakeReward

from .conftest import Fake

ARMS = ["small", "large"]


def test_a_fake_is_a_client() -> None:
    """An app that declares a client can be given a fake."""
    assert isinstance(FakeLearning(), LearningClient)
    assert isinstance(AsyncFakeLearning(), AsyncLearningClient)


def test_a_fake_chooses_the_first_and_records_the_reward(fake: Fake) -> None:
    """By default the first candidate; the block's report is there to be asserted on."""
    sidecar, client = fake()
    decision = client.block(lambda decision: decision.observe(quality=0.9, latency_ms=12), "route", ARMS)

    assert decision.arm == "small"
    assert Source.LEARNED is decision.source
    assert decision.recorded
    assert [
        FakeReward("route", decision.decision_id, "small", {"quality": 0.9, "latency_ms": 12.0}, more_to_come=False)
    ] == sidecar.rewards


def test_a_chooser_decides(fake: Fake) -> None:
    """A function of domain, candidates and context plays the learner."""
    seen: list[object] = []

    def chooser(domain: str, candidates: list[str], context: Mapping[str, float]) -> str:
        seen.extend((domain, candidates, dict(context)))
        return "large"

    _, client = fake(chooser)

    assert client.recommend("route", ARMS, context={"tokens": 812}).arm == "large"
    assert seen == ["route", ARMS, {"tokens": 812.0}]


def test_a_chooser_can_refuse(fake: Fake) -> None:
    """None plays an exhausted budget."""
    sidecar, client = fake(lambda *_: None)
    decision = client.block(lambda _: None, "route", ARMS)

    assert decision.refused
    assert sidecar.rewards == []


def test_a_chooser_astray_is_told_so(fake: Fake) -> None:
    """An arm that is no candidate is a mistake in the test."""
    _, client = fake(lambda *_: "unheard-of")
    with pytest.raises(ValueError, match="'unheard-of', which is not one of the candidates"):
        client.recommend("route", ARMS)


def test_a_fake_can_be_away(fake: Fake) -> None:
    """The app's fallback can be tested without a network."""
    sidecar, client = fake(lambda *_: "large")
    sidecar.away = True

    assert sidecar.away
    assert Source.FALLBACK is client.recommend("route", ARMS).source
    assert RewardOutcome.UNSENT is client.reward("request-17", domain="route", quality=1).outcome


def test_a_fake_settles_once(fake: Fake) -> None:
    """Rewards and releases are answered as the sidecar does: collected, applied, duplicate, closed, unknown."""
    sidecar, client = fake()
    decision = client.recommend("route", ARMS, decision_id="one")
    client.recommend("route", ARMS, decision_id="two")
    outcomes = [
        client.reward(decision, quality=1, more_to_come=True).outcome,
        client.reward(decision, reward=1).outcome,
        client.reward(decision, reward=0).outcome,
        client.reward("never", domain="route", reward=1).outcome,
        client.release(decision).outcome,
        client.release("two", domain="route").outcome,
        client.release("never", domain="route").outcome,
    ]

    assert outcomes == [
        RewardOutcome.COLLECTED,
        RewardOutcome.APPLIED,
        RewardOutcome.DUPLICATE,
        RewardOutcome.UNKNOWN,
        ReleaseOutcome.ALREADY_CLOSED,
        ReleaseOutcome.RELEASED,
        ReleaseOutcome.UNKNOWN,
    ]
    assert sidecar.released == ["two"]
    assert Source.REPLAY is client.recommend("route", ARMS, decision_id="one").source


def test_a_closed_fake_falls_back(fake: Fake) -> None:
    """Closing a fake is like closing a client."""
    _, client = fake()
    client.close()

    assert Source.FALLBACK is client.recommend("route", ARMS).source


def test_sending_the_report_of_a_failed_act_again_says_the_same() -> None:
    """The reward of 0 is kept: a model that failed must not come to count by its latency alone."""
    fake = FakeLearning()
    with pytest.raises(LookupError), fake.decide("route", ["small", "large"]) as decision:
        raise LookupError
    fake.reward(decision)

    assert [reward.signals["reward"] for reward in fake.rewards] == [0.0, 0.0]
