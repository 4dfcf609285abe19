"""What a run gives: the document, and the page and the charts that are made of it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console
from serving import footprint, many_arms, open_loop, report, tables
from serving.bench import QUICK, Check, Run
from serving.closed_loop import BATCHED, BATCHES, UNARY
from serving.document import document
from serving.figures import FIGURES
from serving.load import ONE, SIXTY_FOUR

ALL, ALONE = f"{UNARY}, {SIXTY_FOUR}", f"{UNARY}, {ONE}"
# Rates of each server, by round; the machine is half as fast in the second, and the peers are as always.
RATES = {
    "ours/grpcio": 3000.0,
    "floor/grpcio": 6000.0,
    "naive": 1500.0,
    "ratelimit": 9000.0,
    "ratelimit pipelined": 12e3,
}
CONDITIONS = {
    "cpu": "a | b", "cores": 2, "kernel": "6", "python": "3", "grpcio": "1", "pygrpc_native": "-", "store": "Valkey",
    "effort": "quick",
}  # fmt: skip


def loaded(rate: float) -> dict[str, float]:
    """What a closed loop notes."""
    return {"rate": rate, "p50_ms": 1e3 / rate, "p99_ms": 3e3 / rate, "cpu_us": 1e6 / rate, "store_cpu_us": 20.0}


def runs() -> list[Run]:
    """Three rounds, as a bench would note them."""
    made = []
    for number, speed in enumerate((1.0, 0.5, 1.0)):
        for server, rate in RATES.items():
            made += [Run(number, server, what, loaded(rate * speed)) for what in (ALL, ALONE)]
        made += [
            Run(number, "redis-py/grpcio", ALONE, loaded(2000 * speed)),
            Run(number, "ours/grpcio", f"{BATCHED}, {BATCHES}", loaded(9000 * speed)),
            Run(number, "ours/grpcio", open_loop.AT_1000, {"cpu_share": 0.25}),
            Run(number, "ours/grpcio", open_loop.AT_HALF, {"p50_ms": 0.5, "p99_ms": 2.0}),
            Run(number, "ours/grpcio", footprint.MEMORY, {"idle_mb": 60.0, "load_mb": 70.0}),
            Run(number, "ours/grpcio", f"{many_arms.FEW}, {ONE}", {"p50_ms": 0.5}),
            Run(number, "ours/grpcio", f"{many_arms.MANY}, {ONE}", {"p50_ms": 1.0, "slowest_us": 300.0 + number}),
        ]
    made += [Run(0, "ours/grpcio, growing", f"batch {size}, {BATCHES}", loaded(1000.0 * size)) for size in (1, 4)]
    made += [Run(0, "ours/grpcio, growing", "batch 4, beside", {"rss_mb": 50.0})]
    return made


@pytest.fixture
def found() -> dict[str, Any]:
    """Make a document without a native transport."""
    bench = SimpleNamespace(
        runs=runs(), effort=QUICK, servers=dict.fromkeys([*RATES, "redis-py/grpcio"]), spent_s={"closed": 1.0},
        peers={"ours/native": "not installed", "litellm": "pip failed"},
        checks={"all answered": Check(held=3), "all counted": Check(held=2, broken=["naive: 9 instead of 10"])},
    )  # fmt: skip
    libraries = {
        "mabwiser": {"version": "2", "whole": {"rate": 5.0, "cpu_us": 2.0, "what": "predict"}, "note": "alone"}
    }
    made: dict[str, Any] = json.loads(json.dumps(document(bench, CONDITIONS, libraries, 12.34)))  # type: ignore[arg-type]  # as much of a bench as it needs
    return made


def test_each_transport_has_every_figure(found: dict[str, Any]) -> None:
    """The names that people compare, and a range for each that was measured."""
    for one in FIGURES:
        assert one.name in found["grpcio"]
        assert found["native"][one.name] is None
    assert found["ranges"]["grpcio"]["unary_vs_naive"] == {
        "median": 2.0, "low": 2.0, "high": 2.0, "rounds": [2.0, 2.0, 2.0],
    }  # fmt: skip


def test_ratios_are_of_what_they_say(found: dict[str, Any]) -> None:
    """Ours first; a slow round changes nothing, and ratelimit is taken at its best."""
    figures = found["grpcio"]

    assert figures["unary_vs_floor"] == 0.5
    assert figures["unary_vs_ratelimit"] == 0.25
    assert found["peers"]["ratelimit compared with"] == "ratelimit pipelined"
    assert figures["p50_vs_floor_plus_store"] == pytest.approx(2 / 3)
    assert figures["batch64_vs_unary"] == 3.0
    assert figures["unary_vs_naive_by_cpu"] == 2.0
    assert (figures["arms_10000_vs_3"], figures["p99_vs_p50_at_half"]) == (2.0, 4.0)
    assert (figures["cpu_share_at_1000"], figures["rss_idle_mb"], figures["rss_load_mb"]) == (0.25, 60.0, 70.0)


def test_of_a_slowest_command_the_slowest_round_counts(found: dict[str, Any]) -> None:
    """A median would hide it."""
    assert found["grpcio"]["slowest_command_us"] == 302.0


def test_an_absent_peer_is_named_with_the_reason(found: dict[str, Any]) -> None:
    """Null figures explain themselves."""
    assert found["peers"]["litellm"] == {"measured": False, "reason": "pip failed"}
    assert found["peers"]["mabwiser"]["measured"]


def test_growth_is_by_size(found: dict[str, Any]) -> None:
    """With what was noted beside the load."""
    rows = found["growth"]["grpcio"]["batch"]

    assert [(row["size"], row["rate"]) for row in rows] == [(1, 1000.0), (4, 4000.0)]
    assert rows[1]["rss_mb"] == 50.0
    assert not any("growing" in server for server in found["raw"])


def test_a_broken_check_fails_the_run(found: dict[str, Any]) -> None:
    """With the detail."""
    assert found["passed"] is False
    assert found["checks"][1] == {"name": "all counted", "held": 2, "broken": ["naive: 9 instead of 10"]}


def test_the_page_is_made_wholly_of_the_document(found: dict[str, Any], tmp_path: Path) -> None:
    """Every figure and every condition is on it, nothing is left to fill in, and a bar in a value breaks no table."""
    written = report.write(found, tmp_path / "results")
    text = (tmp_path / "results.md").read_text(encoding="utf-8")

    assert all(f"`{one.name}`" in text for one in FIGURES)
    assert "$" not in text.replace("$1", "")
    assert "| cpu | a / b |" in text
    assert "- litellm: pip failed" in text
    assert json.loads((tmp_path / "results" / "speed.json").read_text(encoding="utf-8")) == found
    assert all(path.exists() for path in written)


def test_pictures_of_the_page_exist_and_are_well_formed(found: dict[str, Any], tmp_path: Path) -> None:
    """SVG that any reader takes, with colours for light and for dark pages."""
    report.write(found, tmp_path / "results")
    text = (tmp_path / "results.md").read_text(encoding="utf-8")
    named = [part.partition(")")[0] for part in text.split("](") if part.partition(")")[0].endswith(".svg")]

    assert len(named) == len(report.charts(found)) == 4
    for image in named:
        chart = (tmp_path / image).read_text(encoding="utf-8")
        assert ET.fromstring(chart).tag.endswith("svg")  # noqa: S314 - just written
        assert "prefers-color-scheme: dark" in chart


def test_tables_show_what_was_measured(found: dict[str, Any]) -> None:
    """On a terminal too."""
    console = Console(record=True, width=160, file=io.StringIO())
    tables.show(console, found)
    text = console.export_text()

    assert "unary_vs_floor" in text
    assert "not measured: litellm: pip failed" in text
    assert "broken 1 times" in text
