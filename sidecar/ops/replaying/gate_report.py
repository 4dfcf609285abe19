"""What the gate did in a replay: figures of a course, and what a person reads of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import accumulate
from math import fsum
from typing import Any

from sidecar.model.mode import Mode
from sidecar.ops.replaying.climbing import Move
from sidecar.ops.replaying.driving import Course
from sidecar.ops.replaying.plan import Plan

Figures = dict[str, Any]
"""One JSON object."""


def gate_figures(course: Course, plan: Plan) -> Figures:
    """What the gate did in one course; without a gate there are no moves, but what was lost is told all the same.

    `gate_loss` is the baseline's reward minus the executed arm's, summed over decisions, as the log and the degradation
    have both; a refused decision gives 0. `gate_loss_max` is the largest that this sum was at any time.
    `gate_allowance` is what the gate agreed to lose so far, over all stages and attempts. All are in rewards.
    """
    losses = [
        row.rewards[plan.baseline] - row.rewards.get(arm, 0.0)
        for row, arm in zip(course.rows, course.arms, strict=True)
    ]
    return {
        "mode_end": course.mode_end,
        "promotions": course.gate.promotions,
        "rollbacks": course.gate.rollbacks,
        "gate_loss": fsum(losses),
        "gate_loss_max": max(0.0, *accumulate(losses)),
        "gate_allowance": course.gate.loss_allowance_granted,
        **_after_promotion(course, plan.baseline),
        "rollback_delay": _rollback_delay(course, plan),
        "gate_next": course.gate.next,
        "events": [asdict(move) for move in course.moves],
    }


def gate_lines(plan: Plan, shuffles: Sequence[Figures]) -> list[str]:
    """What a person reads: of a single course every move, of several how many went which way."""
    if plan.mode is not Mode.GATED:
        return []
    return _one(shuffles[0]) if len(shuffles) == 1 else _several(shuffles, drill=plan.degradation is not None)


def _after_promotion(course: Course, baseline: str) -> Figures:
    """What the decisions after the first promotion gave, and what the baseline would have given in them."""
    at = next((move.decision for move in course.moves if _promotes(move)), None)
    rewards, rows = course.rewards[at:], course.rows[at:]
    told = at is not None and bool(rows)
    return {
        "first_promotion_at": at,
        "mean_reward_after_promotion": fsum(rewards) / len(rows) if told else None,
        "baseline_reward_after_promotion": fsum(row.rewards[baseline] for row in rows) / len(rows) if told else None,
    }


def _rollback_delay(course: Course, plan: Plan) -> int | None:
    """How many decisions the first rollback came after the degradation began; None without either."""
    if plan.degradation is None:
        return None
    begins = plan.degradation.begins_after(len(course.rows))
    back = (move.decision - begins for move in course.moves if _rolls_back(move))
    return next((delay for delay in back if delay > 0), None)


def _promotes(move: Move) -> bool:
    return move.after == Mode.LIVE and move.before != Mode.LIVE


def _rolls_back(move: Move) -> bool:
    return move.before == Mode.LIVE and move.after != Mode.LIVE


def _one(figures: Figures) -> list[str]:
    lines = [_event_line(event) for event in figures["events"]]
    if (delay := figures["rollback_delay"]) is not None:
        lines.append(f"rolled back {delay:,} decisions after the degradation began")
    after, baseline = figures["mean_reward_after_promotion"], figures["baseline_reward_after_promotion"]
    if after is not None:
        lines.append(f"after the first promotion: mean reward {after:.4f}, the baseline's {baseline:.4f}")
    worst = (
        f"{figures['gate_loss_max']:.1f} behind it at the worst moment, {figures['gate_allowance']:.1f} allowed so far"
    )
    lines.append(f"gate: ended in {figures['mode_end']}; {_loss(figures)}, {worst}")
    return [*lines, f"next: {figures['gate_next']}"]


def _event_line(event: Figures) -> str:
    restored = "; what was learned went back to the checkpoint" if event["checkpoint_restored"] else ""
    return f"decision {event['decision']:,}: {event['before']} -> {event['after']} ({event['reason']}{restored})"


def _loss(figures: Figures) -> str:
    lost = figures["gate_loss"]
    return f"gained {-lost:.1f} rewards on the baseline" if lost < 0 else f"lost {lost:.1f} rewards to the baseline"


def _several(shuffles: Sequence[Figures], *, drill: bool) -> list[str]:
    ends = Counter(one["mode_end"] for one in shuffles)
    ended = ", ".join(f"{count} in {mode}" for mode, count in ends.most_common())
    promoted = sum(one["promotions"] > 0 for one in shuffles)
    back = sum(one["rollbacks"] for one in shuffles)
    worst = max(shuffles, key=lambda one: one["gate_loss_max"])
    moved = f"{sum(one['promotions'] for one in shuffles)} promotions and {back} rollbacks in all"
    down = f"the worst shuffle was {worst['gate_loss_max']:.1f} rewards behind the baseline at the worst moment"
    allowed = f"{worst['gate_loss']:.1f} at the end (below 0 is a gain); {worst['gate_allowance']:.1f} allowed so far"
    lines = [
        f"gate: of {len(shuffles)} shuffles {promoted} were promoted; at the end {ended}; {moved}",
        f"gate: {down}, {allowed}",
    ]
    delays = sorted(one["rollback_delay"] for one in shuffles if one["rollback_delay"] is not None)
    if drill:
        took = f", after {delays[0]:,} to {delays[-1]:,} decisions" if delays else ""
        lines.append(f"drill: {len(delays)} of {len(shuffles)} shuffles rolled back after the degradation{took}")
    return lines
