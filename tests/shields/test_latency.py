"""Goal: slow arms are stepped over, and tried again. Method: arms with known latencies."""

from __future__ import annotations

import pytest

from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.decision import ShieldEffect
from sidecar.settings.domain import LatencySettings
from sidecar.shields.latency import latency_shield


def arm(name: str, *latencies_us: int, at_ms: int = 1000) -> Arm:
    """An arm with these recent latencies."""
    mean = sum(latencies_us) // max(1, len(latencies_us))
    return Arm(name, latency=SlidingAverage(mean, latencies_us, at_ms if latencies_us else 0))


FAST, SLOW, TAIL, NEW = arm("fast", 100, 110), arm("slow", 900, 950), arm("tail", 100, 100, 5000), arm("new")


def test_arms_beyond_the_limit_are_stepped_over() -> None:
    """By a high quantile, not by the mean; an arm of which nothing is known passes."""
    verdict = latency_shield([FAST, SLOW, TAIL, NEW], 500, LatencySettings(), now_ms=2000)

    assert verdict.allowed == (0, 3)
    assert verdict.too_slow == (1, 2)
    assert [(one.arm, one.effect) for one in verdict.actions] == [
        ("slow", ShieldEffect.STEPPED_OVER),
        ("tail", ShieldEffect.STEPPED_OVER),
    ]


def test_when_none_remains_the_fastest_goes_first() -> None:
    """An app gets an arm in any case."""
    verdict = latency_shield([SLOW, TAIL, FAST], 50, LatencySettings(), now_ms=2000)

    assert (verdict.allowed, verdict.too_slow) == ((), (2, 0, 1))
    assert verdict.actions[0].effect is ShieldEffect.FASTEST_ANYWAY


def test_old_samples_are_forgotten() -> None:
    """Else an arm that was slow once would never be measured again."""
    settings = LatencySettings(forget_after_s=300)

    assert latency_shield([SLOW], 500, settings, now_ms=301_000).allowed == ()
    assert latency_shield([SLOW], 500, settings, now_ms=301_001).allowed == (0,)


@pytest.mark.parametrize(("asked_us", "allowed"), [(None, (0,)), (1000, (0, 1))])
def test_the_request_wins_over_the_domain(asked_us: int | None, allowed: tuple[int, ...]) -> None:
    """The domain's limit is for requests that do not say."""
    verdict = latency_shield([FAST, SLOW], asked_us, LatencySettings(max_ms=0.5), now_ms=2000)
    assert verdict.allowed == allowed


def test_without_a_limit_everything_passes() -> None:
    """Nothing is sorted, nothing is said."""
    assert latency_shield([SLOW], None, LatencySettings(), now_ms=0).actions == ()
