"""Recommend, act and reward in one call: the parts that are the same whether the act is awaited or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from learning_client._decision import Decision
from learning_client._signals import SignalValues
from learning_client._steps import Steps

T = TypeVar("T")

Scored = float | SignalValues
"""What is said about a result: signals, or one number that is taken as its `quality`."""


class Refused(Exception):
    """No candidate is affordable and the domain declares that then none is executed; the act was not called."""

    def __init__(self, decision: Decision) -> None:
        """Keep the decision, whose `shields` say what was not affordable."""
        self.decision = decision
        super().__init__(f"no candidate of {decision.domain} is affordable, so none was executed")


@dataclass(frozen=True, slots=True)
class Learned(Generic[T]):
    """What `learn` did."""

    result: T
    """What the act returned, without its signals."""
    decision: Decision
    """The decision it was executed under; `decision.report` tells what became of the reward."""


def arm_to_execute(decision: Decision) -> str:
    """Return the arm; raises `Refused` when none may be executed."""
    if decision.refused:
        raise Refused(decision)
    return decision.arm


def result_and_signals(returned: object) -> tuple[object, object]:
    """Take apart what an act returned that is to be scored by its own signals.

    Raises:
        TypeError: It is not such a pair.
    """
    if not isinstance(returned, tuple) or len(returned) != 2:  # noqa: PLR2004  # a pair is two
        message = f"without score=, act must return (result, signals), got {type(returned).__name__}"
        raise TypeError(message)
    return returned


def observe(decision: Decision, scored: object) -> None:
    """Note what an act or a scorer said about a result."""
    if isinstance(scored, Mapping):
        decision.observations.add(cast("Mapping[str, object]", scored))
    else:
        decision.observations.add({"quality": scored})


@contextmanager
def scoring(steps: Steps, decision: Decision) -> Iterator[None]:
    """Stop the stopwatch, because scoring is no part of the act, and survive a scorer that fails.

    The act has succeeded and is paid for: its result is worth more to the app than the missing signal.
    """
    decision.observations.stop()
    try:
        yield
    except Exception as error:  # noqa: BLE001  # see above; it is logged with its traceback
        steps.log.note(
            "score", "could not score an act of %s, so its signals are missing", decision.domain, cause=error
        )
