"""The page of results, its charts and the document beside them, made wholly from what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from serving.charts import Bar, Panel, bars, panels
from serving.figures import BOUNDS, FIGURES
from serving.load import ONE, SIXTY_FOUR
from serving.servers import TRANSPORTS
from serving.tables import number, ranged

_TEMPLATE = Path(__file__).with_name("results.md.in")
_ALL, _ALONE = f"Recommend, {SIXTY_FOUR}", f"Recommend, {ONE}"
_LABELS = {
    "ours/native": "sidecar, native",
    "ours/grpcio": "sidecar, grpcio",
    "floor/native": "empty handler, native",
    "floor/grpcio": "empty handler, grpcio",
    "redis-py/native": "EVALSHA, native",
    "redis-py/grpcio": "EVALSHA, grpcio",
    "ping/native": "PING, native",
    "ping/grpcio": "PING, grpcio",
    "bare/native": "bare EVALSHA, native",
    "bare/grpcio": "bare EVALSHA, grpcio",
    "naive": "naive sidecar, grpcio",
    "ratelimit": "ratelimit",
    "ratelimit pipelined": "ratelimit, pipelined",
}
_PANELS = (
    ("arms", "arms known", "p50 ms, 2 asked, 1 in flight", "p50_ms"),
    ("candidates", "candidates asked", "p50 ms, 1 in flight", "p50_ms"),
    ("tenants", "tenants served", "p50 ms of one of them", "p50_ms"),
    ("pending", "decisions that wait", "p50 ms, 1 in flight", "p50_ms"),
    ("batch", "size of a batch", "decisions a second", "rate"),
    ("tenants", "tenants served", "MiB of memory", "rss_mb"),
)


def write(found: Mapping[str, Any], directory: Path) -> list[Path]:
    """Write the document and the charts into the directory, the page beside it; return what was written."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = {directory / name: text for name, text in charts(found).items()}
    texts[directory / "speed.json"] = json.dumps(found, indent=1) + "\n"
    texts[directory.parent / "results.md"] = page(found, directory.name)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def charts(found: Mapping[str, Any]) -> dict[str, str]:
    """Each chart by the name of its file."""
    return {
        "capacity.svg": bars(
            "Decisions a second, 64 in flight",
            "more is better; median and range over rounds",
            _bars(found, _ALL, "rate"),
        ),
        "latency.svg": bars(
            "Median latency in ms, 1 in flight",
            "less is better; median and range over rounds",
            _bars(found, _ALONE, "p50_ms"),
        ),
        "cpu.svg": bars(
            "Processor time of the server, microseconds a decision",
            "less is better; 64 in flight; the store not included",
            _bars(found, _ALL, "cpu_us"),
        ),
        "growth.svg": panels(
            "What grows with what",
            [Panel(title, unit, _lines(found, dimension, figure)) for dimension, title, unit, figure in _PANELS],
        ),
    }


def page(found: Mapping[str, Any], images: str) -> str:
    """The text of the page."""
    said = found["conditions"]
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        images=images,
        effort=said["effort"],
        seconds=number(found["seconds"]),
        figures=_figures(found),
        by_cpu=_by_cpu(found),
        bounds=_bounds(found),
        servers=_servers(found),
        libraries=_libraries(found["peers"]),
        absent=_absent(found["peers"]),
        ratelimit=found["peers"]["ratelimit compared with"],
        growth=_growth(found["growth"]),
        checks=_table(
            ("what must hold", "held", "broken"),
            ((one["name"], number(one["held"]), number(len(one["broken"]))) for one in found["checks"]),
        ),
        conditions=_table(
            ("condition", "value"), ((name.replace("_", " "), str(value)) for name, value in said.items())
        ),
    )


def _bars(found: Mapping[str, Any], load: str, figure: str) -> list[Bar]:
    rows = []
    for server, label in _LABELS.items():
        if one := found["raw"].get(server, {}).get(load, {}).get(figure):
            rows.append(Bar(label, one["median"], one["low"], one["high"], server.startswith("ours")))
    return rows


def _lines(found: Mapping[str, Any], dimension: str, figure: str) -> dict[str, list[tuple[float, float]]]:
    return {
        transport: [(row["size"], row[figure]) for row in grown[dimension] if figure in row]
        for transport, grown in found["growth"].items()
        if grown[dimension]
    }


def _figures(found: Mapping[str, Any]) -> str:
    rows = []
    for one in FIGURES:
        cells = [_cell(one.meets(t, found[t][one.name]), ranged(found["ranges"][t][one.name])) for t in TRANSPORTS]
        aims = list(dict.fromkeys(number(one.target(t)) for t in TRANSPORTS if one.target(t) is not None))
        bound = "at least " if one.better == "higher" else "at most "
        rows.append(
            (f"`{one.name}`", one.meaning, bound + " / ".join(aims) if aims else f"{one.better} is better", *cells)
        )
    return _table(("figure", "what it is", "target", *TRANSPORTS), rows)


def _cell(met: bool | None, text: str) -> str:
    return text if met is None else f"{text} {'✓' if met else '✗'}"


def _by_cpu(found: Mapping[str, Any]) -> str:
    names = ("unary_vs_naive", "unary_vs_floor", "unary_vs_ratelimit", "batch64_vs_unary")
    rows = [(f"`{name}`", *(ranged(found["ranges"][t][f"{name}_by_cpu"]) for t in TRANSPORTS)) for name in names]
    return _table(("by processor time of the server", *TRANSPORTS), rows)


def _bounds(found: Mapping[str, Any]) -> str:
    ranges = found["ranges"]
    rows = [(f"`{one.name}`", one.meaning, *(ranged(ranges[t][one.name]) for t in TRANSPORTS)) for one in BOUNDS]
    return _table(("bound", "what it is", *TRANSPORTS), rows)


def _servers(found: Mapping[str, Any]) -> str:
    rows = []
    for server, label in _LABELS.items():
        for load, figures in found["raw"].get(server, {}).items():
            if "rate" in figures:
                names = ("rate", "p50_ms", "p99_ms", "cpu_us", "store_cpu_us")
                rows.append((label, load, *(number(figures.get(name, {}).get("median")) for name in names)))
    return _table(("server", "load", "decisions/s", "p50 ms", "p99 ms", "CPU µs", "store's CPU µs"), rows)


def _libraries(peers: Mapping[str, Any]) -> str:
    rows = []
    for name, one in peers.items():
        for part in ("choice", "whole"):
            if isinstance(one, dict) and part in one:
                figures = one[part]
                rows.append(
                    (f"{name} {one['version']}", figures["what"], number(figures["rate"]), number(figures["cpu_us"]))
                )
    return _table(("library", "what a decision is", "decisions/s", "CPU µs"), rows)


def _absent(peers: Mapping[str, Any]) -> str:
    gone = [
        f"- {name}: {one['reason']}" for name, one in peers.items() if isinstance(one, dict) and not one["measured"]
    ]
    return "Not measured:\n\n" + "\n".join(gone) if gone else "Every peer was measured."


def _growth(growth: Mapping[str, Any]) -> str:
    rows = []
    names = ("rate", "p50_ms", "p99_ms", "rss_mb", "slowest_us")
    for transport, dimensions in growth.items():
        for dimension, grown in dimensions.items():
            rows += [(transport, dimension, f"{r['size']:,}", *(number(r.get(name)) for name in names)) for r in grown]
    return _table(
        ("transport", "of", "size", "decisions/s", "p50 ms", "p99 ms", "memory MiB", "slowest command µs"), rows
    )


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
