"""`learning-sidecar demo`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sidecar.ops.replaying.log import Row, baseline_of, rows_from
from sidecar.ops.replaying.plan import Plan
from sidecar.ops.replaying.progress import wanted
from sidecar.ops.replaying.report import Figures, Replayed, figures_of
from sidecar.ops.replaying.running import numbered_rows, replayed
from sidecar.ops.replaying.table import show
from sidecar.rewards.engine import RewardEngine
from sidecar.settings.file import Configuration

_LOG = "paretobandit:val"
_DOMAIN = "route"
_POLICY = "gaussian_thompson"
"""Over 20 shuffles it earns 0.9229 here and `thompson` 0.9222 (better in 16, standard error of the gap 0.0002)."""
_BASELINE = "meta-llama/llama-3.1-8b-instruct"
_BUDGET_PER_REQUEST_USD = 0.00066


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "demo",
        help="watch it learn on real prompts, within a dollar budget",
        description="Start a sidecar, and let it route 1,785 real prompts (published with the package paretobandit, "
        "fetched once) to one of three language models, by judged quality and with a hard budget of $0.00066 a "
        "request. Exits 1 if it spends more than the budget, or earns no more reward than the app would without it.",
    )
    one.add_argument("--seed", type=int, default=0, choices=range(1_000_000), metavar="N", help="default %(default)s")
    one.add_argument("--data-dir", type=Path, metavar="DIR", help="where the wheel of paretobandit may lie")
    one.add_argument("--progress", action="store_true", help="show a progress bar although there is no terminal")
    one.add_argument("--json", action="store_true", help="print one JSON object, as `replay --json` does")
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Replay the data set, show what came of it, and judge."""
    configuration = Configuration()
    engine = RewardEngine(configuration.domain(_DOMAIN).reward)
    rows = rows_from(numbered_rows(_LOG, asked.data_dir), engine)
    plan = Plan(
        domain=_DOMAIN,
        baseline=baseline_of(rows, _BASELINE),
        policy=_POLICY,
        budget_per_request_usd=_BUDGET_PER_REQUEST_USD,
        seed=asked.seed,
    )
    console = Console(quiet=asked.json)
    console.print(_opening(rows), markup=False, highlight=False, soft_wrap=True)
    bar = wanted(json=asked.json, asked=asked.progress)
    done = await replayed(_LOG, rows, plan, address=None, configuration=configuration, bar=bar)
    figures = figures_of(done)
    faults = faults_of(done, figures)
    if asked.json:
        print(json.dumps(figures | {"faults": faults}))
    show(done, figures, console)
    console.print("\n".join(faults) or _praise(figures), markup=False, highlight=False, soft_wrap=True)
    return 1 if faults else 0


def faults_of(done: Replayed, figures: Figures) -> list[str]:
    """What must not be: sentences, none if all is well."""
    faults = []
    if not done.within_budget:
        faults.append(f"spent ${figures['spent_usd']:.6f}, more than the budget of ${figures['budget_usd']:.6f}")
    if figures["mean_reward"] <= figures["baseline_reward"]:
        faults.append(
            f"earned {figures['mean_reward']:.4f}, no more than the baseline's {figures['baseline_reward']:.4f}"
        )
    if done.failures:
        faults.append(f"{done.failures} answers were degraded or rewards not applied")
    return faults


def _opening(rows: Sequence[Row]) -> str:
    return (
        f"{len(rows):,} real prompts, {len(rows[0].signals)} models, a hard budget of ${_BUDGET_PER_REQUEST_USD} for "
        f"each; today every prompt goes to {_BASELINE}.\nA sidecar learns over gRPC which model to use:"
    )


def _praise(figures: Figures) -> str:
    gained = figures["mean_reward"] - figures["baseline_reward"]
    gain = gained / (figures["best_fixed_reward"] - figures["baseline_reward"])
    cost = figures["spent_usd"] / figures["best_fixed_cost_usd"]
    return (
        f"Learned within the budget: mean reward {figures['mean_reward']:.3f} instead of "
        f"{figures['baseline_reward']:.3f}, {gain:.0%} of what the best model would gain, for {cost:.0%} of its cost."
    )
