"""Prometheus metrics; docs/metrics.md lists them.

Domains are a label only as far as they are configured: a caller must not be able to make up time series.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

from sidecar.telemetry.events import Administered, Decided, Event, GateMoved, Reported

_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    """Counts what happens.

    Args:
        domains: those that may be a label; others count as `other`.
    """

    def __init__(self, domains: Collection[str]) -> None:
        """Start at zero, in a registry of its own."""
        self._domains = frozenset(domains)
        self.registry = CollectorRegistry()
        self.decisions = Counter(
            "learning_decisions", "Recommend calls answered", ("domain", "mode", "source"), registry=self.registry
        )
        self.shield_actions = Counter(
            "learning_shield_actions", "What shields did", ("domain", "shield", "effect"), registry=self.registry
        )
        self.rewards = Counter(
            "learning_rewards", "Reward calls answered", ("domain", "outcome"), registry=self.registry
        )
        self.errors = Counter(
            "learning_errors", "Calls answered with an error", ("method", "reason"), registry=self.registry
        )
        self.administered = Counter(
            "learning_administered", "Changes by operators", ("domain", "what"), registry=self.registry
        )
        self.gate_moves = Counter(
            "learning_gate_moves", "Changes of stage by the gate", ("domain", "before", "after"), registry=self.registry
        )
        self.swept = Counter(
            "learning_swept", "Overdue decisions closed and old ones forgotten by this sidecar", registry=self.registry
        )
        self.recommend_seconds = Histogram(
            "learning_recommend_seconds", "Time to answer Recommend", buckets=_BUCKETS, registry=self.registry
        )
        self.reward_seconds = Histogram(
            "learning_reward_seconds", "Time to answer Reward", buckets=_BUCKETS, registry=self.registry
        )
        self.in_flight = Gauge("learning_in_flight", "Calls being answered", registry=self.registry)
        self.native_calls = Gauge(
            "learning_native_calls", "Calls that the native transport holds", registry=self.registry
        )
        self._decisions, self._rewards = cache(self.decisions.labels), cache(self.rewards.labels)
        self.store_up = Gauge("learning_store_up", "Whether the store answered last time", registry=self.registry)

    def observe(self, event: Event) -> None:
        """Observe one event."""
        domain = event.scope.domain if event.scope.domain in self._domains else "other"
        match event:
            case Decided(_, decision, seconds):
                self.recommend_seconds.observe(seconds)
                self._decisions(domain, decision.mode, decision.source).inc()
                for action in decision.shields:
                    self.shield_actions.labels(domain, action.shield, action.effect).inc()
            case Reported(_, _, outcome, _, seconds):
                self.reward_seconds.observe(seconds)
                self._rewards(domain, outcome).inc()
            case Administered(_, what, _):
                self.administered.labels(domain, what).inc()
            case GateMoved(_, moved):
                self.gate_moves.labels(domain, moved.before, moved.after).inc()

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
