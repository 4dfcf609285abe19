"""A progress bar on stderr that shows the learning: mean reward and spend so far."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sidecar.ops.replaying.driving import Watch

_EVERY = 10
_RECENT = 200


@contextmanager
def watching(decisions: int, *, shown: bool) -> Iterator[Watch]:
    """What to tell of every decision.

    Args:
        decisions: how many there will be.
        shown: whether there is a bar at all.
    """
    if not shown:
        yield lambda _reward, _cost: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
        TextColumn("mean reward {task.fields[mean]:.3f}, last {task.fields[count]} {task.fields[recent]:.3f}"),
        TextColumn("${task.fields[spent]:.4f}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tally = _Tally()
        task = progress.add_task("replaying", total=decisions, mean=0.0, recent=0.0, count=0, spent=0.0)

        def watch(reward: float, cost_usd: float) -> None:
            tally.add(reward, cost_usd)
            if tally.seen % _EVERY == 0 or tally.seen == decisions:
                progress.update(
                    task, completed=tally.seen, mean=tally.total / tally.seen, spent=tally.spent_usd,
                    recent=sum(tally.recent) / len(tally.recent), count=len(tally.recent),
                )  # fmt: skip

        yield watch


def wanted(*, json: bool, asked: bool) -> bool:
    """Whether to show a bar: when asked for, else on a terminal unless the output is for a program."""
    return asked or (sys.stderr.isatty() and not json)


class _Tally:
    """What the bar shows."""

    def __init__(self) -> None:
        self.seen = 0
        self.total = 0.0
        self.spent_usd = 0.0
        self.recent: deque[float] = deque(maxlen=_RECENT)

    def add(self, reward: float, cost_usd: float) -> None:
        """Count one decision."""
        self.seen += 1
        self.total += reward
        self.spent_usd += cost_usd
        self.recent.append(reward)
