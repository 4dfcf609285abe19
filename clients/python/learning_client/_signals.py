"""Which signals there are, and which values they may have."""

from __future__ import annotations

import math
from typing import TypedDict


class SignalValues(TypedDict, total=False):
    """The signals of an act, all optional; `None` means not observed. The domain declares how they make one reward."""

    reward: float | None
    """The reward itself, 0 to 1. When given it is taken as it is; the others then only feed averages and budgets."""
    quality: float | None
    """How good the result was, within the domain's declared range (0 to 1 unless declared). Higher is better."""
    groundedness: float | None
    """How well the result is supported by its sources, within the declared range. Higher is better."""
    safety: float | None
    """How safe the result was, within the declared range. Higher is better."""
    cost_usd: float | None
    """What the act cost, in US dollars, 0 to 1,000,000."""
    latency_ms: float | None
    """How long the act took, in milliseconds, 0 to 86,400,000. A block measures it, unless it is given."""


RANGES: dict[str, tuple[float, float]] = {
    "reward": (0.0, 1.0),
    # The domain declares the range of these three; the client only knows that they are finite.
    "quality": (-math.inf, math.inf),
    "groundedness": (-math.inf, math.inf),
    "safety": (-math.inf, math.inf),
    "cost_usd": (0.0, 1e6),
    "latency_ms": (0.0, 86_400_000.0),
}


def number(value: object, low: float = -math.inf, high: float = math.inf) -> float | None:
    """Return `value` as a finite float from `low` to `high`, or None when it is not one.

    Whatever converts to float is a number (numpy scalars, Decimal, bool), except text.
    """
    if isinstance(value, (str, bytes, bytearray)):
        return None
    try:
        converted = float(value)  # type: ignore[arg-type]  # that it may not convert is the question asked here
    except Exception:  # noqa: BLE001  # a foreign __float__ may raise anything, and this is the app's path
        return None
    return converted if math.isfinite(converted) and low <= converted <= high else None
