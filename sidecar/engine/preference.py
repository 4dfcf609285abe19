"""In which order candidates are preferred, in tiers: the first tier with an allowed candidate decides.

Shadow puts the baseline alone in the first tier; arms that are too slow form the last one. Within a tier
a `Choice` says how likely each is, so the probability of the executed arm stays exact whatever is allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

from sidecar.policies.choice import Choice


@dataclass(frozen=True, slots=True)
class Tier:
    """Candidates by index, and the choice among them (by their place in `indices`)."""

    indices: tuple[int, ...]
    choice: Choice


def fixed(indices: Sequence[int]) -> Tier:
    """A tier without chance: the first allowed of `indices`."""
    return Tier(tuple(indices), Choice(scores=tuple(-float(place) for place in range(len(indices)))))


def ranked(tier: Tier, rng: Random) -> list[int]:
    """Draw an order of one tier's candidates."""
    return [tier.indices[place] for place in tier.choice.rank(rng)]


def propensity(tiers: Sequence[Tier], chosen: int, allowed: Collection[int]) -> float:
    """The exact probability that `chosen` is the first allowed candidate."""
    for tier in tiers:
        places = [place for place, index in enumerate(tier.indices) if index in allowed]
        if places:
            given = tier.choice.given(places)
            return given[tier.indices.index(chosen)] if chosen in tier.indices else 0.0
    return 0.0
