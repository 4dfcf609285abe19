"""The figures that the benchmark is for: what each says, which way is better, and what is aimed at, if anything is."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """One figure of a transport. A target is a bound: at least so much if more is better, else at most."""

    name: str
    meaning: str
    better: str
    grpcio: float | None = None
    native: float | None = None

    def target(self, transport: str) -> float | None:
        """What is aimed at."""
        return self.native if transport == "native" else self.grpcio

    def meets(self, transport: str, value: float | None) -> bool | None:
        """Whether a value is as good as is aimed at; None when nothing is, or nothing was measured."""
        target = self.target(transport)
        if target is None or value is None:
            return None
        return value >= target if self.better == "higher" else value <= target


BOUNDS = (
    Figure("ping_vs_floor", "capacity with one PING beside the empty handler's: bounds `unary_vs_floor`", "higher"),
    Figure("ping_vs_ratelimit", "the same beside envoyproxy/ratelimit's: bounds `unary_vs_ratelimit`", "higher"),
    Figure("ping_cpu_share_at_1000", "of one core at 1,000 calls a second, with one PING", "lower"),
    Figure("floor_cpu_share_at_1000", "of one core at 1,000 calls a second, the empty handler alone", "lower"),
)
"""What this stack leaves, on this machine, to any sidecar that asks a store."""

FIGURES = (
    Figure("unary_vs_naive", "capacity beside the naive sidecar's, 64 in flight", "higher", 1.3, 3.5),
    Figure(
        "unary_vs_floor", "capacity beside an empty handler's on the same transport, 64 in flight", "higher", 0.75, 0.55
    ),
    Figure("unary_vs_ratelimit", "capacity beside envoyproxy/ratelimit's, 64 in flight", "higher", None, 1.0),
    Figure(
        "p50_vs_floor_plus_store",
        "median latency beside an empty handler with one EVALSHA, 1 in flight",
        "lower",
        1.3,
        1.35,
    ),
    Figure("batch64_vs_unary", "decisions a second in batches of 64 beside unary calls", "higher", 5.0, 5.0),
    Figure("cpu_share_at_1000", "of one core at 1,000 decisions a second", "lower", 0.40, 0.15),
    Figure("rss_idle_mb", "MiB of memory, started and not asked for a decision yet", "lower", 50.0, 50.0),
    Figure("rss_load_mb", "MiB of memory under load on 100 domains, at its highest", "lower", 64.0, 64.0),
    Figure(
        "arms_10000_vs_3",
        "median latency with 10,000 arms known and 100 asked, beside 3 and 3, 1 in flight",
        "lower",
        4.0,
        4.0,
    ),
    Figure("p99_vs_p50_at_half", "the 99th percentile beside the median, at half of its capacity", "lower", None, 5.0),
    Figure("start_s", "seconds from the start of the process to its first decision", "lower"),
    Figure("slowest_command_us", "the store's slowest command under that load, microseconds", "lower", 1000, 1000),
    Figure("slowest_first_us", "likewise, when a sidecar first looks at 10,000 arms", "lower"),
    Figure("slowest_with_rewards_us", "likewise, while rewards at another sidecar change the statistics", "lower"),
)
