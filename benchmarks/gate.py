"""The gate, simulated: its error, its power, its behaviour with late rewards, and its losses.

Goal: show that the gate keeps what `docs/guarantee.md` promises, and that it is as quick as it says. Method: seeded
simulations of the formulas and constants of `sidecar.gate`, vectorised over runs; before anything else they are
compared with `sidecar.gate` on a random sample, to 1e-9 nat. The simulation computes in floats; the service's integers
of nano-nats are rounded down from these.

    python benchmarks/gate.py                 # tables A to D, 2,000 runs a cell (D: 1,000)
    python benchmarks/gate.py --quick         # 200 runs a cell (D: 40)
    python benchmarks/gate.py --tables AC     # some tables only

The reference is an independent simulation of the same design, made before this code was written. Each figure stands
beside the reference's (of 2,000 and 1,000 runs) with the distance in combined standard errors. The exit status is 1 if
a promise is broken (a type-I error or a loss above what was agreed to), or if a figure is further than 3 combined
standard errors from the reference's although nothing that the reference leaves open explains it.
With 60 figures beside the reference's and fresh seeds, chance alone would do that in some 15 % of whole runs; with one
seed it happens always or never. The default seed was not chosen for its figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict

import numpy as np
from gating import arithmetic, delays, ladder, power, type_one
from gating.figures import PERCENT, Effort, Figure, Section
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

SECTIONS = {"A": type_one.section, "B": power.section, "C": delays.section, "D": ladder.section}


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 0 when every promise is kept and every figure agrees."""
    options = _options(arguments)
    console = Console(stderr=options.json, width=None if sys.stdout.isatty() else 120)
    began = time.process_time()
    distance = arithmetic.check(np.random.default_rng(options.seed))
    effort = Effort(options.runs, options.pipeline_runs, options.seed)
    sections = [SECTIONS[letter]() for letter in options.tables]
    found = _simulated(sections, effort)
    failed = [one for figures in found.values() for one in figures if _fails(one)]
    spent = time.process_time() - began
    if options.json:
        print(json.dumps(_document(sections, found, effort, distance, passed=not failed), indent=2))
    else:
        _print(console, sections, found)
    console.print(
        f"Vectorised formulas and sidecar.gate: at most {distance:.2g} nat apart. {effort.runs:,} runs a cell, "
        f"{effort.pipeline_runs:,} in D, seed {effort.seed}; {spent:.0f} s of processor time."
    )
    for one in failed:
        console.print(f"[red]{one.case}, {one.measure}: {one.verdict}")
    return 1 if failed else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=2000, help="runs per cell; table D takes half of them")
    parser.add_argument("--quick", action="store_true", help="200 runs per cell, 40 in table D")
    parser.add_argument("--tables", default="ABCD", help="which tables, as letters")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args(arguments)
    options.runs = 200 if options.quick else options.runs
    options.pipeline_runs = 40 if options.quick else max(2, options.runs // 2)
    if unknown := set(options.tables) - set(SECTIONS):
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    return options


def _simulated(sections: list[Section], effort: Effort) -> dict[str, list[Figure]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    found: dict[str, list[Figure]] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=sum(len(section.cells) for section in sections))
        for section in sections:
            figures = found.setdefault(section.letter, [])
            for cell in section.cells:
                progress.update(task, description=f"{section.letter}: {cell.name}")
                figures += cell.simulate(effort)
                progress.advance(task)
    return found


def _fails(figure: Figure) -> bool:
    return not figure.holds or not (figure.agrees or figure.open)


def _print(console: Console, sections: list[Section], found: dict[str, list[Figure]]) -> None:
    for section in sections:
        table = Table(title=f"{section.letter}. {section.title}", caption=section.conditions, caption_justify="left")
        for heading in ("case", "measure", "ours", "reference", "verdict"):
            table.add_column(heading, justify="right" if heading in ("ours", "reference") else "left")
        for one in found[section.letter]:
            reference = "" if one.reference is None else _number(one.reference, one.unit)
            ours = f"{_number(one.ours, one.unit)} ± {_number(one.error, one.unit)}"
            style = "red" if _fails(one) else None
            table.add_row(one.case, one.measure, ours, reference, one.verdict, style=style)
        console.print(table)
        _explain(console, found[section.letter])


def _explain(console: Console, figures: list[Figure]) -> None:
    """Say once why some figures differ."""
    for reason in dict.fromkeys(one.open for one in figures if one.open and not one.agrees):
        cases = [f"{one.case} ({one.measure})" for one in figures if one.open == reason and not one.agrees]
        console.print(f"differs: {'; '.join(cases)}: {reason}")


def _number(value: float, unit: str) -> str:
    if unit == PERCENT:
        return f"{value:.2f} %" if value < 10 else f"{value:.1f} %"
    return f"{value:,.1f}" if unit == "rewards" else f"{value:,.0f}"


def _document(
    sections: list[Section], found: dict[str, list[Figure]], effort: Effort, distance: float, *, passed: bool
) -> dict[str, object]:
    tables = {
        section.letter: {
            "title": section.title,
            "conditions": section.conditions,
            "figures": [
                {**asdict(one), "distance": _finite(one.distance), "verdict": one.verdict}
                for one in found[section.letter]
            ],
        }
        for section in sections
    }
    return {"passed": passed, "effort": asdict(effort), "growth_distance_nat": distance, "tables": tables}


def _finite(value: float | None) -> float | None:
    return value if value is None or np.isfinite(value) else float(np.sign(value)) * 1e9


if __name__ == "__main__":
    sys.exit(main())
