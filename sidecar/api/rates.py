"""How often a token may do something: a bucket that fills evenly and holds one second's worth, at least one."""

from __future__ import annotations

import time
from collections.abc import Callable

from sidecar.errors import RateExceeded


class Rate:
    """Admits so many a second, in this process.

    Args:
        what: names what is counted, such as `rewards`.
        per_s: how many a second, above 0.
        now: a clock in seconds that never goes back.
    """

    def __init__(self, what: str, per_s: float, now: Callable[[], float] = time.monotonic) -> None:
        """Start full."""
        self._what = what
        self.per_s = per_s
        self._now = now
        self._most = max(1.0, per_s)
        self._left = self._most
        self._at = now()

    def take(self) -> None:
        """Count one.

        Raises:
            RateExceeded: there were too many; says when there is room again.
        """
        now = self._now()
        self._left = min(self._most, self._left + (now - self._at) * self.per_s)
        self._at = now
        if self._left < 1.0:
            raise RateExceeded(self._what, self.per_s, (1.0 - self._left) / self.per_s)
        self._left -= 1.0
