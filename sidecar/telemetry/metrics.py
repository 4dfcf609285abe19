"""What the sidecar counts; docs/metrics.md lists it.

Domains are a label only as far as they are configured: a caller must not be able to make up time series.
"""

from __future__ import annotations

from collections.abc import Collection

from sidecar.telemetry.events import Administered, Decided, Event, GateMoved, Reported
from sidecar.telemetry.instruments import Durations, Gauge, Gauges, Instrument, States, Tally

_BOUNDS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)

BREAKER_STATES = ("closed", "half_open", "open")


class Metrics:
    """Counts what happens.

    Args:
        domains: those that may be a label; others count as `other`.
    """

    def __init__(self, domains: Collection[str]) -> None:
        """Start at zero."""
        self._domains = frozenset(domains)
        self.decisions = Tally("learning_decisions", "Recommend calls answered", "domain", "mode", "source")
        self.shield_actions = Tally("learning_shield_actions", "What shields did", "domain", "shield", "effect")
        self.rewards = Tally("learning_rewards", "Reward calls answered", "domain", "outcome")
        self.errors = Tally("learning_errors", "Calls answered with an error", "method", "reason")
        self.administered = Tally("learning_administered", "Changes by operators", "domain", "what")
        self.gate_moves = Tally("learning_gate_moves", "Changes of stage by the gate", "domain", "before", "after")
        self.swept = Tally("learning_swept", "Overdue decisions closed and old ones forgotten by this sidecar")
        self.recommend_seconds = Durations("learning_recommend_seconds", "Time to answer Recommend", _BOUNDS_S)
        self.reward_seconds = Durations("learning_reward_seconds", "Time to answer Reward", _BOUNDS_S)
        self.in_flight = Gauge("learning_in_flight", "Calls being answered")
        self.native_calls = Gauge("learning_native_calls", "Calls that the native transport holds")
        self.store_up = Gauge("learning_store_up", "Whether the store answered last time")
        self.store_breaker = States("learning_store_breaker", "Whether calls go to the store", BREAKER_STATES)
        self.store_lost = Tally("learning_store_lost", "Workspaces that the store was seen to have lost", "kind")

        self.spool_records = Gauges("learning_spool_records", "Reports in the spool", "state", ("waiting", "kept"))
        self.spool_bytes = Gauge("learning_spool_bytes", "Bytes of the spool on disk")
        self.spool_damaged = Gauge("learning_spool_damaged", "Segments of the spool that were found damaged")
        self.spool_replayed = Tally("learning_spool_replayed", "Spooled reports given to the store", "outcome")
        self.recalled = Tally("learning_recalled", "What was sent again to a server that may have lost it", "outcome")

    @property
    def instruments(self) -> list[Instrument]:
        """All of them."""
        return [one for one in vars(self).values() if isinstance(one, Instrument)]

    def observe(self, event: Event) -> None:
        """Observe one event."""
        domain = event.scope.domain if event.scope.domain in self._domains else "other"
        match event:
            case Decided(_, decision, seconds):
                self.recommend_seconds.observe(seconds)
                self.decisions.counts[domain, decision.mode, decision.source] += 1
                for action in decision.shields:
                    self.shield_actions.add(domain, action.shield, action.effect)
            case Reported(_, _, outcome, _, seconds):
                self.reward_seconds.observe(seconds)
                self.rewards.add(domain, outcome)
            case Administered(_, what, _):
                self.administered.add(domain, what)
            case GateMoved(_, moved):
                self.gate_moves.add(domain, moved.before, moved.after)

    def replayed(self, source: str, outcome: str) -> None:
        """Count what was given to the store later, from the `spool`, or again, from the `recall`."""
        (self.spool_replayed if source == "spool" else self.recalled).add(outcome)
