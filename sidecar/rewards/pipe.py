"""Collects the raw signals of one decision, which may arrive in several calls, and yields its reward.

The pipe itself is pure: what was collected so far travels as one opaque text through the store, so any
sidecar can take the next report. Of each signal the first value counts; a repeated report changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from sidecar.errors import InvalidInput
from sidecar.model.signals import RewardResult, Signals
from sidecar.model.units import nano_usd, reward_micro, reward_sq_nano
from sidecar.rewards.engine import RewardEngine

_HEAD_PARTS = 4


@dataclass(frozen=True, slots=True)
class Report:
    """One report joined with those before it, in the store's units; `result` is for the log and the answer.

    A partial report may not make a reward yet: then `result` and the figures of the reward are None.
    """

    result: RewardResult | None
    reward_micro: int | None
    reward_sq_nano: int | None
    cost_nano: int | None
    latency_us: int | None
    safety_micro: int | None
    signals_json: str


class RewardPipe:
    """Joins reports of one domain.

    Args:
        engine: makes the reward.
    """

    def __init__(self, engine: RewardEngine) -> None:
        """Keep the engine."""
        self._engine = engine

    def suffices(self, signals: Signals) -> bool:
        """Whether these signals alone make a final reward."""
        return self._engine.suffices(signals)

    def check(self, signals: Signals) -> None:
        """Refuse values that no report may have.

        Raises:
            InvalidInput: names the signal, its value and what is allowed.
        """
        self._engine.check(signals)

    def joined(self, signals: Signals, collected: str, *, final: bool) -> Report:
        """The report that `signals` make together with what was collected.

        Args:
            signals: of this call, checked.
            collected: what the store says was collected before; empty if nothing was.
            final: whether this is the last report.

        Raises:
            InvalidInput: together they make no reward.
        """
        whole = collected_signals(collected).completed_by(signals)
        if not whole.observed():
            raise InvalidInput("signals", "none", "at least one signal")
        result = self._engine.result(whole, final=final) if final or self._engine.scores(whole) else None
        micro = None if result is None else reward_micro(result.reward)
        return Report(
            result=result,
            reward_micro=micro,
            reward_sq_nano=None if micro is None else reward_sq_nano(micro),
            cost_nano=None if whole.cost_usd is None else nano_usd(whole.cost_usd),
            latency_us=None if whole.latency_ms is None else round(whole.latency_ms * 1000),
            safety_micro=None if (safety := self._engine.safety(whole)) is None else reward_micro(safety),
            signals_json=msgspec.json.encode(whole.observed()).decode(),
        )


def collected_signals(collected: str) -> Signals:
    """The signals in the store's text of what was collected: four figures, then JSON."""
    if not collected:
        return Signals()
    return msgspec.json.decode(collected.split(" ", _HEAD_PARTS)[_HEAD_PARTS], type=Signals)
