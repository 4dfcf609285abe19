"""In which order candidates are preferred, in tiers: the first tier with an allowed candidate decides.

Shadow puts the baseline alone in the first tier; arms that are too slow form the last one. Within a tier
a `Choice` says how likely each is, so the probability of the executed arm stays exact whatever is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from sidecar.policies.choice import Choice, Tally


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
    indices = tier.indices
    return [indices[place] for place in tier.choice.rank(rng)]


class Odds:
    """How likely a candidate is executed, while more and more candidates become allowed; exact.

    Args:
        tiers: the first with an allowed candidate decides.
    """

    def __init__(self, tiers: Sequence[Tier]) -> None:
        """Start with nothing allowed."""
        self._tallies = [(Tally(tier.choice), {i: place for place, i in enumerate(tier.indices)}) for tier in tiers]

    def allow(self, indices: Sequence[int]) -> None:
        """Allow more candidates, each once."""
        for tally, places in self._tallies:
            tally.allow([places[index] for index in indices if index in places])

    def of(self, index: int) -> float:
        """The probability that the allowed candidate `index` is the first allowed one."""
        tally, places = next(one for one in self._tallies if one[0].count)
        return tally.probability(places[index]) if index in places else 0.0
