"""What is asked of a block, what happens inside it, and what was seen: the same for both clients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from learning_client import Decision, RewardResult, ShieldAction, SignalValues
from opentelemetry import context as trace_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


class ActFailed(Exception):
    """What an app's own failure is here."""


@dataclass(frozen=True, slots=True)
class Act:
    """What happens inside a block."""

    sleep_s: float = 0.0
    observe: tuple[SignalValues, ...] = ()
    keep_open: bool = False
    fails: str = ""
    """`error`, `cancel`, or nothing."""

    def score(self) -> SignalValues:
        """All that is observed, as a score function says it at once."""
        merged = SignalValues()
        for signals in self.observe:
            merged.update(signals)
        return merged


@dataclass(frozen=True, slots=True)
class Asking:
    """What a decision is asked for with."""

    domain: str
    candidates: list[str]
    options: dict[str, Any] = field(default_factory=dict)
    traceparent: str = ""

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Be inside the app's trace, if it has one."""
        if not self.traceparent:
            yield
            return
        carrier = {"traceparent": self.traceparent}
        token = trace_context.attach(TraceContextTextMapPropagator().extract(carrier))
        try:
            yield
        finally:
            trace_context.detach(token)


@dataclass(slots=True)
class Seen:
    """A decision, and what became of its act."""

    decision: Decision | None = None
    ask_ms: float = 0.0
    acted: bool = False
    raised: bool = False
    began_s: float = field(default_factory=time.monotonic)

    def asked(self, decision: Decision | None = None) -> None:
        """Note that the answer is there."""
        self.decision = decision
        self.ask_ms = (time.monotonic() - self.began_s) * 1000

    def told(self) -> dict[str, Any]:
        """Say it in the words of the conformance suite."""
        assert self.decision
        report = self.decision.report
        reward = report.reward if isinstance(report, RewardResult) else None
        return {
            **told(self.decision),
            "ask_ms": self.ask_ms,
            "acted": self.acted,
            "raised": self.raised,
            "report": None if report is None else {"outcome": report.outcome, "reward": reward},
        }


_FACTS = (
    "domain", "decision_id", "arm", "baseline", "source", "mode", "propensity", "proposal", "refused", "degraded",
    "recorded", "expires_at_unix_ms",
)  # fmt: skip


def told(decision: Decision) -> dict[str, Any]:
    """Say what a decision is."""
    return {name: getattr(decision, name) for name in _FACTS} | {"shields": [_shield(one) for one in decision.shields]}


def _shield(action: ShieldAction) -> dict[str, str]:
    return {"shield": action.shield, "effect": action.effect, "arm": action.arm}
