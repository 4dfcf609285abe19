"""`learning-sidecar replay`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from sidecar.errors import InvalidInput
from sidecar.model.mode import Mode
from sidecar.ops.replaying.degrading import OPTION as DEGRADE
from sidecar.ops.replaying.degrading import Degradation, degradation_from, joined
from sidecar.ops.replaying.log import baseline_of, rows_from
from sidecar.ops.replaying.plan import Plan
from sidecar.ops.replaying.progress import wanted
from sidecar.ops.replaying.report import figures_of
from sidecar.ops.replaying.running import numbered_rows, replayed
from sidecar.ops.replaying.table import show
from sidecar.rewards.engine import RewardEngine
from sidecar.settings.file import read_configuration

_SEED_MAX = 2**53 - 2**20  # exact in a message's numbers, with any shuffle's number added
_SHUFFLES_MAX = 10_000


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "replay",
        help="ask what would have happened on your own traffic",
        description="Drive a service over gRPC with a log that knows what every arm would have given, one JSON object "
        'a line: {"arms": {"NAME": {"reward" or "quality", "groundedness", "safety"; "cost_usd", "latency_ms"}}, '
        '"context": {numbers}, "segment": "..."}. Without --address it starts a service of its own and throws its '
        "state away afterwards. Exits 1 if an answer was degraded or a reward not applied, 2 on invalid input.",
        epilog="Yardsticks are computed here, by the reward settings of --config or else the default ones: a service "
        "at --address that declares others rewards signals differently. Rows with an outright reward are unaffected.",
    )
    one.add_argument("file", metavar="FILE", help="the log, or paretobandit:val or paretobandit:test_holdout")
    one.add_argument("--address", help="a running sidecar (default: start one)")
    one.add_argument("--config", help="the file of domains, YAML or TOML, of the service that is started")
    _add_choices(one)
    _add_courses(one)
    one.add_argument("--data-dir", type=Path, metavar="DIR", help="where a published data set's wheel may lie")
    one.add_argument("--progress", action="store_true", help="show a progress bar although there is no terminal")
    one.add_argument("--json", action="store_true", help="print one JSON object")
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Replay, and show what came of it."""
    configuration = read_configuration(Path(asked.config) if asked.config else None)
    engine = RewardEngine(configuration.domain(asked.domain).reward)
    numbered = numbered_rows(asked.file, asked.data_dir)
    rows = rows_from(numbered, engine, segments=asked.segment, rows_max=asked.max_rows)
    plan = Plan(
        domain=asked.domain,
        baseline=baseline_of(rows, asked.baseline),
        policy=asked.policy,
        parameters=dict(asked.policy_parameter),
        mode=Mode(asked.mode),
        budget_per_request_usd=asked.budget_per_request,
        seed=asked.seed,
        shuffles=asked.shuffles,
        in_order=asked.in_order,
        refresh_ms=asked.refresh_ms,
        ceilings=asked.ceilings == "row",
        degradation=joined(asked.degrade, rows),
    )
    bar = wanted(json=asked.json, asked=asked.progress)
    done = await replayed(asked.file, rows, plan, address=asked.address, configuration=configuration, bar=bar)
    figures = figures_of(done)
    if asked.json:
        print(json.dumps(figures))
    else:
        show(done, figures, Console())
    return 1 if done.failures else 0


def _add_choices(one: argparse.ArgumentParser) -> None:
    """How decisions are made."""
    modes = [mode.value for mode in Mode if mode is not Mode.OFF]
    one.add_argument("--domain", default="route", help="which domain decides (default %(default)s)")
    one.add_argument("--policy", default="thompson", help="default %(default)s")
    one.add_argument(
        "--policy-parameter", action="append", default=[], type=_parameter, metavar="KEY=VALUE", help="repeatable"
    )
    one.add_argument(
        "--mode", default=Mode.UNGATED.value, choices=modes,
        help="gated climbs from shadow as far as evidence allows, the others stay as they are (default %(default)s)",
    )  # fmt: skip
    one.add_argument("--baseline", metavar="ARM", help="what is done without learning (default: the first row's first)")
    one.add_argument(
        "--budget-per-request", type=_above_zero, metavar="USD", help="so much for each row, released as it comes"
    )
    one.add_argument(
        "--ceilings", default="row", choices=("row", "none"),
        help="send each arm's own cost as its ceiling, or let the service estimate (default %(default)s)",
    )  # fmt: skip
    one.add_argument("--refresh-ms", type=_not_negative, default=0.0, metavar="MS", help="default 0: reproducible")


def _add_courses(one: argparse.ArgumentParser) -> None:
    """Which rows, in which order, how often."""
    one.add_argument("--seed", type=_whole(0, _SEED_MAX), default=0, help="of orders and policies (default 0)")
    one.add_argument("--shuffles", type=_whole(1, _SHUFFLES_MAX), default=1, help="each from a fresh start (default 1)")
    one.add_argument("--in-order", action="store_true", help="replay in the order of the log, not shuffled")
    one.add_argument("--segment", action="append", default=[], help="only rows of this segment; repeatable")
    one.add_argument(
        DEGRADE, action="append", default=[], type=_degradation, metavar="ARM@PERCENT%",
        help="a drill: after so many percent of the rows, the arm's reward is halved; its cost and latency stay; "
        "repeatable, since a policy left with another good arm has no need of a rollback",
    )  # fmt: skip
    one.add_argument("--max-rows", type=_whole(1, 2**31), metavar="N", help="only the first N rows")


def _parameter(text: str) -> tuple[str, float]:
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, _number(value)


def _degradation(text: str) -> Degradation:
    try:
        return degradation_from(text)
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(f"got {error.value!r}; allowed: {error.allowed}") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _above_zero(text: str) -> float:
    if not 0 < (value := _number(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return value


def _not_negative(text: str) -> float:
    if not 0 <= (value := _number(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not 0 or more")
    return value


def _whole(low: int, high: int) -> Any:  # noqa: ANN401 - what argparse takes for a type
    def parsed(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low:,} to {high:,}")
        return int(text)

    return parsed
