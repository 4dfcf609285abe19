"""Table C: late, lost and missing rewards."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from gating.feedback import EPOCH, WAIT, Feedback, Seen, as_they_come, watched
from gating.figures import Cell, Effort, Figure, Section, median, rate
from gating.type_one import ALPHA
from gating.worlds import like

LEVEL, SPREAD, SHARE = 0.7, 0.2, 0.1
_RUNS_AT_ONCE = 200


class Case(NamedTuple):
    """How rewards come in, and what the reference found: per cent promoted with watermark and in order of arrival."""

    name: str
    delta: float
    feedback: Feedback
    watermark: float
    arrival: float
    null: bool = True
    median: float | None = None


_NEVER, _LATE = np.inf, 4000.0
_LOST, _DELAY = "bad never arrive", "delay 300"
CASES = (
    Case(f"{_LOST}, zero, 0", 0.0, Feedback(bad_late=_NEVER), 0.0, 100.0),
    Case(f"{_LOST}, worst, 0", 0.0, Feedback(bad_late=_NEVER, rule="worst"), 0.0, 100.0),
    Case(f"{_LOST}, neutral, 0 (misuse)", 0.0, Feedback(bad_late=_NEVER, rule="neutral"), 100.0, 100.0, null=False),
    Case("bad 4000 late, 0", 0.0, Feedback(bad_late=_LATE), 0.0, 100.0),
    Case("bad 4000 late, -.05", -0.05, Feedback(bad_late=_LATE), 0.0, 93.6),
    Case(f"{_DELAY}, 20 % missing, zero, 0", 0.0, Feedback(300, 0.2), 1.8, 1.0),
    Case(f"{_DELAY}, 20 % missing, neutral, 0", 0.0, Feedback(300, 0.2, rule="neutral"), 0.7, 1.0),
    Case(f"{_DELAY}, none missing, +.05", 0.05, Feedback(300), 99.2, 100.0, null=False, median=3498),
    Case(f"{_DELAY}, 20 % missing, zero, +.05", 0.05, Feedback(300, 0.2), 49.7, 100.0, null=False),
    Case(f"{_DELAY}, 20 % missing, neutral, +.05", 0.05, Feedback(300, 0.2, rule="neutral"), 99.5, 100.0, null=False),
    Case(f"{_DELAY}, 5 % missing, worst, +.10", 0.1, Feedback(300, 0.05, rule="worst"), 5.0, 100.0, null=False),
)


def section() -> Section:
    """All cells of the table."""
    return Section(
        "C",
        "Delays: promoted by 10,000 decisions",
        f"share {SHARE}, epoch {EPOCH}, W {WAIT}, error .05; an epoch is folded when each of its rewards is in or W "
        "after its decision, and a promotion counts if that is within the 10,000 decisions. Not stated by the "
        "reference, chosen here: Beta sd .20, mean .7 (of sd .15, .20 and .25 and Bernoulli on .6, .65 and .7 this "
        "agrees best); a deadline for each decision, as in the service (with one for each epoch, the last row is "
        "9 %); 'bad' is a challenger's reward below the baseline's mean; the delay is exponential",
        [Cell(case.name, partial(_cell, case)) for case in CASES],
    )


def _cell(case: Case, effort: Effort) -> list[Figure]:
    world, rng = like(SPREAD, LEVEL, case.delta, SHARE), effort.rng(case.name)
    watermark, arrival = [], []
    for start in range(0, effort.runs, _RUNS_AT_ONCE):
        runs = min(_RUNS_AT_ONCE, effort.runs - start)
        exposed, outcome = world.draw(rng, runs, np.arange(effort.horizon))
        seen = Seen(exposed, outcome, case.feedback.arrivals(rng, exposed, outcome, LEVEL))
        watermark.append(watched(world, case.feedback, seen, ALPHA))
        arrival.append(as_they_come(world, seen, ALPHA))
    promoted = np.concatenate([one.promoted for one in watermark])
    naive = np.concatenate([one.promoted for one in arrival])
    why = "which rewards are bad, and so how many are seen, is not stated by the reference" if _biased(case) else ""
    figures = [
        rate(case.name, "watermark", promoted, case.watermark, limit=100 * ALPHA if case.null else None),
        rate(case.name, "contrast: arrival order", naive, case.arrival, why_open=why),
    ]
    if case.median is not None:
        decisions = np.concatenate([one.decisions for one in watermark])[promoted]
        figures.append(median(case.name, "median decisions", decisions, case.median, unit="decisions"))
    return figures


def _biased(case: Case) -> bool:
    return case.feedback.bad_late > 0
