"""Breaks everything around two sidecars while 64 apps use them, and counts what the apps and the state suffer.

Goal: show that an app is never held up or broken, that no acknowledged reward is lost or counted twice, and that no
budget is exceeded, whatever fails. Method: rounds of load under random faults from a seed; then everything heals, and
what clients were told is compared with what the store holds, to the integer.

    make chaos CHAOS_ARGS="--rounds 20 --seed 7 --json"
    make chaos CHAOS_ARGS="--rounds 5 --without durability"     # the same without one protection
    make chaos CHAOS_ARGS="--companions --json"                 # no rounds: what four of them are for
    make chaos CHAOS_ARGS="--rounds 5 --topology sentinel"      # or cluster: servers that fail over

The exit status is 1 if anything was violated or a protection makes no clear difference, 2 if nothing could be run,
130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .bench import PROTECTIONS, Bench, bench, failover_bench, short_directory
from .clients import APPS, DEADLINE_MS
from .companions import companions
from .rounds import RoundResult, play, summary
from .topology import SINGLE, TOPOLOGIES, NotAvailable, check_available

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 0 when nothing was violated."""
    options = _options(arguments)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    try:
        check_available(options.topology)
        if options.companions:
            return _companions(options, console)
        found = asyncio.run(rounds(options, console))
    except NotAvailable as error:
        console.print(f"[red]{error}", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("[red]interrupted; every process that was started has ended")
        return _INTERRUPTED
    sys.stdout.write(json.dumps(found, indent=2) + "\n") if options.json else _show(console, found)
    return 1 if found["violations"] or found["app_errors"] else 0


def _companions(options: argparse.Namespace, console: Console) -> int:
    """Show what protections are for; 0 when each makes a clear difference."""
    found = asyncio.run(companions(console.print))
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    for name, one in found["companions"].items():
        console.print(f"{name}: {one['figure']} {one['with']} with it, {one['without']} without", highlight=False)
    return 0 if found["clear"] else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7, help="the same seed strikes with the same faults")
    parser.add_argument("--apps", type=int, default=APPS)
    parser.add_argument("--load-s", type=float, default=None,
                        help="seconds of load in a round: 3, or 10 where servers fail over")  # fmt: skip
    parser.add_argument("--topology", choices=TOPOLOGIES, default=SINGLE)
    parser.add_argument("--without", action="append", choices=sorted(PROTECTIONS), default=[], metavar="PROTECTION",
                        help=f"switch a protection off: {', '.join(sorted(PROTECTIONS))}")  # fmt: skip
    parser.add_argument(
        "--companions",
        action="store_true",
        help="play no rounds; show one small outage with and without each of four protections",
    )
    parser.add_argument("--spare", action="append", default=[], metavar="FAULT",
                        help='leave a fault out, as "sidecar killed"')  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    for name in options.without:
        if name == "durability" and options.topology != SINGLE:
            parser.error(f"durability is of one server's disk; with --topology {options.topology} replicas take over")
        if name == "confirmation" and options.topology == SINGLE:
            parser.error("confirmation is by replicas; one server has none: --topology sentinel or cluster")
    if options.load_s is None:
        options.load_s = 3.0 if options.topology == SINGLE else 10.0
    return options


async def rounds(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Play all rounds."""
    results: list[RoundResult] = []
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with short_directory() as directory, Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("starting", total=options.rounds)
        single = options.topology == SINGLE
        opened: AbstractAsyncContextManager[Bench] = (
            bench(directory, options.seed, options.without)
            if single
            else failover_bench(directory, options.topology, options.without)
        )
        async with opened as running:
            for number in range(options.rounds):
                seed = options.seed * 1000 + number

                def tell(what: str) -> None:
                    progress.update(task, description=f"round {len(results) + 1}: {what}")

                strikes = [one for one in running.schedule(seed, options.load_s) if one.name not in options.spare]
                results.append(
                    await play(running, seed, load_s=options.load_s, apps=options.apps, strikes=strikes, tell=tell)
                )
                progress.advance(task)
                _tell_trouble(console, results[-1])
    return {
        **summary(results),
        "seed": options.seed,
        "topology": options.topology,
        "without": {name: PROTECTIONS[name].shows for name in options.without},
        "spared": options.spare,
        "apps": options.apps,
        "recommend_deadline_ms": DEADLINE_MS,
        "took_s": round(time.monotonic() - began, 1),
    }


def _tell_trouble(console: Console, result: RoundResult) -> None:
    for error in result.app_errors[:5]:
        console.print(f"[red]an app's error: {error}", highlight=False)
    for violation in result.violations[:5]:
        console.print(f"[red]round {result.seed}: {violation.rule} {violation.where}: {violation.what}",
                      highlight=False, markup=True)  # fmt: skip


def _show(console: Console, found: dict[str, Any]) -> None:
    table = Table("what", "found", title=f"{found['rounds']} rounds, seed {found['seed']}")
    for name, value in found.items():
        if name not in ("violation_list", "app_error_list"):
            table.add_row(
                name, ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
            )
    console.print(table)


if __name__ == "__main__":
    logging.getLogger("learning_client").setLevel(logging.CRITICAL)  # it would tell of every fault that is struck here
    sys.exit(main())
