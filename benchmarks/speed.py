"""How fast the sidecar decides, beside servers that do nothing, the same, or something like it.

Goal: say what a decision costs, and how much of that is gRPC, the store, and the sidecar itself. Method: one store and
all servers run side by side; in each round every one is loaded in turn (A B C A B C ...), and ratios are taken within
a round, so that what drifts cancels. Before and after each load a real client must get a right answer, and after it the
store must have recorded exactly as many decisions as were sent: a load generator alone counts refusals as successes.

    python benchmarks/speed.py                      # everything, five rounds, with progress
    python benchmarks/speed.py --quick              # three short rounds, under five minutes
    python benchmarks/speed.py --quick --json       # one JSON object on stdout
    python benchmarks/speed.py --only closed,open   # some parts only: closed, open, footprint, arms, growth, in-process
    python benchmarks/speed.py --write docs/results # measure, then write the JSON, the charts and docs/results.md
    python benchmarks/speed.py --report docs/results/speed.json   # only write them again, from a JSON

Beside ours: an empty handler on each transport (the stack's floor), the same with one EVALSHA of our own script, a
naive sidecar (grpc.aio, redis-py, one EVALSHA of our own script), envoyproxy/ratelimit, and in process LiteLLM's
Router, Vowpal Wabbit and MABWiser. ratelimit needs Go and is built once, the libraries are installed once, both into
`.bench/`; a peer that cannot be had is named with the reason, and its figures are null. h2load makes the load:
`apt-get install nghttp2-client`. The exit status is 1 if a check did not hold, 2 if nothing could be measured.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from serving import footprint, growth, in_process, install, many_arms, open_loop, report, tables
from serving.bench import FULL, QUICK, Bench
from serving.closed_loop import ClosedLoop
from serving.conditions import conditions
from serving.document import document
from serving.errors import CannotMeasure, NoPeer, WrongAnswer
from serving.load import H2load

PARTS = ("closed", "open", "footprint", "arms", "growth", "in-process")
_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for; 0 when every check held."""
    options = _options(arguments)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        found = (
            json.loads(options.report.read_text(encoding="utf-8")) if options.report else _measured(options, console)
        )
    except (CannotMeasure, WrongAnswer) as error:
        console.print(f"[red]{error}", highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("[red]interrupted; every process that was started has ended")
        return _INTERRUPTED
    if options.json:
        print(json.dumps(found, indent=2))
    elif not options.report:
        tables.show(Console(width=None if sys.stdout.isatty() else 140), found)
    if options.report or options.write:
        for path in report.write(found, options.write or options.report.parent):
            console.print(f"wrote {path}", highlight=False)
    for check in found["checks"]:
        for detail in check["broken"][:3]:
            console.print(f"[red]broken: {check['name']}: {detail}", highlight=False)
    return 0 if found["passed"] else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three short rounds, growth on grpcio only")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--only", default=",".join(PARTS), metavar="PARTS", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, help="how many rounds instead of 5, or of 3 with --quick")
    parser.add_argument(
        "--write", type=Path, metavar="DIR", help="where the JSON and the charts go; the page beside it"
    )
    parser.add_argument("--report", type=Path, metavar="JSON", help="measure nothing; write the page of this document")
    options = parser.parse_args(arguments)
    options.parts = options.only.split(",")
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if "open" in options.parts and "closed" not in options.parts:
        parser.error("open needs closed: it asks for half of the capacity that closed measures")
    return options


def _measured(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    if not sys.platform.startswith("linux"):
        raise CannotMeasure("this needs Linux: processor time and memory are read from its /proc")
    effort = QUICK if options.quick else FULL
    effort = effort if options.rounds is None else effort._replace(rounds=options.rounds)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(*columns, console=console, transient=True))
        task = progress.add_task("", total=effort.rounds + 2)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp")))

        def tell(what: str) -> None:
            progress.update(task, description=what)

        H2load(directory)  # without it nothing can be measured: say so before anything is installed
        _install(tell)
        began = time.monotonic()
        bench = Bench(directory, effort, tell, stack)
        with bench.part("start"):
            bench.start()
        loop = ClosedLoop(bench)
        for bench.round in range(effort.rounds):
            _one_round(bench, loop, options.parts)
            progress.advance(task)
        bench.round = 0
        if "growth" in options.parts:
            with bench.part("growth"):
                growth.measure(bench, loop)
        progress.advance(task)
        with bench.part("in-process"):
            libraries = in_process.measure(bench) if "in-process" in options.parts else {}
        return document(bench, conditions(bench), libraries, time.monotonic() - began)


def _one_round(bench: Bench, loop: ClosedLoop, parts: list[str]) -> None:
    measures: dict[str, Callable[[], None]] = {
        "closed": loop.round,
        "open": lambda: open_loop.round_of(bench),
        "footprint": lambda: footprint.round_of(bench),
        "arms": lambda: many_arms.round_of(bench, loop),
    }
    for name, measure in measures.items():
        if name in parts:
            with bench.part(name):
                measure()


def _install(tell: Any) -> None:  # noqa: ANN401 - as in `install`
    """Install before anything is measured; whoever needs what is missing says why it is."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(peer, tell) for peer in (install.ratelimit, install.in_process_python)]:
            with suppress(NoPeer):
                done.result()


def _terminated(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
