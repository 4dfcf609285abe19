"""From signals to one reward in [0, 1].

    reward = sum_s w_s x_s / sum_s w_s        over the declared signals s that were observed

x_s is the signal's place on its declared range, 0 the worst end and 1 the best; for cost and latency the
low end is the best. What a missing signal does is declared: its weight is spread over the others (`skip`),
it counts as the worst (`worst`), or the report is refused (`required`).
"""

from __future__ import annotations

from sidecar.errors import InvalidInput
from sidecar.model.signals import LOWER_IS_BETTER, Contribution, RewardResult, Signal, Signals
from sidecar.model.units import COST_USD_MAX, LATENCY_MS_MAX, bounded
from sidecar.settings.domain import RewardSettings, SignalSettings


class RewardEngine:
    """Makes rewards by one domain's declaration.

    >>> from sidecar.settings.domain import RewardSettings, SignalSettings
    >>> engine = RewardEngine(RewardSettings(signals={
    ...     Signal.QUALITY: SignalSettings(weight=3), Signal.COST_USD: SignalSettings(weight=1, high=0.02)}))
    >>> engine.result(Signals(quality=0.9, cost_usd=0.005)).reward
    0.8625
    """

    def __init__(self, settings: RewardSettings) -> None:
        """Keep what is declared, without signals that weigh nothing."""
        self._missing_rule = settings.missing_signal
        self._declared = {signal: one for signal, one in settings.signals.items() if one.weight > 0}

    def scores(self, signals: Signals) -> bool:
        """Whether these signals make a reward at all."""
        return signals.reward is not None or any(getattr(signals, name) is not None for name in self._declared)

    def suffices(self, signals: Signals) -> bool:
        """Whether these signals make a final reward."""
        if signals.reward is not None or self._missing_rule != "required":
            return self.scores(signals)
        return all(getattr(signals, name) is not None for name in self._declared)

    def result(self, signals: Signals, *, final: bool = True) -> RewardResult:
        """The reward that the signals make, with its breakdown.

        Args:
            signals: validated, see `check`.
            final: whether more may come; a partial report need not have what is required.

        Raises:
            InvalidInput: no signal that the domain weighs, or a required one is missing.
        """
        if signals.reward is not None:
            return RewardResult(signals.reward)
        missing = tuple(name for name in self._declared if getattr(signals, name) is None)
        if not self.scores(signals):
            allowed = f"reward, or at least one of {', '.join(self._declared)}"
            raise InvalidInput("signals", sorted(signals.observed()), allowed)
        if missing and final and self._missing_rule == "required":
            raise InvalidInput(f"signals.{missing[0]}", None, "a value: the domain declares its signals required")
        breakdown = self._breakdown(signals, counted_missing=missing if self._missing_rule == "worst" else ())
        reward = sum(part.normalized * part.weight for part in breakdown)
        return RewardResult(min(1.0, max(0.0, reward)), breakdown, missing)

    def safety(self, signals: Signals) -> float | None:
        """The safety on its declared range, 0 to 1; None if it was not reported."""
        if signals.safety is None:
            return None
        return normalized(Signal.SAFETY, signals.safety, self._declared.get(Signal.SAFETY, SignalSettings()))

    def check(self, signals: Signals) -> None:
        """Refuse values that no report may have.

        Raises:
            InvalidInput: names the signal, its value and what is allowed.
        """
        for name, value in signals.observed().items():
            low, high = self._allowed(name)
            bounded(f"signals.{name}", value, low, high)

    def _allowed(self, name: str) -> tuple[float, float]:
        if name == Signal.COST_USD:
            return 0.0, COST_USD_MAX
        if name == Signal.LATENCY_MS:
            return 0.0, LATENCY_MS_MAX
        declared = None if name == "reward" else self._declared.get(Signal(name))
        return (declared.low, declared.high) if declared else (0.0, 1.0)

    def _breakdown(self, signals: Signals, *, counted_missing: tuple[Signal, ...]) -> tuple[Contribution, ...]:
        counted = [
            (name, declared, getattr(signals, name))
            for name, declared in self._declared.items()
            if getattr(signals, name) is not None or name in counted_missing
        ]
        total = sum(declared.weight for _, declared, _ in counted)
        return tuple(
            Contribution(name, worst_end(name, declared), 0.0, declared.weight / total)
            if value is None
            else Contribution(name, value, normalized(name, value, declared), declared.weight / total)
            for name, declared, value in counted
        )


def normalized(name: Signal, value: float, declared: SignalSettings) -> float:
    """A value's place on its range, clipped to [0, 1]; 1 is the better end."""
    place = min(1.0, max(0.0, (value - declared.low) / (declared.high - declared.low)))
    return 1.0 - place if name in LOWER_IS_BETTER else place


def worst_end(name: Signal, declared: SignalSettings) -> float:
    """The value that normalizes to 0."""
    return declared.high if name in LOWER_IS_BETTER else declared.low
