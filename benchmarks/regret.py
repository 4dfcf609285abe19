"""Mean cumulative regret of the shipped policies beside independently simulated reference values.

Goal: show that the policies are the textbook's, not only similar ones. Method: Bernoulli arms, 10,000
decisions a run, the very classes the sidecar uses (`Policy.choice`, then `Choice.rank`), the posterior updated after
every reward. Each mean is compared with its reference; the distance is stated in combined standard
errors, and one beyond 3 makes the exit status 1. With right policies and fresh seeds that would happen in about
6 % of whole tables (24 comparisons); with the fixed seeds it happens always or never.

    python benchmarks/regret.py                 # the whole table, 15 to 20 minutes of processor time
    python benchmarks/regret.py --quick         # two settings, few runs
    python benchmarks/regret.py --mabwiser      # against the library MABWiser on two settings instead

The reference was simulated apart from this code: 1,000 runs each, vectorised, Thompson sampling by beta
draws. Its epsilon-greedy and UCB pull every arm once before anything else, which for epsilon-greedy is
declared by `prior_weight=0`; a prior of one observation at 0.5 is another policy and differs measurably.

Power: with the default runs, 3 combined standard errors are 1 to 10 % of the mean for UCB, 3 to 25 % for
epsilon-greedy, and 10 to 15 % for Thompson sampling, more where one of its rare bad runs is drawn: on SMPy-9, one run
in 500 loses more than 150 (the mean is 42), because a bad start made the best arm look third best.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing import Pool
from random import Random
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sidecar.model.arm import Arm
from sidecar.model.units import MICRO, NANO
from sidecar.policies.catalogue import make_policy

HORIZON = 10_000
DISTANCE_MAX = 3.0
# All four comparisons with MABWiser together; each is tested at a quarter of it.
WELCH_ERROR_RATE = 0.01
ALONE, OURS, THEIRS = "alone", "ours beside MABWiser", "MABWiser"

SETTINGS: dict[str, tuple[float, ...]] = {
    "Auer-2": (0.9, 0.8),
    "Auer-11": (0.9, *[0.6] * 9),
    "Auer-12": (0.9, *[0.8] * 3, *[0.7] * 3, *[0.6] * 3),
    "Auer-14": (0.55, *[0.45] * 9),
    "GC-10": (0.1, *[0.05] * 3, *[0.02] * 3, *[0.01] * 3),
    "SMPy-9": tuple(k / 10 for k in range(1, 10)),
}


class Contender(NamedTuple):
    """A policy with parameters, and the reference (mean, standard error) in the order of SETTINGS."""

    policy: str
    parameters: dict[str, float]
    reference: tuple[tuple[float, float], ...]


CONTENDERS = {
    "eps .1": Contender(
        "epsilon_greedy",
        {"epsilon": 0.1, "prior_weight": 0.0},
        ((56.0, 0.5), (291.8, 1.3), (222.5, 2.5), (222.6, 6.1), (133.5, 3.2), (428.0, 2.0)),
    ),
    "UCB1": Contender(
        "ucb1",
        {"exploration": 2.0},
        ((88.0, 0.5), (413.2, 1.0), (535.8, 1.2), (594.4, 1.4), (500.6, 0.5), (329.6, 0.8)),
    ),
    "UCB a=1": Contender(
        "ucb1",
        {"exploration": 0.5},
        ((30.1, 0.4), (118.6, 0.6), (185.5, 0.8), (262.9, 1.5), (296.2, 0.7), (101.4, 0.5)),
    ),
    "TS Beta(1,1)": Contender(
        "thompson",
        {"prior_mean": 0.5, "prior_weight": 2.0},
        ((9.8, 0.2), (47.7, 0.3), (65.7, 0.9), (163.5, 1.5), (80.5, 0.4), (42.1, 0.4)),
    ),
}


class Task(NamedTuple):
    """One run, picklable; the seed follows from it. `side` is one of ALONE, OURS and THEIRS."""

    setting: str
    contender: str
    run: int
    side: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A measured mean beside its reference."""

    setting: str
    contender: str
    runs: int
    mean: float
    standard_error: float
    reference: float
    reference_standard_error: float
    distance: float


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for; 0 when every distance is small enough."""
    options = _options(arguments)
    console = Console(stderr=options.json)
    if options.mabwiser:
        return _against_mabwiser(options, console)
    comparisons = _measured(options)
    if options.json:
        print(json.dumps([asdict(comparison) for comparison in comparisons], indent=2))
    else:
        console.print(_table(comparisons))
    far = [c for c in comparisons if abs(c.distance) > DISTANCE_MAX]
    for c in far:
        console.print(f"[red]{c.setting}, {c.contender}: {c.distance:+.1f} combined standard errors from the reference")
    return 1 if far else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--runs", type=int, default=120, help="runs per cell; Thompson sampling takes a quarter of them"
    )
    parser.add_argument("--quick", action="store_true", help="two settings and 80 runs per cell")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--mabwiser", action="store_true", help="compare with MABWiser on two settings instead")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args(arguments)
    options.settings = ["Auer-2", "Auer-11"] if options.quick else list(SETTINGS)
    options.runs = 80 if options.quick else options.runs
    return options


# ---------------------------------------------------------------------------------------------------
# One run


def regret(task: Task) -> tuple[Task, float]:
    """What one run loses against always pulling the best arm, in expectation given the pulls."""
    rng = Random(repr(task))
    # A run has its own order of arms: MABWiser breaks ties by place, and no place must be the best one.
    means = rng.sample(SETTINGS[task.setting], len(SETTINGS[task.setting]))
    pulls = _mabwiser_pulls(task, means, rng) if task.side == THEIRS else _our_pulls(task, means, rng)
    return task, sum(max(means) - means[k] for k in pulls)


def _our_pulls(task: Task, means: list[float], rng: Random) -> Iterator[int]:
    contender = CONTENDERS[task.contender]
    policy = make_policy(contender.policy, contender.parameters, Random(f"{task!r} policy"))
    arms = [Arm(str(k)) for k in range(len(means))]
    given = range(len(arms)) if task.side == OURS else ()
    for step in range(HORIZON):
        k = given[step] if step < len(given) else policy.choice(arms, {}).rank(policy.rng)[0]
        arms[k] = _rewarded(arms[k], success=rng.random() < means[k])
        yield k


def _rewarded(arm: Arm, *, success: bool) -> Arm:
    reward_micro, reward_sq_nano = arm.reward_micro + MICRO * success, arm.reward_sq_nano + NANO * success
    return Arm(arm.name, count=arm.count + 1, reward_micro=reward_micro, reward_sq_nano=reward_sq_nano)


# ---------------------------------------------------------------------------------------------------
# Our mean beside the reference


def _measured(options: argparse.Namespace) -> list[Comparison]:
    tasks = [
        Task(setting, contender, run, ALONE)
        for setting in options.settings
        for contender in CONTENDERS
        for run in range(_runs(contender, options.runs))
    ]
    found = _regrets(tasks, options.processes)
    cells = [(setting, contender) for setting in options.settings for contender in CONTENDERS]
    return [_comparison(*cell, [found[task] for task in tasks if task[:2] == cell]) for cell in cells]


def _runs(contender: str, runs: int) -> int:
    # Exact probabilities after every reward cost a quarter of a millisecond: some 3 s a run, 15 times UCB1's.
    return max(2, runs // 4) if CONTENDERS[contender].policy == "thompson" else runs


def _regrets(tasks: list[Task], processes: int) -> dict[Task, float]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, Pool(processes) as pool:
        # Slow runs first, so that no process is left alone with them at the end.
        ordered = sorted(tasks, key=lambda task: not task.contender.startswith("TS"))
        found: Iterable[tuple[Task, float]] = pool.imap_unordered(regret, ordered, chunksize=2)
        return dict(progress.track(found, total=len(tasks), description=f"{HORIZON:,} decisions a run"))


def _comparison(setting: str, contender: str, regrets: list[float]) -> Comparison:
    mean, error = statistics.fmean(regrets), statistics.stdev(regrets) / math.sqrt(len(regrets))
    reference, reference_error = CONTENDERS[contender].reference[list(SETTINGS).index(setting)]
    distance = (mean - reference) / math.hypot(error, reference_error)
    return Comparison(setting, contender, len(regrets), mean, error, reference, reference_error, distance)


def _table(comparisons: list[Comparison]) -> Table:
    table = Table(title=f"Cumulative regret after {HORIZON:,} decisions, mean and standard error")
    for heading in ("setting", "policy", "runs", "ours", "reference", "distance"):
        table.add_column(heading, justify="left" if heading in ("setting", "policy") else "right")
    for c in comparisons:
        ours, reference = (
            f"{c.mean:.1f} ± {c.standard_error:.1f}",
            f"{c.reference:.1f} ± {c.reference_standard_error:.1f}",
        )
        table.add_row(c.setting, c.contender, str(c.runs), ours, reference, f"{c.distance:+.1f}")
    return table


# ---------------------------------------------------------------------------------------------------
# Ours beside MABWiser's


def _mabwiser_pulls(task: Task, means: list[float], rng: Random) -> Iterator[int]:
    from mabwiser.mab import MAB, LearningPolicy  # noqa: PLC0415 - optional, and needed only here

    policies = {"UCB1": LearningPolicy.UCB1(alpha=1.0), "TS Beta(1,1)": LearningPolicy.ThompsonSampling()}
    bandit = MAB(list(range(len(means))), policies[task.contender], seed=rng.randrange(2**31))
    first = list(range(len(means)))
    bandit.fit(first, [int(rng.random() < means[k]) for k in first])
    yield from first
    for _ in range(HORIZON - len(first)):
        k = bandit.predict()
        bandit.partial_fit([k], [int(rng.random() < means[k])])
        yield k


def _against_mabwiser(options: argparse.Namespace, console: Console) -> int:
    """Welch's test of equal means for UCB1 and Thompson sampling; 1 when one of them differs.

    Matched by definition: both sides are given one pull of each arm first, without which MABWiser cannot
    start; its UCB1 with alpha=1 is mean + sqrt(2 ln t / n), ours with exploration=2; both Thompson
    samplings start from Beta(1, 1). Epsilon-greedy is left out: MABWiser breaks ties of unequally known
    arms by their place, ours at random, and that is another policy.
    """
    from scipy import stats  # noqa: PLC0415 - needed only here

    runs = max(2, options.runs // 5)
    cells = [(setting, contender) for setting in ("Auer-11", "SMPy-9") for contender in ("UCB1", "TS Beta(1,1)")]
    tasks = [Task(*cell, run, side) for cell in cells for run in range(runs) for side in (OURS, THEIRS)]
    found = _regrets(tasks, options.processes)
    error_rate = WELCH_ERROR_RATE / len(cells)
    differing = 0
    for cell in cells:
        ours, theirs = ([found[Task(*cell, run, side)] for run in range(runs)] for side in (OURS, THEIRS))
        p_value = float(stats.ttest_ind(ours, theirs, equal_var=False).pvalue)
        differing += p_value < error_rate
        console.print(
            f"{cell[0]}, {cell[1]}: ours {_mean(ours)}, MABWiser {_mean(theirs)}, {runs} runs, p = {p_value:.3f}"
        )
    console.print(f"{differing} of {len(cells)} differ at an error rate of {WELCH_ERROR_RATE:g} for all together")
    return 1 if differing else 0


def _mean(regrets: list[float]) -> str:
    return f"{statistics.fmean(regrets):.1f} ± {statistics.stdev(regrets) / math.sqrt(len(regrets)):.1f}"


if __name__ == "__main__":
    sys.exit(main())
