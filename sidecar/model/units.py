"""Integer units. State holds integers only: exact, free of order, mergeable.

Rewards are micro-units (1.0 is 1,000,000), squared rewards nano-units, money nano-dollars, time
microseconds or milliseconds.
"""

from __future__ import annotations

import math

from sidecar.errors import InvalidInput

MICRO = 1_000_000
NANO = 1_000_000_000

# Lua computes with doubles, which are exact up to 2**53; 2**53 nano-dollars are 9.007 million dollars.
LIMIT_USD_MAX = 9_000_000.0
COST_USD_MAX = 1_000_000.0
LATENCY_MS_MAX = 86_400_000.0


def bounded(field: str, value: float, low: float, high: float) -> float:
    """Return `value`, or raise InvalidInput unless it is finite and within [low, high]."""
    if math.isfinite(value) and low <= value <= high:
        return value
    raise InvalidInput(field, value, f"a number from {low:,.16g} to {high:,.16g}")


def nano_usd(usd: float) -> int:
    """Nano-dollars of an amount that was paid, to the nearest."""
    return round(usd * NANO)


def nano_usd_ceiling(usd: float) -> int:
    """Nano-dollars that surely cover an amount: the exact amount when it has nine decimals, else rounded up."""
    nearest = round(usd * NANO)
    return nearest if math.isclose(nearest, usd * NANO, rel_tol=1e-12) else math.ceil(usd * NANO)


def usd(nano: int) -> float:
    """Dollars of an amount in nano-dollars."""
    return nano / NANO


def reward_micro(reward: float) -> int:
    """Micro-units of a reward in [0, 1], to the nearest."""
    return round(reward * MICRO)


def reward_sq_nano(micro: int) -> int:
    """Nano-units of the square of a reward given in micro-units, to the nearest."""
    return (micro * micro + 500) // 1000
