"""Goal: signals become the declared reward. Method: properties over any declaration, and the arithmetic by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import InvalidInput
from sidecar.model.signals import Signal, Signals
from sidecar.rewards.engine import RewardEngine
from sidecar.rewards.pipe import RewardPipe, collected_signals
from sidecar.settings.domain import RewardSettings, SignalSettings

WEIGHED = RewardSettings(
    signals={
        Signal.QUALITY: SignalSettings(weight=3),
        Signal.COST_USD: SignalSettings(weight=1, high=0.02),
        Signal.LATENCY_MS: SignalSettings(weight=1, low=100, high=1100),
    }
)
unit = st.floats(0, 1)
weights = st.floats(0.001, 1e6)


def reward(settings: RewardSettings = WEIGHED, *, final: bool = True, **signals: float) -> float:
    """The reward of these signals."""
    return RewardEngine(settings).result(Signals(**signals), final=final).reward


def test_the_arithmetic() -> None:
    """Weights by share, cost and latency from their worse end."""
    assert reward(quality=0.9, cost_usd=0.005, latency_ms=350) == pytest.approx((3 * 0.9 + 0.75 + 0.75) / 5)


@given(quality=unit, cost=st.floats(0, 1e6), latency=st.floats(0, 86_400_000), weight=weights, other=weights)
def test_the_reward_is_in_the_unit_interval(
    quality: float, cost: float, latency: float, weight: float, other: float
) -> None:
    """Whatever the weights, and however far cost and latency lie beyond their ranges."""
    settings = RewardSettings(
        signals={
            Signal.QUALITY: SignalSettings(weight=weight),
            Signal.COST_USD: SignalSettings(weight=other, high=0.1),
            Signal.LATENCY_MS: SignalSettings(weight=weight, high=10),
        }
    )
    assert 0 <= reward(settings, quality=quality, cost_usd=cost, latency_ms=latency) <= 1


@given(one=unit, other=unit, cost=st.floats(0, 1))
def test_better_quality_is_never_worse(one: float, other: float, cost: float) -> None:
    """The reward grows with quality."""
    low, high = sorted((one, other))
    assert reward(quality=low, cost_usd=cost) <= reward(quality=high, cost_usd=cost)


@given(one=st.floats(0, 1), other=st.floats(0, 1), quality=unit)
def test_higher_cost_is_never_better(one: float, other: float, quality: float) -> None:
    """The reward falls with cost."""
    low, high = sorted((one, other))
    assert reward(quality=quality, cost_usd=low) >= reward(quality=quality, cost_usd=high)


@given(quality=unit, cost=st.floats(0, 1), latency=st.floats(0, 5000))
def test_the_breakdown_adds_up(quality: float, cost: float, latency: float) -> None:
    """Shares add up to 1, and contributions to the reward."""
    result = RewardEngine(WEIGHED).result(Signals(quality=quality, cost_usd=cost, latency_ms=latency))

    assert sum(part.weight for part in result.breakdown) == pytest.approx(1)
    assert sum(part.weight * part.normalized for part in result.breakdown) == pytest.approx(result.reward, abs=1e-12)


def test_missing_signals_by_rule() -> None:
    """Skipped, counted as the worst, or refused."""
    for rule, expected in (("skip", 0.8), ("worst", 3 * 0.8 / 5)):
        settings = RewardSettings(signals=WEIGHED.signals, missing_signal=rule)
        assert reward(settings, quality=0.8) == pytest.approx(expected)
    required = RewardSettings(signals=WEIGHED.signals, missing_signal="required")
    with pytest.raises(InvalidInput, match=r"signals\.cost_usd"):
        reward(required, quality=0.8)
    assert reward(required, final=False, quality=0.8) == pytest.approx(0.8)


def test_a_reward_given_outright_is_taken() -> None:
    """The other signals then only feed averages and budgets."""
    assert reward(reward=0.25, quality=1.0) == 0.25


def test_signals_without_weight_make_no_reward() -> None:
    """The error says which would."""
    with pytest.raises(InvalidInput, match="quality, cost_usd, latency_ms"):
        reward(safety=1.0)


@pytest.mark.parametrize(
    ("signals", "field"),
    [
        ({"quality": 1.0001}, "signals.quality"),
        ({"groundedness": -0.1}, "signals.groundedness"),
        ({"cost_usd": float("nan")}, "signals.cost_usd"),
        ({"latency_ms": float("inf")}, "signals.latency_ms"),
        ({"reward": 2.0}, "signals.reward"),
    ],
)
def test_impossible_values_are_refused(signals: dict[str, float], field: str) -> None:
    """By the name of the signal."""
    with pytest.raises(InvalidInput) as caught:
        RewardEngine(WEIGHED).check(Signals(**signals))
    assert caught.value.field == field


def test_a_declared_range_is_the_allowed_one() -> None:
    """Thumbs from 1 to 5 are declared as such."""
    settings = RewardSettings(signals={Signal.QUALITY: SignalSettings(low=1, high=5)})
    RewardEngine(settings).check(Signals(quality=5.0))
    assert reward(settings, quality=2.0) == 0.25


@given(first=unit, later=unit)
def test_the_pipe_keeps_the_first_value(first: float, later: float) -> None:
    """A repeated partial report cannot change what was collected."""
    pipe = RewardPipe(RewardEngine(WEIGHED))
    kept = pipe.joined(Signals(quality=first), "", final=False)
    collected = f"{kept.reward_micro} {kept.reward_sq_nano}   {kept.signals_json}"
    joined = pipe.joined(Signals(quality=later, cost_usd=0.01), collected, final=True)

    assert collected_signals(collected) == Signals(quality=first)
    assert joined.result == RewardEngine(WEIGHED).result(Signals(quality=first, cost_usd=0.01))
