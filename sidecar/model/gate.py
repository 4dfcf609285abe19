"""What is known of a domain's gate: the phase it is in, what was summed up in it, and what happened before.

All of it is integers, as the store keeps it: nano-nats of evidence, micro-units of reward, parts per million of shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sidecar.model.mode import Mode


@dataclass(frozen=True, slots=True)
class Terms:
    """The constants of a phase. They never change while it lasts: the proof needs that.

    `share_ppm` is q, the probability that a disagreement executes the proposal; 0 in shadow. `mean_micro` is m, the
    control variate. `alpha_ppm` is the error that all attempts share; `loss_max_micro` is what this phase may lose, in
    micro-units of reward. `missing` is the rule for rewards that never come: zero, worst or neutral.
    `missing_ppm` is the baseline's share of missing rewards. `safety_margin_micro` is None when safety is not
    compared; else it is how much worse it may get, and `safety_mean_micro` the baseline's mean.
    """

    share_ppm: int = 0
    mean_micro: int = 500_000
    alpha_ppm: int = 50_000
    loss_max_micro: int = 0
    missing: str = "zero"
    missing_ppm: int = 0
    safety_margin_micro: int | None = None
    safety_mean_micro: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One epoch: decisions in a row, of which `open` still wait for their reward.

    It takes no more decisions once it has `full_at` of them, or at `ends_at_ms`. Each of its `count` decisions, of
    which `exposed` executed the proposal, was charged when it was issued as if its reward never came; `sums` are what
    rewards added to that (empty before the first). `Phase.whole` puts both together.
    """

    number: int
    open: int
    count: int
    full_at: int
    ends_at_ms: int
    exposed: int = 0
    sums: tuple[int, ...] = ()

    def ended(self, newest: int, now_ms: int) -> bool:
        """Whether it takes no more decisions; `newest` is the newest epoch's number."""
        return self.number < newest or self.count >= self.full_at or now_ms >= self.ends_at_ms


@dataclass(frozen=True, slots=True)
class GateEvent:
    """One change of stage: when, from where to where, in which attempt, why, and what the evidence was."""

    at_unix_ms: int
    before: Mode
    after: Mode
    attempt: int
    reason: str
    decisions: int = 0
    checkpoint_restored: bool = False


@dataclass(frozen=True, slots=True)
class GateState:
    """Where a domain stands on the ladder shadow, canary, live, and what the present phase has summed up.

    A phase is named by the control's revision: whatever starts a new phase raises it. `epoch` is the number of the
    newest epoch, `folded` of the last one whose sums are in `totals`. `detector` is log R for each bet, in nano-nats;
    empty before the first epoch of a live phase. `allowance_micro` is how much the phase may still lose as of
    `folded`, None when nothing bounds it; `unfolded_ppm` is what decisions that are not folded yet hold of it, each
    as a total loss. `granted_micro` adds up the allowances of all phases so far. `subject` names what is compared
    (reward and policy).
    """

    stage: Mode = Mode.SHADOW
    attempt: int = 1
    terms: Terms = Terms()
    salt: str = ""
    epoch: int = 1
    folded: int = 0
    unfolded_ppm: int = 0
    allowance_micro: int | None = None
    totals: tuple[int, ...] = ()
    detector: tuple[int, ...] = ()
    cells: Mapping[int, Cell] = field(default_factory=dict)
    promotions: int = 0
    rollbacks: int = 0
    granted_micro: int = 0
    checkpoint_at_ms: int = 0
    subject: str = ""
    subject_before: str = ""
    began_at_ms: int = 0
    events: tuple[GateEvent, ...] = ()

    @property
    def unfolded(self) -> int:
        """How many decisions of the phase are not folded yet."""
        return sum(cell.count for cell in self.cells.values())

    @property
    def has_room(self) -> bool:
        """Whether the allowance has room for one more exposure."""
        held = self.unfolded_ppm + self.terms.share_ppm
        return self.allowance_micro is None or not self.terms.share_ppm or held <= self.allowance_micro

    def settled_cell(self, now_ms: int) -> Cell | None:
        """The next epoch to fold, if it has ended and every reward of it is in or overdue.

        It also ends when the allowance has no room for another exposure: only folding tells whether there is more.
        """
        cell = self.cells.get(self.folded + 1)
        if cell is None or cell.open:
            return None
        return cell if cell.ended(self.epoch, now_ms) or not self.has_room else None


def added(row: Sequence[int], more: Sequence[int]) -> tuple[int, ...]:
    """Two rows of sums as one; both are of one width, or the first is empty."""
    if not row:
        return tuple(more)
    return tuple(a + b for a, b in zip(row, more, strict=True))
