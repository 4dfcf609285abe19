"""A chart for a terminal: mean rewards over the course of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from sidecar.ops.replaying.log import Row
from sidecar.ops.replaying.report import Replayed

_COLUMNS, _LINES = 64, 12
_LEARNER, _BASELINE, _BEST_FIXED = "●", "·", "─"


def chart(done: Replayed) -> str:
    """The mean reward up to each decision, averaged over shuffles: the learner, the baseline and the best fixed arm."""
    baseline, best = done.measures.baseline.name, done.measures.best_fixed.name
    curves = [(_BASELINE, _averaged([_fixed(course.rows, baseline) for course in done.courses]))]
    if best != baseline:
        curves.append((_BEST_FIXED, _averaged([_fixed(course.rows, best) for course in done.courses])))
    curves.append((_LEARNER, _averaged([_running_means(course.rewards) for course in done.courses])))
    key = f"{_LEARNER} {done.plan.policy}   {_BASELINE} baseline {baseline}"
    key += f"   {_BEST_FIXED} best fixed {best}" if best != baseline else " (also the best fixed)"
    return f"mean reward so far\n{drawn(curves, len(done.rows))}\n{key}"


def drawn(curves: Sequence[tuple[str, Sequence[float]]], decisions: int) -> str:
    """Curves of equal length, a mark each, on axes; later ones are drawn over earlier ones.

    >>> print(drawn([("o", [0.0, 0.5, 1.0])], 300).splitlines()[0])
     1.000 ┤  o
    """
    values = [value for _, curve in curves for value in curve]
    low, high = min(values), max(values)
    span = high - low or 1.0
    canvas = [[" "] * len(curves[0][1]) for _ in range(_LINES)]
    for mark, curve in curves:
        for column, value in enumerate(curve):
            canvas[round((high - value) / span * (_LINES - 1))][column] = mark
    lines = [
        f"{high - line / (_LINES - 1) * span:6.3f} ┤{''.join(cells).rstrip()}" for line, cells in enumerate(canvas)
    ]
    width = len(curves[0][1])
    return "\n".join(
        [*lines, " " * 7 + "└" + "─" * width, f"{'1':>9}{f'{decisions:,} decisions':>{max(0, width - 1)}}"]
    )


def _fixed(rows: Sequence[Row], arm: str) -> list[float]:
    return _running_means([row.rewards[arm] for row in rows])


def _running_means(rewards: Sequence[float]) -> list[float]:
    """The mean up to some decisions, evenly chosen, the last one among them."""
    sums = list(accumulate(rewards))
    columns = min(_COLUMNS, len(sums))
    ends = [round((column + 1) * len(sums) / columns) for column in range(columns)]
    return [sums[end - 1] / end for end in ends]


def _averaged(curves: Sequence[Sequence[float]]) -> list[float]:
    return [sum(values) / len(values) for values in zip(*curves, strict=True)]
