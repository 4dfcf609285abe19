"""Steps over arms that would take longer than the request can wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.features.averages import remembered, upper_estimate
from sidecar.model.arm import Arm
from sidecar.model.decision import Shield, ShieldAction, ShieldEffect
from sidecar.settings.domain import LatencySettings


@dataclass(frozen=True, slots=True)
class LatencyVerdict:
    """Candidates by index: those fast enough, and the others from the fastest to the slowest."""

    allowed: tuple[int, ...]
    too_slow: tuple[int, ...]
    actions: tuple[ShieldAction, ...]


def latency_shield(
    arms: Sequence[Arm], max_latency_us: int | None, settings: LatencySettings, now_ms: int
) -> LatencyVerdict:
    """Divide the candidates by the upper estimate of their recent latency.

    An arm of which nothing recent is known passes: only trying tells. When none passes, the fastest goes first.

    Args:
        arms: the candidates.
        max_latency_us: what the request can wait; None takes the domain's limit.
        settings: the domain's.
        now_ms: by the store's clock.
    """
    if max_latency_us is None and settings.max_ms is not None:
        max_latency_us = round(settings.max_ms * 1000)
    if max_latency_us is None:
        return LatencyVerdict(tuple(range(len(arms))), (), ())
    estimates = [
        upper_estimate(remembered(arm.latency, now_ms, settings.forget_after_s * 1000), settings.quantile)
        for arm in arms
    ]
    allowed = tuple(i for i, estimate in enumerate(estimates) if estimate <= max_latency_us)
    too_slow = sorted((i for i in range(len(arms)) if i not in set(allowed)), key=estimates.__getitem__)
    effects = [ShieldEffect.STEPPED_OVER] * len(too_slow)
    if not allowed:
        effects[0] = ShieldEffect.FASTEST_ANYWAY
    actions = zip(too_slow, effects, strict=True)
    return LatencyVerdict(
        allowed, tuple(too_slow), tuple(ShieldAction(Shield.LATENCY, effect, arms[i].name) for i, effect in actions)
    )
