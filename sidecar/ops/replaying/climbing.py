"""Follows a course up and down the gate's ladder: at which decision the gate moved, whereto, and why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from sidecar.ops.gate_lines import mode_name
from sidecar.v1 import learning_pb2 as pb


@dataclass(frozen=True, slots=True)
class Move:
    """One change of stage: `decision` is the number, from 1, of the decision whose reward made the gate move.

    The next decision is the first one under the new stage. `attempt` is the one under way afterwards.
    """

    decision: int
    before: str
    after: str
    attempt: int
    reason: str
    checkpoint_restored: bool


class Climb:
    """The moves of one course.

    A Status keeps only the newest events, so it has to be asked for whenever the mode changed. Of moves within a
    stage (a fresh attempt in canary) the mode says nothing; their place follows from how many samples they had folded,
    since in a replay every epoch is folded with the reward that completes it.

    Args:
        status: of the domain, before the first decision.
    """

    def __init__(self, status: pb.DomainStatus) -> None:
        """Start where the domain stands."""
        self.moves: list[Move] = []
        self._mode = status.mode
        self._newest = status.gate.events[0] if status.gate.events else None
        self._made = 0
        self._sampled: list[int] = []

    def moved(self, decision: pb.RecommendResponse) -> bool:
        """Whether the mode is another than at the decision before: then `read` a Status, before `made`."""
        if decision.degraded or decision.mode == self._mode:
            return False
        self._mode = decision.mode
        return True

    def made(self, decision: pb.RecommendResponse) -> None:
        """Count a decision."""
        self._made += 1
        if decision.sampled:
            self._sampled.append(self._made)

    def read(self, status: pb.DomainStatus) -> None:
        """Take the events that are new."""
        news = list(takewhile(lambda event: event != self._newest, status.gate.events))
        folded = 0
        for event in reversed(news):
            folded += event.decisions
            self.moves.append(_move(event, self._place(folded)))
        if news:
            self._newest = news[0]
            self._sampled = self._sampled[folded:]

    def _place(self, folded: int) -> int:
        """The number of the decision that was the so-manyth sample since the last move."""
        return self._sampled[folded - 1] if 0 < folded <= len(self._sampled) else self._made


def _move(event: pb.GateEvent, decision: int) -> Move:
    before, after = mode_name(event.before), mode_name(event.after)
    return Move(decision, before, after, event.attempt, event.reason, event.checkpoint_restored)
