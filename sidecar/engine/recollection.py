"""What was worked out from a view and may be used again, as long as it may be."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

from sidecar.clock import Clock
from sidecar.model.view import DomainView

V = TypeVar("V")

_MOST = 64


class _Kept(NamedTuple):
    value: object
    view: DomainView
    made_at: float


class Recollection(Generic[V]):
    """Values by key; one may be used while the view that it was made from is the latest, or is not old.

    Args:
        clock: for ages.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with nothing."""
        self._clock = clock
        self._kept: dict[Hashable, _Kept] = {}

    def get(self, key: Hashable, view: DomainView, age_ms_max: float) -> V | None:
        """The value for a key, if it is as of `view`, or was made less than so many milliseconds ago."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.view is view or (self._clock.monotonic() - kept.made_at) * 1000 < age_ms_max:
            return kept.value  # type: ignore[return-value]  # put made sure
        del self._kept[key]
        return None

    def put(self, key: Hashable, value: V, view: DomainView) -> V:
        """Keep a value that was made from a view; when there are too many, forget the oldest."""
        if len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = _Kept(value, view, self._clock.monotonic())
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
