"""A drill: from some row on arms give half of what they gave, as a model does that was exchanged overnight."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sidecar.errors import InvalidInput
from sidecar.model.signals import Signals
from sidecar.ops.replaying.log import Row

OPTION = "--degrade"
_FORM = re.compile(r"(?P<arm>.+)@(?P<percent>\d+(?:\.\d+)?)%", re.ASCII | re.DOTALL)
_PART_LEFT = 0.5


@dataclass(frozen=True, slots=True)
class Degradation:
    """After `percent` (0 to 100) of a course's rows, the rewards of `arms` are halved; cost and latency stay.

    >>> Degradation(("large",), 60.0).begins_after(1824)
    1095
    """

    arms: tuple[str, ...]
    percent: float

    def begins_after(self, rows: int) -> int:
        """How many of so many rows come before it."""
        return math.ceil(rows * self.percent / 100)

    def of(self, row: Row) -> Row:
        """The row as it is afterwards: the reward of each such arm is an outright half of what it was."""
        signals, rewards = dict(row.signals), dict(row.rewards)  # the order of the candidates stays
        for arm in filter(signals.__contains__, self.arms):
            before, rewards[arm] = signals[arm], rewards[arm] * _PART_LEFT
            signals[arm] = Signals(reward=rewards[arm], cost_usd=before.cost_usd, latency_ms=before.latency_ms)
        return replace(row, signals=signals, rewards=rewards)


def degradation_from(text: str) -> Degradation:
    """What `ARM@PERCENT%` asks for; the last `@` counts, an arm's name may have others.

    Raises:
        InvalidInput: names the option; the text is not of that form, or the percentage is above 100.

    >>> degradation_from("openai/gpt@4@60%")
    Degradation(arms=('openai/gpt@4',), percent=60.0)
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise InvalidInput(OPTION, text, "ARM@PERCENT%, such as large@60%")
    percent = float(found["percent"])
    if percent > 100:  # noqa: PLR2004 - all of it
        raise InvalidInput(OPTION, text, "a percentage from 0 to 100")
    return Degradation((found["arm"],), percent)


def joined(degradations: Sequence[Degradation], rows: Sequence[Row]) -> Degradation | None:
    """All of them as one; None if there are none.

    Raises:
        InvalidInput: names the option; no row has such an arm, or they do not begin together.
    """
    if not degradations:
        return None
    known = dict.fromkeys(name for row in rows for name in row.signals)
    arms = tuple(dict.fromkeys(arm for one in degradations for arm in one.arms))
    for arm in arms:
        if arm not in known:
            raise InvalidInput(OPTION, arm, "an arm of the log: " + ", ".join(known))
    if len(percents := {one.percent for one in degradations}) > 1:
        raise InvalidInput(OPTION, sorted(percents), "the same percentage for every arm")
    return Degradation(arms, percents.pop())


def in_order(rows: Sequence[Row], order: Sequence[int], degradation: Degradation | None) -> list[Row]:
    """The rows of one course: in its order, degraded from where that begins."""
    if degradation is None:
        return [rows[index] for index in order]
    intact = degradation.begins_after(len(order))
    return [rows[index] if at < intact else degradation.of(rows[index]) for at, index in enumerate(order)]
