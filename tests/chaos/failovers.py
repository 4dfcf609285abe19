"""Which fault strikes when, where servers fail over: drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from .faults import Strike

_FIRST_S = (0.5, 2.0)
_AGAIN_S = (4.0, 6.0)
_MOVES_S = (2.0, 4.0)
_GAP_S = (0.3, 1.2)
_LASTS_S = (0.03, 0.35)
_SHARDS = 10_000
"""A shard is drawn by a number below this."""


def failover_schedule(
    seed: int, load_s: float, *, blows: Sequence[str], moves: Sequence[str], others: Sequence[str]
) -> list[Strike]:
    """The faults of one round: the same for the same seed.

    Args:
        seed: of the round.
        load_s: seconds of load, at least 2: the first failover begins within two seconds, so there is always one.
        blows: after which another server is the primary; some seconds apart, for the servers have to be whole again.
        moves: of slots, if there are any; every two to four seconds, as soon as the servers are whole.
        others: all else; every 0.3 to 1.2 s.
    """
    rng = random.Random(seed)
    strikes = []
    for names, first, gap in ((blows, _FIRST_S, _AGAIN_S), (moves, _GAP_S, _MOVES_S), (others, _GAP_S, _GAP_S)):
        at = rng.uniform(*first)
        while names and at < load_s:
            strikes.append(Strike(at, rng.choice(names), rng.uniform(*_LASTS_S), rng.randrange(_SHARDS)))
            at += rng.uniform(*gap)
    return sorted(strikes, key=lambda strike: strike.at_s)
