"""What was observed about one act, as it comes in, and the stopwatch that times it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from learning_client._log import SparseLog
from learning_client._results import ReleaseResult, RewardResult
from learning_client._signals import RANGES, number


class Observations:
    """The signals of one act as they come in, and its stopwatch."""

    def __init__(self, log: SparseLog, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty, with the stopwatch at rest; `clock` counts seconds and never goes back."""
        self._log = log
        self._clock = clock
        self._started_s: float | None = None
        self._elapsed_ms: float | None = None
        self._values: dict[str, float] = {}
        self.more_to_come = False
        self.report: RewardResult | ReleaseResult | None = None

    def start(self) -> None:
        """Start timing the act."""
        self._started_s = self._clock()

    def stop(self) -> None:
        """Stop timing the act. Only the first stop counts, and only after a start."""
        if self._started_s is not None and self._elapsed_ms is None:
            self._elapsed_ms = (self._clock() - self._started_s) * 1_000

    def add(self, signals: Mapping[str, object]) -> None:
        """Keep every usable value, the last of each signal; log and drop the others."""
        for name, value in signals.items():
            if value is None:
                continue
            usable = number(value, *RANGES[name]) if name in RANGES else None
            if usable is None:
                self._log.note("signal", "dropped the signal %s=%.100r: it is unknown or out of range", name, value)
            else:
                self._values[name] = usable

    def values(self) -> dict[str, float]:
        """Return what was observed, with the measured latency unless another was given."""
        if self._elapsed_ms is None:
            return dict(self._values)
        return {"latency_ms": min(self._elapsed_ms, RANGES["latency_ms"][1]), **self._values}
