"""Keeps callers from waiting, one after the other, for a server that does not answer.

    closed --(5 calls in a row without an answer)--> open --(a pause)--> half open: one call is let through
      ^                                                ^                     |
      +-------------(any answer)-----------------------+---(none again)------+

It knows what a `Stream` does not: a stream fails at once while there is no connection; behind a connection there may
still be a server that hangs, loads its data or refuses everything, and each caller would find that out by itself.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from random import Random

from sidecar.store.refusals import Kind, Refused

_log = logging.getLogger(__name__)

FAILURES = 5
"""So many calls in a row without an answer open it."""
WAITED_S = 0.25
"""Who gave up sooner says nothing of the server, unless the store's own time-out is shorter."""
PAUSE_S = 0.5
"""At most so long it is open before another call is let through; half of that at least."""

REFUSALS = frozenset({
    Kind.LOADING, Kind.BUSY, Kind.READONLY, Kind.MASTERDOWN, Kind.NOREPLICAS, Kind.OOM, Kind.NOAUTH, Kind.WRONGPASS,
    Kind.NOPERM, Kind.CLUSTERDOWN, Kind.MISCONF,
})  # fmt: skip
"""What a server says that would refuse any other decision too; all else concerns the one call."""


class State(StrEnum):
    """Whether calls go to the server."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Breaker:
    """Of one server. All times are in seconds, by any clock that only goes forward.

    Args:
        patience_s: how long the server may take for an answer, and how long the one call that is let through counts.
        jitter: spreads the attempts of many sidecars.
    """

    __slots__ = ("__weakref__", "_jitter", "_next_at", "_patience_s", "failures", "state", "tripped")

    def __init__(self, patience_s: float, jitter: Random | None = None) -> None:
        """Start closed."""
        self._patience_s = patience_s
        self._jitter = jitter or Random()  # noqa: S311 - spreads load, keeps no secret
        self._next_at = 0.0
        self.failures = 0
        """So many calls in a row had no answer; while it is 0, `answered` need not be called."""
        self.state = State.CLOSED
        self.tripped = False
        """Whether it is not closed; until then `admits` need not be asked. An Enum's member takes 0.2 us to look up."""

    def admits(self, now: float) -> bool:
        """Whether a call may go to the server; of those that come while it is open, one after each pause."""
        if not self.tripped:
            return True
        if now < self._next_at:
            return False
        if self.state is State.OPEN:
            _log.debug("the store is asked once more")
        self.state, self._next_at = State.HALF_OPEN, now + self._patience_s
        return True

    def answered(self) -> None:
        """The server answered a call, whichever: it works."""
        self.failures = 0
        if self.tripped:
            self.state, self.tripped = State.CLOSED, False
            _log.info("the store answers again: calls go to it")

    def failed(self, error: Refused | OSError, waited_s: float, now: float) -> None:
        """A call had no answer after `waited_s` seconds, for this reason."""
        if isinstance(error, Refused) and error.kind not in REFUSALS:
            self.answered()
        elif isinstance(error, TimeoutError) and waited_s < min(WAITED_S, self._patience_s):
            self.left(now)
        else:
            self._missed(error, now)

    def left(self, now: float) -> None:
        """A caller did not wait for the answer: if it was the one let through, the next may go in its place."""
        if self.state is State.HALF_OPEN:
            self._next_at = now

    def _missed(self, error: Refused | OSError, now: float) -> None:
        self.failures += 1
        if self.state is State.OPEN or (self.state is State.CLOSED and self.failures < FAILURES):
            return
        if self.state is State.CLOSED:
            _log.warning("the store gave %d calls in a row no answer: calls fail at once (%s)", self.failures, error)
        else:
            _log.debug("the store still does not answer: %s", error)
        self.state, self.tripped = State.OPEN, True
        self._next_at = now + PAUSE_S * (0.5 + self._jitter.random() / 2)
