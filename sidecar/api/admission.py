"""Admits calls: a burst waits for its turn, a standing queue is refused.

A queue that empties within a moment has done no harm: a pause of the machine, a burst of one app. One that stays only
makes every answer late. So what counts is the time that a queue stands, not its length, as in CoDel (RFC 8289); here
with one threshold, because who is refused is told when to come again and an app always has its baseline.
"""

from __future__ import annotations

from collections.abc import Callable

BURST_S = 0.1
"""How long more calls than the limit may be in flight."""
QUIET_S = 1.0
"""After so long without more calls than the limit, a queue is forgotten, however many are in flight."""
BURST_FACTOR = 8
"""A burst has no more than so many times the limit."""


class Admission:
    """Counts the calls in flight.

    Args:
        limit: so many calls are always admitted.
        now: seconds from an arbitrary start, never going back.

    >>> clock = iter([0.0, 0.05, 0.1])
    >>> admission = Admission(2, lambda: next(clock))
    >>> [admission.admits() for _ in range(5)]
    [True, True, True, True, False]
    >>> admission.in_flight
    4
    """

    def __init__(self, limit: int, now: Callable[[], float]) -> None:
        """Begin with none."""
        self._limit = limit
        self._now = now
        self._standing_since: float | None = None
        self._over_at = 0.0
        self.in_flight = 0

    def admits(self) -> bool:
        """Whether one more call is admitted; if so it is in flight until `left`."""
        if self.in_flight >= self._limit and not self._is_burst():
            return False
        self.in_flight += 1
        return True

    def left(self) -> None:
        """One call was answered. The queue is taken for gone at half of the limit, so that it cannot hover there."""
        self.in_flight -= 1
        if self._standing_since is not None and self.in_flight <= self._limit // 2:
            self._standing_since = None

    def _is_burst(self) -> bool:
        now = self._now()
        if self._standing_since is None or now - self._over_at > QUIET_S:
            self._standing_since = now
        self._over_at = now
        return now - self._standing_since < BURST_S and self.in_flight < self._limit * BURST_FACTOR
