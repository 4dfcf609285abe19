"""What was measured, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from serving.figures import FIGURES
from serving.servers import TRANSPORTS

_LOADED = ("rate", "p50_ms", "p99_ms", "cpu_us", "store_cpu_us")
_COLUMNS = {
    "rate": "decisions/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "cpu_us": "CPU us",
    "store_cpu_us": "store us",
}


def show(console: Console, found: Mapping[str, Any]) -> None:
    """Print all of it."""
    console.print(_figures(found))
    console.print(_servers(found))
    console.print(_growth(found))
    for name, one in found["peers"].items():
        if isinstance(one, dict) and not one["measured"]:
            console.print(f"not measured: {name}: {one['reason']}", highlight=False)
    for check in found["checks"]:
        broken = f", [red]broken {len(check['broken'])} times[/red]" if check["broken"] else ""
        console.print(f"held {check['held']} times{broken}: {check['name']}", highlight=False)
    said = found["conditions"]
    console.print(
        f"{said['cpu']}, {said['cores']} cores, Linux {said['kernel']}, Python {said['python']}, "
        f"grpcio {said['grpcio']}, pygrpc-native {said['pygrpc_native']}, {said['store']}; "
        f"{said['effort']}; {found['seconds']:g} s in all",
        highlight=False,
    )


def number(value: float | None) -> str:
    """A figure for people: three digits, more only before the point.

    >>> number(None), number(0.12345), number(12.345), number(12345.6)
    ('-', '0.123', '12.3', '12,346')
    """
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ranged(spread: Mapping[str, Any] | None) -> str:
    """A median with its range.

    >>> ranged({"median": 2.0, "low": 1.5, "high": 2.25})
    '2 (1.5 to 2.25)'
    """
    return "-" if not spread else f"{number(spread['median'])} ({number(spread['low'])} to {number(spread['high'])})"


def _figures(found: Mapping[str, Any]) -> Table:
    table = Table(title="The sidecar: medians of rounds, and their range", caption_justify="left")
    for heading in ("figure", *TRANSPORTS, "better", "what it is"):
        table.add_column(heading, justify="right" if heading in TRANSPORTS else "left")
    for one in FIGURES:
        values = [ranged(found["ranges"][transport][one.name]) for transport in TRANSPORTS]
        table.add_row(one.name, *values, one.better, one.meaning)
    return table


def _servers(found: Mapping[str, Any]) -> Table:
    table = Table(title="Every server under every load: medians")
    for heading in ("server", "load", *_COLUMNS.values()):
        table.add_column(heading, justify="left" if heading in ("server", "load") else "right")
    for server, loads in found["raw"].items():
        for load, figures in loads.items():
            if "rate" in figures:
                table.add_row(server, load, *(number(figures.get(name, {}).get("median")) for name in _LOADED))
    return table


def _growth(found: Mapping[str, Any]) -> Table:
    table = Table(title="What grows with what")
    for heading in ("transport", "of", "size", "decisions/s", "p50 ms", "p99 ms", "memory MiB", "slowest script us"):
        table.add_column(heading, justify="left" if heading in ("transport", "of") else "right")
    for transport, dimensions in found["growth"].items():
        for dimension, rows in dimensions.items():
            for row in rows:
                names = ("rate", "p50_ms", "p99_ms", "rss_mb", "slowest_us")
                table.add_row(transport, dimension, f"{row['size']:,}", *(number(row.get(name)) for name in names))
    return table
