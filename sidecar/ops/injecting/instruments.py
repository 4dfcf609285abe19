"""What the injector counts."""

from __future__ import annotations

from sidecar.telemetry.instruments import Durations, Gauge, Instrument, Tally

_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


class InjectorMetrics:
    """Counts what happens."""

    def __init__(self) -> None:
        """Start at zero."""
        self.reviews = Tally("learning_injector_reviews", "Pods that were looked at", "outcome")
        self.refused = Tally("learning_injector_refused", "Requests that were answered with an error", "status")
        self.seconds = Durations("learning_injector_seconds", "Time to look at a pod", _BOUNDS_S)
        self.connections = Gauge("learning_injector_connections", "Open connections")
        self.certificate_ends = Gauge(
            "learning_injector_certificate_ends_seconds", "When the certificate ends, in seconds since the Unix epoch"
        )

    @property
    def instruments(self) -> list[Instrument]:
        """All of them."""
        return [one for one in vars(self).values() if isinstance(one, Instrument)]
