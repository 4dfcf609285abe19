"""The figures of a replay: of each shuffle, and their means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import Any

from sidecar.model.units import nano_usd
from sidecar.ops.replaying.driving import Course
from sidecar.ops.replaying.gate_report import gate_figures
from sidecar.ops.replaying.log import Row
from sidecar.ops.replaying.plan import Plan
from sidecar.ops.replaying.yardsticks import Fixed, Yardsticks, averaged

Figures = dict[str, Any]
"""One JSON object."""

_OF_ONE_SHUFFLE = ("shuffle", "workspace", "gate_next", "events")


@dataclass(frozen=True)
class Replayed:
    """All there is to tell of a replay: what was asked, what was measured, and how long it took in seconds.

    `each` has the yardsticks of each course, degradation included; `measures` their means.
    """

    log: str
    rows: Sequence[Row]
    plan: Plan
    each: Sequence[Yardsticks]
    courses: Sequence[Course]
    seconds: float

    @cached_property
    def measures(self) -> Yardsticks:
        """What a learner is measured by, over all courses."""
        return averaged(self.each)

    @property
    def failures(self) -> int:
        """Degraded answers, and rewards that were not applied."""
        return sum(course.degraded + course.not_applied for course in self.courses)

    @property
    def within_budget(self) -> bool:
        """Whether no shuffle spent more than its budget, by the service's own books."""
        return not any(
            course.budget.HasField("limit_usd")
            and nano_usd(course.budget.spent_usd) > nano_usd(course.budget.limit_usd)
            for course in self.courses
        )


def figures_of(done: Replayed) -> Figures:
    """One JSON object: the means over shuffles at the top, each shuffle's own figures in `shuffles`."""
    best = done.measures.best_fixed.name
    shuffles = [
        _shuffle_figures(course, measures, measures.arm(best)) | gate_figures(course, done.plan)
        for course, measures in zip(done.courses, done.each, strict=True)
    ]
    plan, decisions = done.plan, sum(len(course.rewards) for course in done.courses)
    asked = {
        "log": done.log,
        "domain": plan.domain,
        "policy": plan.policy,
        "policy_parameters": dict(plan.parameters),
        "mode": str(plan.mode),
        "baseline": plan.baseline,
        "budget_per_request_usd": plan.budget_per_request_usd,
        "ceilings": "row" if plan.ceilings else "none",
        "degradation": _degradation_figures(done),
        "within_budget": done.within_budget,
        "best_fixed": done.measures.best_fixed.name,
        "arms": {fixed.name: {"reward": fixed.reward, "cost_usd": fixed.cost_usd} for fixed in done.measures.arms},
        "total_seconds": done.seconds,
        "total_decisions_per_second": decisions / done.seconds if done.seconds else None,
    }
    means = {key: _mean([one[key] for one in shuffles]) for key in shuffles[0] if key not in _OF_ONE_SHUFFLE}
    means["seed"] = plan.seed
    return {**asked, **means, "shuffles": shuffles}


def _degradation_figures(done: Replayed) -> Figures | None:
    degradation = done.plan.degradation
    if degradation is None:
        return None
    first = degradation.begins_after(len(done.rows)) + 1
    return {"arms": list(degradation.arms), "percent": degradation.percent, "first_decision": first}


def _shuffle_figures(course: Course, measures: Yardsticks, best_fixed: Fixed) -> Figures:
    decisions, budget = len(course.rewards), course.budget
    mean_reward = fsum(course.rewards) / decisions
    return {
        "shuffle": course.shuffle,
        "seed": course.seed,
        "workspace": course.workspace,
        "decisions": decisions,
        "mean_reward": mean_reward,
        "baseline_reward": measures.baseline.reward,
        "best_fixed_reward": best_fixed.reward,
        "oracle_reward": measures.oracle.reward,
        "regret_best_fixed": best_fixed.reward - mean_reward,
        "regret_oracle": measures.oracle.reward - mean_reward,
        "spent_usd": budget.spent_usd,
        "reserved_usd": budget.reserved_usd,
        "budget_usd": budget.limit_usd if budget.HasField("limit_usd") else None,
        "overrun_usd": budget.overrun_usd,
        "baseline_cost_usd": _total(measures.baseline, decisions),
        "best_fixed_cost_usd": _total(best_fixed, decisions),
        "oracle_cost_usd": _total(measures.oracle, decisions),
        "arm_shares": {arm: count / decisions for arm, count in sorted(Counter(filter(None, course.arms)).items())},
        "shield_actions": dict(sorted(course.shields.items())),
        "degraded": course.degraded,
        "not_applied": course.not_applied,
        "refused": course.refused,
        "seconds": course.seconds,
    }


def _total(fixed: Fixed, decisions: int) -> float | None:
    return None if fixed.cost_usd is None else fixed.cost_usd * decisions


def _mean(values: Sequence[Any]) -> Any:  # noqa: ANN401 - numbers, tables of numbers, words, or None
    """The mean of numbers; of tables, entry by entry with 0 for a missing one; of words, the one that all share.

    None is left out: what only some shuffles have, such as a promotion, is the mean of those. None when none has it.
    """
    told = [value for value in values if value is not None]
    if not told:
        return None
    if isinstance(told[0], Mapping):
        names = sorted({name for one in told for name in one})
        return {name: _mean([one.get(name, 0) for one in told]) for name in names}
    if all(value == told[0] for value in told):
        return told[0]  # counts that are alike stay whole numbers
    return None if isinstance(told[0], str) else fsum(told) / len(told)
