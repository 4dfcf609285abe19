"""What was observed after an act, and the reward it makes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum


class Signal(StrEnum):
    """The signals that a domain may weigh."""

    QUALITY = "quality"
    GROUNDEDNESS = "groundedness"
    SAFETY = "safety"
    COST_USD = "cost_usd"
    LATENCY_MS = "latency_ms"


LOWER_IS_BETTER = frozenset({Signal.COST_USD, Signal.LATENCY_MS})


@dataclass(frozen=True, slots=True)
class Signals:
    """Raw observations; None means not observed. `reward`, when given, is the reward itself."""

    reward: float | None = None
    quality: float | None = None
    groundedness: float | None = None
    safety: float | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None

    def observed(self) -> dict[str, float]:
        """The signals that were observed, by name."""
        pairs = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: value for name, value in pairs if value is not None}

    def completed_by(self, later: Signals) -> Signals:
        """These, with what is missing taken from `later`: the first report of a signal counts."""
        return Signals(**{**later.observed(), **self.observed()})


@dataclass(frozen=True, slots=True)
class Contribution:
    """One signal's part in a reward: value as reported, on the declared range, and its share of the weights."""

    signal: str
    value: float
    normalized: float
    weight: float


@dataclass(frozen=True, slots=True)
class RewardResult:
    """A reward in [0, 1], how it came about, and which declared signals were not there."""

    reward: float
    breakdown: tuple[Contribution, ...] = ()
    missing: tuple[str, ...] = ()
