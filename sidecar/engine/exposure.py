"""What the gate's coin makes of one decision, for each amount of money that may be left.

The coin is tossed once, with the decision's id, but its side counts only where the budget affords the proposal *and*
the baseline, and only where they differ. Where one cannot be paid for there is no coin; where both are the same arm it
is executed, and the decision is no sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.engine.preference import Odds, Tier

BASELINE = 0
"""The index of the first candidate."""


@dataclass(frozen=True, slots=True)
class Tossed:
    """A decision by proposal and coin: what is proposed, what is executed, and how probable that was."""

    proposal: int
    executed: int
    propensity: float


class Exposure:
    """Follows the proposal while more and more candidates become affordable.

    Args:
        learned: the candidates that the policy may choose from, and its choice.
        order: the same, as drawn.
        share: the probability of the coin's side `exposed`.
        exposed: whether the coin says to execute the proposal.
    """

    def __init__(self, learned: Tier, order: Sequence[int], share: float, *, exposed: bool) -> None:
        """Start with nothing affordable."""
        self._odds = Odds([learned])
        self._order = order
        self._rank = {index: at for at, index in enumerate(order)}
        self._first = len(order)
        self._share = share
        self._exposed = exposed
        self._baseline_affordable = False

    def allow(self, indices: Sequence[int]) -> None:
        """More candidates are affordable."""
        self._first = min([self._first, *(self._rank[index] for index in indices if index in self._rank)])
        self._baseline_affordable |= BASELINE in indices
        self._odds.allow(indices)

    def tossed(self) -> Tossed | None:
        """The decision; None where baseline and proposal cannot both be paid for."""
        if self._first == len(self._order) or not self._baseline_affordable:
            return None
        proposal = self._order[self._first]
        if self._exposed and proposal != BASELINE:
            return Tossed(proposal, proposal, self._share * self._odds.of(proposal))
        agreeing = self._odds.of(BASELINE)
        return Tossed(proposal, BASELINE, agreeing + (1 - self._share) * (1 - agreeing))

    def preferred(self) -> Sequence[int]:
        """What the policy preferred to the proposal, but was not affordable."""
        return self._order[: self._first]
