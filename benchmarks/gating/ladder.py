"""Table D: from canary to live and back, within both loss allowances."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from gating.figures import REFERENCE_PIPELINE_RUNS as RUNS
from gating.figures import Cell, Effort, Figure, Section, mean, median, rate
from gating.pipeline import Pipeline, Plan
from gating.type_one import ALPHA
from gating.worlds import Schedule, like, turning

LEVEL, SPREAD, CHANGE = 0.7, 0.2, 20_000
REFERENCE_PLAN = Plan(attempts=False, unfolded=False)
"""What the reference must have simulated."""
OUR_PLAN = Plan()
"""The service: alpha_i and B_i of every attempt, and exposures that are not folded yet."""
DEFAULT_PLAN = Plan(losses=(40.0, 100.0), false_alarm_epochs=10_000, epoch=50)
"""The service with its default settings."""
_OPEN = (
    "the reference does not state the spread of its rewards, nor what follows a rollback; with the same terms again, "
    "sd .20 gives a gain of some 1,717, sd .22 of 1,701"
)
_EPOCH = float(REFERENCE_PLAN.epoch)


class Case(NamedTuple):
    """A difference over time, and what the reference found; None where it says nothing."""

    name: str
    delta: float | Schedule
    promoted: float | None = None
    promoted_at: float | None = None
    false_rollback: float | None = None
    gain: float | None = None
    rollback: float | None = None
    delay: float | None = None
    overshoot: float | None = None


CASES = (
    Case("+.05 stays", 0.05, promoted=100.0, promoted_at=2000, false_rollback=3.5, gain=1708),
    Case("+.10, then -.10", turning(0.1, -0.1, CHANGE), rollback=100.0, delay=1100),
    Case("+.10, then -.30", turning(0.1, -0.3, CHANGE), rollback=100.0, delay=300),
    Case("+.10, then -.05", turning(0.1, -0.05, CHANGE), rollback=100.0, delay=3200),
    Case("always 0", 0.0, promoted=0.5),
    Case("always -.05", -0.05, promoted=0.0, gain=-25.0, overshoot=0.1),
    Case("always -.30", -0.3, promoted=0.0, gain=-29.2, overshoot=0.1),
)


def section() -> Section:
    """All cells of the table."""
    cells = [Cell(f"{case.name}: reference", partial(_as_the_reference, case)) for case in CASES]
    cells += [Cell(f"{case.name}: service", partial(_as_the_service, "service", OUR_PLAN, case)) for case in CASES]
    cells.append(Cell("defaults", partial(_as_the_service, "service, defaults", DEFAULT_PLAN, CASES[0])))
    return Section(
        "D",
        "Pipeline: 40,000 decisions, canary .10 to live .90, the change after 20,000",
        "B0 40, B1 60, A 4000; rewards at once; checked after every epoch; gain is the sum of q Delta. Not stated "
        "by the reference, chosen here: Beta sd .20, mean .7 as in C; epoch 100; control variate = the baseline's "
        "mean. 'reference': without the unfolded exposures, as the reference says of its own run; error .05, and "
        "after a rollback the same terms again. 'service': what is implemented: decisions of the epoch that is not "
        "folded yet count as total losses, an epoch ends when that leaves no room, and whatever ends a phase begins "
        "attempt i with alpha / (i (i + 1)) and B / 2^(i-1). 'defaults': B1 100, A 10,000, epoch 50",
        cells,
    )


def _simulated(name: str, plan: Plan, case: Case, effort: Effort) -> Pipeline:
    changes_at = CHANGE if callable(case.delta) else 0
    world = like(SPREAD, LEVEL, case.delta, plan.shares[0])
    rng = effort.rng(f"{name} {case.name}")
    return Pipeline(world, plan, effort.pipeline_runs, rng, changes_at).run(effort.pipeline_horizon)


def _as_the_reference(case: Case, effort: Effort) -> list[Figure]:
    """Beside the reference's figures."""
    found = _simulated("reference", REFERENCE_PLAN, case, effort)
    return _figures(f"reference: {case.name}", case, found)


def _as_the_service(name: str, plan: Plan, case: Case, effort: Effort) -> list[Figure]:
    """Without the reference's figures: it simulated something else. The allowances must hold."""
    found = _simulated(name, plan, case, effort)
    return _figures(f"{name}: {case.name}", Case(case.name, case.delta), found)


def _figures(name: str, case: Case, found: Pipeline) -> list[Figure]:
    promoted, unit = found.promoted_at > 0, "decisions"
    figures = [rate(name, "promoted", promoted, case.promoted, reference_runs=RUNS)]
    if promoted.mean() > 0.5:
        at = found.promoted_at[promoted]
        figures.append(
            median(name, "median promotion", at, case.promoted_at, unit=unit, slack=_EPOCH, reference_runs=RUNS)
        )
    if callable(case.delta):
        rolled = found.rolled_back_at > 0
        delays = found.rolled_back_at[rolled] - CHANGE
        figures.append(rate(name, "rolled back after", rolled, case.rollback, reference_runs=RUNS))
        figures.append(median(name, "median delay", delays, case.delay, unit=unit, slack=_EPOCH, reference_runs=RUNS))
    elif case.delta > 0:
        figures.append(rate(name, "false rollback", found.rollbacks > 0, case.false_rollback, reference_runs=RUNS))
        figures.append(rate(name, "of these by alarm", found.alarms > 0, None))
    slack, why = (0.5, _OPEN) if (case.gain or 0) > 100 else (0.05, "")
    figures.append(mean(name, "mean gain", found.gain, case.gain, slack=slack, why_open=why))
    if case.overshoot is not None:
        figures.append(rate(name, "P(G < -40)", found.least_gain < -40 - 1e-9, case.overshoot, reference_runs=RUNS))
    stages = ("canary", "live") if promoted.any() else ("canary",)
    for stage, overspent in zip(stages, found.overspent, strict=False):
        figures.append(rate(name, f"{stage} loss > allowance", overspent, limit=100 * ALPHA))
    return figures
