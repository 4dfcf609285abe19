"""What is counted and measured: an addition now, the rest when somebody asks.

Everything is observed from one thread, the event loop's, so no lock is needed; whoever reads from another sees whole
numbers. How it looks to Prometheus is the business of `exposition`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence


class Tally:
    """How often something happened, by its labels.

    Args:
        name: the metric's, without `_total`.
        description: what it counts.
        labels: their names; without any it starts at 0.

    >>> spins = Tally("spins", "Turns of the wheel", "colour")
    >>> spins.add("red")
    >>> spins.counts
    Counter({('red',): 1})
    """

    def __init__(self, name: str, description: str, *labels: str) -> None:
        """Start with nothing counted."""
        self.name, self.description, self.labels = name, description, labels
        self.counts: Counter[tuple[str, ...]] = Counter() if labels else Counter({(): 0})

    def add(self, *labels: str, count: int = 1) -> None:
        """Count one more, or several."""
        self.counts[labels] += count


class Gauge:
    """A value that goes up and down, read when somebody asks, so that changing it costs nothing.

    Args:
        name: the metric's.
        description: what it measures.
    """

    def __init__(self, name: str, description: str) -> None:
        """Start at 0."""
        self.name, self.description = name, description
        self.read: Callable[[], float] = lambda: 0.0


class Gauges:
    """Several values that go up and down, told apart by one label; read when somebody asks.

    Args:
        name: the metric's.
        description: what it measures.
        label: its name.
        values: what the label may be.
    """

    def __init__(self, name: str, description: str, label: str, values: Sequence[str]) -> None:
        """Start at 0."""
        self.name, self.description, self.label = name, description, label
        self.read: Callable[[], Mapping[str, float]] = lambda: dict.fromkeys(values, 0.0)


class States:
    """In which of several states something is, read when somebody asks; that one is 1 and the others are 0.

    Args:
        name: the metric's.
        description: what is in a state.
        states: their names, which the label `state` has; the first is where it begins.
    """

    def __init__(self, name: str, description: str, states: Sequence[str]) -> None:
        """Start in the first."""
        self.name, self.description, self.states = name, description, states
        self.read: Callable[[], str] = lambda: states[0]


class Durations:
    """How long something took, in seconds: how often up to which bound, and all together.

    Args:
        name: the metric's.
        description: what it measures.
        bounds: upper bounds, ascending; what is above all of them is counted too.

    >>> waits = Durations("wait_seconds", "Time in the queue", (0.1, 1.0))
    >>> waits.observe(0.5)
    >>> waits.counts, waits.total
    ([0, 1, 0], 0.5)
    """

    def __init__(self, name: str, description: str, bounds: Sequence[float]) -> None:
        """Start with nothing observed."""
        self.name, self.description, self.bounds = name, description, bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Add one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


Instrument = Tally | Gauge | Gauges | States | Durations
