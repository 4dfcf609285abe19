"""When a sidecar looked at each arm of a domain that is too large to be looked at as a whole.

A few arms at a time, those first that were seen longest ago: a script that reads hundreds of arms would hold up every
other decision.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from typing import NamedTuple

LOOK_MOST = 32
"""So many arms are looked at in one call: some 300 fields, a third of a millisecond of the store."""


class Sighting(NamedTuple):
    """When (monotonic seconds), and as of which version of the domain's statistics."""

    at: float
    version: int


NEVER = Sighting(-math.inf, -1)
"""Of an arm that was never looked at: whatever the store has is newer."""


class Sightings:
    """Of each arm the last one.

    >>> sightings = Sightings()
    >>> sightings.note(["a", "b"], Sighting(at=1.0, version=7))
    >>> sightings.note(["b"], Sighting(at=2.0, version=9))
    >>> sightings.oldest(["a", "b"]), sightings.oldest(["a", "new"]).version
    (Sighting(at=1.0, version=7), -1)
    >>> [name for name in sightings.next(["b", "a", *map(str, range(31))]) if name in "ab"]
    ['a']
    """

    def __init__(self) -> None:
        """Start with none."""
        self._last: dict[str, Sighting] = {}

    def note(self, names: Iterable[str], sighting: Sighting) -> None:
        """These arms were just looked at."""
        self._last.update(dict.fromkeys(names, sighting))

    def clear(self) -> None:
        """Forget them all."""
        self._last.clear()

    def oldest(self, names: Sequence[str]) -> Sighting:
        """Of these arms the one that was seen longest ago; of one that never was, the beginning of time."""
        last = self._last
        return min([last.get(name, NEVER) for name in names])

    def next(self, names: Sequence[str]) -> tuple[str, ...]:
        """Which of these arms to look at now, at most `LOOK_MOST`."""
        if len(names) <= LOOK_MOST:
            return tuple(names)
        last = self._last
        return tuple(nsmallest(LOOK_MOST, names, key=lambda name: last.get(name, NEVER)))
