"""Whether every client does what clients do: each acts the same scenarios, against real sidecars, over real gRPC.

    python clients/conformance/run.py                                   # everything, with progress
    python clients/conformance/run.py --language go --scenario duplicate
    python clients/conformance/run.py --json                            # {"languages": {"go": {"duplicate": "pass"}}}
    python clients/conformance/run.py --list

The exit status is 1 if anything is not a pass (a language that cannot be built fails every scenario), 2 if a scenario
cannot be read, 130 after Ctrl-C.
"""

# ruff: noqa: INP001 - a command, not a package

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from acting.acting import PASSED
from acting.errors import BadScenario, ConformanceError
from acting.languages import Language, languages
from acting.matrix import Verdicts, failures, verdicts
from acting.reading import scenarios
from acting.scenario import Scenario
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Act what was asked for; 0 when every client passes every scenario."""
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    try:
        known, all_scenarios = languages(), scenarios()
        options = _options(arguments, known, all_scenarios)
        chosen = [one for one in all_scenarios if one.name in options.scenario]
        if options.list:
            return _list(chosen)
        began = time.monotonic()
        found = _watched({name: known[name] for name in options.language}, chosen, console)
    except BadScenario as error:
        console.print(f"[red]{error}", highlight=False)
        return 2
    except ConformanceError as error:
        console.print(f"[red]{error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("[red]interrupted; every process that was started has ended")
        return _INTERRUPTED
    if options.json:
        sys.stdout.write(json.dumps({"languages": found}, indent=2, ensure_ascii=False) + "\n")
    else:
        _show(Console(width=None if sys.stdout.isatty() else 120), found, time.monotonic() - began)
    return 1 if failures(found) else 0


def _options(
    arguments: list[str] | None, known: Mapping[str, object], all_scenarios: Sequence[Scenario]
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [one.name for one in all_scenarios]
    parser.add_argument("--language", action="append", choices=list(known), metavar="LANGUAGE",
                        help=f"only this one, or these: {', '.join(known)}")  # fmt: skip
    parser.add_argument("--scenario", action="append", choices=names, metavar="SCENARIO",
                        help="only this one, or these: see --list")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="say what the scenarios are about, and do nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args(arguments)
    options.language = options.language or list(known)
    options.scenario = options.scenario or names
    return options


def _list(chosen: Sequence[Scenario]) -> int:
    for scenario in chosen:
        sys.stdout.write(f"{scenario.name}: {scenario.about}\n")
    return 0


def _watched(chosen: Mapping[str, Language], scenarios_: Sequence[Scenario], console: Console) -> Verdicts:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=len(chosen) * (len(scenarios_) + 1))

        def tell(what: str) -> None:
            progress.update(task, description=what, advance=1)

        return verdicts(chosen, scenarios_, tell)


def _show(console: Console, found: Verdicts, took_s: float) -> None:
    table = Table("scenario", *found)
    names = sorted({scenario for column in found.values() for scenario in column})
    for scenario in names:
        table.add_row(scenario, *(_cell(column.get(scenario)) for column in found.values()))
    console.print(table)
    wrong = failures(found)
    for language, scenario, why in wrong:
        console.print(f"[red]{language}, {scenario}:[/] ", end="")
        console.print(why, highlight=False, markup=False)
    acted = sum(len(column) for column in found.values())
    console.print(f"{acted - len(wrong)} of {acted} pass, in {took_s:.0f} s", highlight=False)


def _cell(verdict: str | None) -> str:
    if verdict is None:
        return ""
    return "[green]pass" if verdict == PASSED else "[red]fail"


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(main())
