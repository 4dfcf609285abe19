"""The one document that a run gives: ratios within rounds, what they come from, the peers, the growth, the checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving import footprint, many_arms, open_loop
from serving.arithmetic import Spread, ratios, spread
from serving.bench import Bench, Check, Run
from serving.closed_loop import BATCHED, UNARY
from serving.growth import DIMENSIONS
from serving.load import ONE, SIXTY_FOUR, Shape
from serving.servers import TRANSPORTS

FORMAT = "learning-sidecar/speed"
_ALL = f"{UNARY}, {SIXTY_FOUR}"
_ALONE = f"{UNARY}, {ONE}"


class Measured:
    """What was measured, by server, subject and figure, one value a round."""

    def __init__(self, runs: Sequence[Run], rounds: int) -> None:
        """Index the runs."""
        self._rounds = rounds
        self._values = {(one.server, one.what, name, one.round): v for one in runs for name, v in one.figures.items()}
        self.keys = list(dict.fromkeys((one.server, one.what) for one in runs))

    def of(self, server: str, what: str, figure: str) -> list[float | None]:
        """By round; None where there is none."""
        return [self._values.get((server, what, figure, k)) for k in range(self._rounds)]

    def spread(self, server: str, what: str, figure: str) -> Spread | None:
        """Median and range."""
        return spread([one for one in self.of(server, what, figure) if one is not None])

    def figures(self, server: str, what: str) -> dict[str, Spread]:
        """Everything about one subject."""
        names = dict.fromkeys(name for s, w, name, _ in self._values if (s, w) == (server, what))
        return {name: found for name in names if (found := self.spread(server, what, name))}


def better_ratelimit(measured: Measured) -> str:
    """Which of the two ways to run ratelimit has the higher capacity: the peer is given its best."""
    names = ("ratelimit", "ratelimit pipelined")
    found = {name: measured.spread(name, _ALL, "rate") for name in names}
    return max(names, key=lambda name: found[name].median if found[name] else 0.0)  # type: ignore[union-attr]  # just asked


def compared(measured: Measured, transport: str) -> dict[str, Spread | None]:
    """The figures of one transport, each with its range over rounds."""
    ours, of = f"ours/{transport}", measured.of
    batch = next((what for server, what in measured.keys if server == ours and what.startswith(BATCHED)), "")
    many, few = f"{many_arms.MANY}, {ONE}", f"{many_arms.FEW}, {ONE}"
    limit = better_ratelimit(measured)

    def beside(figure: str, other: str, what: str) -> Spread | None:
        return ratios(of(ours, what, figure), of(other, what, figure))

    def cheaper(other: str) -> Spread | None:
        return ratios(of(other, _ALL, "cpu_us"), of(ours, _ALL, "cpu_us"))

    return {
        "unary_vs_naive": beside("rate", "naive", _ALL),
        "unary_vs_floor": beside("rate", f"floor/{transport}", _ALL),
        "unary_vs_ratelimit": beside("rate", limit, _ALL),
        "p50_vs_floor_plus_store": beside("p50_ms", f"redis-py/{transport}", _ALONE),
        "batch64_vs_unary": ratios(of(ours, batch, "rate"), of(ours, _ALL, "rate")),
        "cpu_share_at_1000": measured.spread(ours, open_loop.AT_1000, "cpu_share"),
        "rss_idle_mb": measured.spread(ours, footprint.MEMORY, "idle_mb"),
        "rss_load_mb": measured.spread(ours, footprint.MEMORY, "load_mb"),
        "arms_10000_vs_3": ratios(of(ours, many, "p50_ms"), of(ours, few, "p50_ms")),
        "p99_vs_p50_at_half": ratios(of(ours, open_loop.AT_HALF, "p99_ms"), of(ours, open_loop.AT_HALF, "p50_ms")),
        "start_s": measured.spread(ours, footprint.START, "seconds"),
        "slowest_command_us": _highest(measured.spread(ours, many, "slowest_us")),
        "slowest_first_us": _highest(measured.spread(ours, many_arms.SLOWEST, "first_us")),
        "slowest_with_rewards_us": _highest(measured.spread(ours, many_arms.SLOWEST, "rewards_us")),
        "slowest_status_us": _highest(measured.spread(ours, many_arms.SLOWEST, "status_us")),
        # What no sidecar on this stack can do better, on this machine.
        "ping_vs_floor": ratios(of(f"ping/{transport}", _ALL, "rate"), of(f"floor/{transport}", _ALL, "rate")),
        "ping_vs_ratelimit": ratios(of(f"ping/{transport}", _ALL, "rate"), of(limit, _ALL, "rate")),
        "ping_cpu_share_at_1000": measured.spread(f"ping/{transport}", open_loop.AT_1000, "cpu_share"),
        "floor_cpu_share_at_1000": measured.spread(f"floor/{transport}", open_loop.AT_1000, "cpu_share"),
        "p50_vs_floor_plus_store_bare": beside("p50_ms", f"bare/{transport}", _ALONE),
        # By processor time of the server alone, which other work on the machine disturbs less than rates.
        "unary_vs_naive_by_cpu": cheaper("naive"),
        "unary_vs_floor_by_cpu": cheaper(f"floor/{transport}"),
        "unary_vs_ratelimit_by_cpu": cheaper(limit),
        "batch64_vs_unary_by_cpu": ratios(of(ours, _ALL, "cpu_us"), of(ours, batch, "cpu_us")),
        "capacity": measured.spread(ours, _ALL, "rate"),
        "p50_ms": measured.spread(ours, _ALONE, "p50_ms"),
        "cpu_us": measured.spread(ours, _ALL, "cpu_us"),
        "store_cpu_us": measured.spread(ours, _ALL, "store_cpu_us"),
    }


def document(
    bench: Bench, conditions: Mapping[str, Any], in_process: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """All of it, ready for JSON."""
    measured = Measured(bench.runs, bench.effort.rounds)
    spreads = {transport: compared(measured, transport) for transport in TRANSPORTS}
    raw: dict[str, dict[str, Any]] = {}
    for server, what in measured.keys:
        if "growing" not in server:
            raw.setdefault(server, {})[what] = _plain(measured.figures(server, what))
    return {
        "format": FORMAT,
        "version": 1,
        "effort": bench.effort.name,
        "seconds": round(seconds, 1),
        "seconds_by_part": {name: round(one, 1) for name, one in bench.spent_s.items()},
        **{one: {name: v.median if v else None for name, v in found.items()} for one, found in spreads.items()},
        "ranges": {one: _plain(found) for one, found in spreads.items()},
        "conditions": dict(conditions),
        "peers": _peers(bench, measured, in_process),
        "growth": {one: _growth(measured, f"ours/{one}, growing") for one in bench.effort.growth_transports},
        "checks": [_check(name, one) for name, one in bench.checks.items()],
        "passed": not any(one.broken for one in bench.checks.values()),
        "raw": raw,
    }


def _highest(found: Spread | None) -> Spread | None:
    """The worst round instead of the median: of a slowest command the slowest."""
    return found and found._replace(median=found.high)


def _plain(found: Mapping[str, Spread | None]) -> dict[str, Any]:
    return {name: one and _rounded(one._asdict()) for name, one in found.items()}


def _rounded(value: Any) -> Any:  # noqa: ANN401 - anything of JSON
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(one) for one in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _peers(bench: Bench, measured: Measured, in_process: Mapping[str, Any]) -> dict[str, Any]:
    here = {
        name: {"measured": True, **{str(shape): _medians(measured, name, shape) for shape in (ONE, SIXTY_FOUR)}}
        for name in bench.servers
        if not name.startswith("ours")
    }
    absent = {name: {"measured": False, "reason": reason} for name, reason in bench.peers.items()}
    libraries = {name: {"measured": True, **found} for name, found in in_process.items()}
    peers: dict[str, Any] = _rounded(
        here | libraries | absent | {"ratelimit compared with": better_ratelimit(measured)}
    )
    return peers


def _medians(measured: Measured, server: str, shape: Shape) -> dict[str, float]:
    return {name: one.median for name, one in measured.figures(server, f"{UNARY}, {shape}").items()}


def _growth(measured: Measured, server: str) -> dict[str, list[dict[str, float]]]:
    grown: dict[str, list[dict[str, float]]] = {dimension: [] for dimension in DIMENSIONS}
    loads = [what for one, what in measured.keys if one == server and not what.endswith(", beside")]
    for what in loads:
        subject = what.partition(",")[0]
        dimension, _, size = subject.partition(" ")
        row = {name: one.median for name, one in measured.figures(server, what).items()}
        beside = {name: one.median for name, one in measured.figures(server, f"{subject}, beside").items()}
        grown[dimension].append(_rounded({"size": int(size), **row, **beside}))
    return grown


def _check(name: str, one: Check) -> dict[str, Any]:
    return {"name": name, "held": one.held, "broken": one.broken}
