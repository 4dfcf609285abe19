"""Checks of declared parameters, which come from settings files and snapshots and may hold anything."""

from __future__ import annotations

from sidecar.errors import InvalidInput
from sidecar.model.units import bounded


def declared(field: str, value: float, low: float, high: float) -> float:
    """Return `value` as a float, or raise InvalidInput unless it is a number within [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(field, value, f"a number from {low:,.16g} to {high:,.16g}")
    return float(bounded(field, value, low, high))
