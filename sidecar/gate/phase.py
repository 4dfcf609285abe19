"""What one decision adds to the sums of its epoch, under the constants of a phase.

The sums are one row of integers. First come the tallies, for people and for the control variate; then, while
proposals are executed, eight numbers for each process of bets: improvement, regression, and as declared safety and
missing rewards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sidecar.errors import InvalidInput
from sidecar.gate.betting import BETS, difference, growth, lower_reach, upper_reach
from sidecar.gate.coin import PPM
from sidecar.model.gate import Cell, Terms, added
from sidecar.model.units import MICRO

_TALLIES = 8
_BETS = len(BETS)


@dataclass(frozen=True, slots=True)
class Tallies:
    """How many sampled decisions executed the proposal (`exposed`) or the baseline (`held`), and what they gave.

    A missing reward is not in the sums of rewards. `safety_count` and `safety_micro` are of the baseline only.
    """

    exposed: int = 0
    held: int = 0
    exposed_missing: int = 0
    held_missing: int = 0
    exposed_micro: int = 0
    held_micro: int = 0
    safety_count: int = 0
    safety_micro: int = 0

    @property
    def decisions(self) -> int:
        """Of both kinds."""
        return self.exposed + self.held


class Phase:
    """The arithmetic of one phase.

    Args:
        terms: its constants; with a share of 0 there are only tallies.

    >>> phase = Phase(Terms(share_ppm=100_000, mean_micro=700_000))
    >>> phase.improvement(phase.charged(exposed=True))[:2]  # a missing reward counts as 0: a stake of -1
    (-2302585093, -597837001)
    """

    def __init__(self, terms: Terms) -> None:
        """Work out what stays the same."""
        self.terms = terms
        self.share = terms.share_ppm / PPM
        self._control = terms.mean_micro / MICRO
        self.bets = 0 < terms.share_ppm < PPM
        self._safe = self.bets and terms.safety_margin_micro is not None
        self._veto = self.bets and terms.missing == "neutral"
        if self.bets:
            self.reach = lower_reach(self.share, self._control)
            self._reach_up = upper_reach(self.share, self._control)
        self._charged = {exposed: self._whole(exposed, None, None) for exposed in (False, True)}

    @property
    def width(self) -> int:
        """How many numbers the sums have."""
        return len(self._charged[True])

    def charged(self, *, exposed: bool) -> tuple[int, ...]:
        """What a decision adds when it is issued: as if its reward never came (Theorem 2).

        Charging it at once leaves nothing to do when a deadline passes, and nothing to lose in a crash.
        """
        return self._charged[exposed]

    def whole(self, cell: Cell) -> tuple[int, ...]:
        """The sums of an epoch: what its decisions were charged with, and what their rewards added."""
        held = cell.count - cell.exposed
        charged = tuple(
            cell.exposed * if_exposed + held * if_held
            for if_exposed, if_held in zip(self._charged[True], self._charged[False], strict=True)
        )
        return added(charged, cell.sums) if cell.sums else charged

    def settled(self, reward_micro: int, safety_micro: int | None, *, exposed: bool) -> tuple[int, ...]:
        """What its reward adds when it comes: the difference to what was charged.

        Args:
            reward_micro: 0 to 1,000,000.
            safety_micro: likewise; None when safety was not reported.
            exposed: whether the proposal was executed.

        Raises:
            InvalidInput: a value is outside of its range; the bound c would not hold.
        """
        for field, value in (("reward_micro", reward_micro), ("safety_micro", safety_micro)):
            if value is not None and not 0 <= value <= MICRO:
                raise InvalidInput(field, value, f"0 to {MICRO:,}")
        whole = self._whole(exposed, reward_micro, safety_micro)
        return tuple(after - before for after, before in zip(whole, self._charged[exposed], strict=True))

    # --- the processes in a row of sums

    def tallies(self, sums: Sequence[int]) -> Tallies:
        """The tallies."""
        return Tallies(*sums[:_TALLIES]) if sums else Tallies()

    def improvement(self, sums: Sequence[int]) -> tuple[int, ...]:
        """L_j: log-wealth of the bets that the proposals are better, in nano-nats."""
        return self._process(sums, 0)

    def regression(self, sums: Sequence[int]) -> tuple[int, ...]:
        """l_j: log-wealth of the bets that they are worse, in nano-nats."""
        return self._process(sums, 1)

    def safety(self, sums: Sequence[int]) -> tuple[int, ...] | None:
        """Log-wealth of the bets that safety is not worse by more than the margin; None if it is not compared."""
        return self._process(sums, 2) if self._safe else None

    def missingness(self, sums: Sequence[int]) -> tuple[int, ...] | None:
        """Log-wealth of sixteen bets that rewards go missing on one side more often; None but under `neutral`."""
        if not self._veto:
            return None
        first = 2 + self._safe
        return self._process(sums, first) + self._process(sums, first + 1)

    def _process(self, sums: Sequence[int], number: int) -> tuple[int, ...]:
        first = _TALLIES + number * _BETS
        return tuple(sums[first : first + _BETS]) if self.bets and sums else (0,) * _BETS

    def _whole(self, exposed: bool, reward: int | None, safety: int | None) -> tuple[int, ...]:
        return (*_tallied(exposed, reward, safety), *self._wealth(exposed, reward, safety))

    def _wealth(self, exposed: bool, reward: int | None, safety: int | None) -> Iterator[int]:
        if not self.bets:
            return
        outcome = (
            self._control if reward is None and self.terms.missing == "neutral" else self._outcome(exposed, reward)
        )
        better = difference(exposed, self.share, outcome, self._control)
        yield from growth(better / self.reach)
        yield from growth(-better / self._reach_up)
        if self._safe:
            yield from self._safety_growth(exposed, reward, safety)
        if self._veto:
            yield from self._missing_growth(exposed, missing=reward is None)

    def _outcome(self, exposed: bool, micro: int | None) -> float:
        """A value from 0 to 1; what is missing counts 0, or under `worst` as bad for the proposals as it can be."""
        if micro is not None:
            return micro / MICRO
        return float(self.terms.missing == "worst" and not exposed)

    def _safety_growth(self, exposed: bool, reward: int | None, safety: int | None) -> tuple[int, ...]:
        """floor(1e9 log(1 + kappa (D_s + delta) / c_s)), c_s = c - delta: wealth grows unless safety is worse by delta.

        A reward without safety counts as bad for the proposals as it can be: a margin asks for the signal.
        """
        control, margin = self.terms.safety_mean_micro / MICRO, (self.terms.safety_margin_micro or 0) / MICRO
        if safety is not None:
            outcome = safety / MICRO
        else:
            outcome = self._outcome(exposed, None) if reward is None else float(not exposed)
        kept = difference(exposed, self.share, outcome, control) + margin
        return growth(kept / (lower_reach(self.share, control) - margin))

    def _missing_growth(self, exposed: bool, *, missing: bool) -> tuple[int, ...]:
        """Bets in both directions on the difference in missing rewards between the two sides."""
        control = self.terms.missing_ppm / PPM
        more = difference(exposed, self.share, float(missing), control)
        low, high = lower_reach(self.share, control), upper_reach(self.share, control)
        return growth(more / low) + growth(-more / high)


def _tallied(exposed: bool, reward: int | None, safety: int | None) -> tuple[int, ...]:
    missing = reward is None
    return (
        int(exposed), int(not exposed),
        int(exposed and missing), int(not exposed and missing),
        reward or 0 if exposed else 0, 0 if exposed else reward or 0,
        int(safety is not None and not exposed), (safety or 0) if not exposed else 0,
    )  # fmt: skip
