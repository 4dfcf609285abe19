"""However calls, cancellations, deadlines, fragments and resets fall together, each call gets its own reply."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from sidecar.store import stream as module
from sidecar.store.endpoint import Endpoint
from sidecar.store.line import Line, Place, Together
from sidecar.store.refusals import Unreachable
from sidecar.store.stream import Stream, reply_of

from .scripted import CHORUS, EchoServer, Step, echo, tasks_left, turns

LIMIT_S = 60.0
LONG = 150_000  # more than a socket takes at once


@dataclass(frozen=True, slots=True)
class Fate:
    """How a call ends early: after turns of the loop, or just before or just after the client reads once more."""

    kind: Literal["stays", "turns", "before read", "after read", "deadline"] = "stays"
    number: int = 0


@dataclass(frozen=True, slots=True)
class Asking:
    """A call: after how many turns it begins, how it ends, how long its text is, whether it goes with others."""

    after: int = 0
    fate: Fate = Fate()
    padding: int = 0
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """What calls there are, and what the server does."""

    calls: tuple[Asking, ...]
    steps: tuple[Step, ...] = ()

    @property
    def resets(self) -> bool:
        """Whether connections are lost."""
        return any(step.hang_up for step in self.steps)


FATES = st.one_of(
    st.just(Fate()),
    st.builds(Fate, st.just("turns"), st.integers(0, 40)),
    st.builds(Fate, st.sampled_from(["before read", "after read"]), st.integers(1, 12)),
    st.builds(Fate, st.just("deadline"), st.integers(0, 5)),
)
CALLS = st.builds(Asking, st.integers(0, 30), FATES, st.sampled_from([0, 0, 0, 0, 40, LONG]), st.booleans())
STEPS = st.builds(
    Step,
    st.integers(0, 20),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.integers(1, 30) | st.just(1 << 30),
    st.sampled_from([False] * 20 + [True]),
)
SCENARIOS = st.builds(
    Scenario,
    st.lists(CALLS, min_size=2, max_size=12).map(tuple),
    st.lists(STEPS, max_size=25).map(tuple).filter(lambda steps: sum(step.hang_up for step in steps) <= 2),
)


class Hooks:
    """Runs what was put down for a moment: just before, or just after, the client's n-th read."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.at: defaultdict[tuple[str, int], list[Callable[[], Any]]] = defaultdict(list)
        self._reads = 0

    def line(self, base: type[Line]) -> type[Line]:
        """Make a line that runs them."""
        hooks = self

        class Watched(base):  # type: ignore[misc, valid-type]  # made for one play
            def data_received(self, data: bytes) -> None:
                hooks._reads += 1
                hooks._run("before read")
                super().data_received(data)
                hooks._run("after read")

        return Watched

    def _run(self, when: str) -> None:
        for hook in self.at[when, self._reads]:
            hook()


async def call(stream: Stream, text: str, one: Asking) -> Any:
    """Make one call."""
    await turns(one.after)
    within = one.fate.number / 1000 if one.fate.kind == "deadline" else LIMIT_S
    until = asyncio.get_running_loop().time() + within
    if one.joins:
        return await reply_of(stream.begin(text.encode(), until, CHORUS))
    return await stream.execute(echo(text), until)


async def cancel(task: asyncio.Task[Any], after: int) -> None:
    """Cancel a call."""
    await turns(after)
    task.cancel()


def check(scenario: Scenario, number: int, text: str, outcome: Any) -> None:
    """See that a call's outcome is one that it may have."""
    fate = scenario.calls[number].fate.kind
    if isinstance(outcome, bytes):
        assert outcome == text.encode(), "the reply of another call"
    elif isinstance(outcome, asyncio.CancelledError):
        assert fate in ("turns", "before read", "after read"), "nobody cancelled it"
    elif isinstance(outcome, TimeoutError):
        assert fate == "deadline", "it had time"
    else:
        assert isinstance(outcome, Unreachable), f"unexpected: {outcome!r}"
        assert scenario.resets, f"no connection was lost: {outcome!r}"


async def last_reply(stream: Stream) -> bytes:
    """Ask once more; the client may not have noticed a reset yet."""
    while True:
        try:
            reply: bytes = await stream.execute(echo("last"))
        except Unreachable:
            await asyncio.sleep(0.001)
        else:
            return reply


async def play(scenario: Scenario, path: Path, base: type[Line] = Line) -> None:
    """Make all calls, look at every outcome, and see that the stream works afterwards and keeps nothing."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    hooks = Hooks()
    texts = [f"{number}:" + "x" * one.padding for number, one in enumerate(scenario.calls)]
    server = EchoServer(steps=deque(scenario.steps))
    with patch.object(module, "Line", hooks.line(base)):
        async with asyncio.timeout(LIMIT_S), server.listening(path):
            stream = Stream(Endpoint(f"unix://{path}"), timeout_s=LIMIT_S)
            tasks = [
                asyncio.create_task(call(stream, text, one)) for text, one in zip(texts, scenario.calls, strict=True)
            ]
            cancelling = []
            for task, one in zip(tasks, scenario.calls, strict=True):
                if one.fate.kind == "turns":
                    cancelling.append(asyncio.create_task(cancel(task, one.fate.number)))
                elif one.fate.kind != "stays":
                    hooks.at[one.fate.kind, one.fate.number].append(task.cancel)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*cancelling)
            server.steps.clear()
            for number, (text, outcome) in enumerate(zip(texts, outcomes, strict=True)):
                check(scenario, number, text, outcome)
            assert await last_reply(stream) == b"last"
            assert stream._line is not None
            assert not stream._waiting
            assert not stream._line.asked
            await stream.close()
    assert not tasks_left()
    assert not complaints


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(scenario=SCENARIOS)
@example(scenario=Scenario((Asking(fate=Fate("turns", 1)), Asking(), Asking())))
@example(scenario=Scenario((Asking(fate=Fate("turns", 6)), Asking(after=6), Asking(after=8)), (Step(), Step(turns=9))))
@example(
    scenario=Scenario((Asking(fate=Fate("before read", 2)), Asking(), Asking(fate=Fate("after read", 2)), Asking()))
)
@example(scenario=Scenario((Asking(fate=Fate("after read", 4)), Asking(), Asking()), (Step(), *[Step(0, 1, 3)] * 8)))
@example(scenario=Scenario((Asking(fate=Fate("deadline", 1)), Asking(), Asking()), (Step(), Step(wait_ms=5))))
@example(
    scenario=Scenario((Asking(), Asking(padding=LONG), Asking(after=9)), (Step(), Step(size=4), Step(hang_up=True)))
)
@example(scenario=Scenario((Asking(joins=True), Asking(fate=Fate("turns", 2), joins=True), *[Asking(joins=True)] * 4)))
@example(
    scenario=Scenario(
        (Asking(joins=True), Asking(), Asking(fate=Fate("after read", 1), joins=True)), (Step(), Step(size=5))
    )
)
@example(scenario=Scenario((Asking(), Asking(after=3)), (Step(hang_up=True), Step(size=1), Step(hang_up=True))))
def test_every_call_gets_its_own_reply(scenario: Scenario, data_dir: Path) -> None:
    """A reply goes to the call it belongs to, none hangs, and the stream works and is empty afterwards."""
    data_dir.mkdir(exist_ok=True)
    asyncio.run(play(scenario, data_dir / "s"))


class Forgetful(Line):
    """A line with the mistake that all this is about: a call that was cancelled takes its place away with it."""

    def ask(self, asked: Any, now: float) -> None:
        """Ask, and forget the places of those that leave."""
        super().ask(asked, now)
        for one in asked:
            for place in one.places:
                place.future.add_done_callback(lambda future, one=one, place=place: self._forget(future, one, place))

    def _forget(self, future: asyncio.Future[Any], one: Place | Together, place: Place) -> None:
        if not future.cancelled():
            return
        if isinstance(one, Together):
            one.places.remove(place)
        elif one in self.asked:
            self.asked.remove(one)


def test_a_line_that_forgets_places_is_caught(data_dir: Path) -> None:
    """The same check on the same scenarios finds replies of others when places are given up on cancellation."""
    data_dir.mkdir()
    wrong = []

    @settings(
        max_examples=200, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    @given(scenario=SCENARIOS)
    def look(scenario: Scenario) -> None:
        if not wrong:
            try:
                asyncio.run(play(scenario, data_dir / "s", Forgetful))
            except AssertionError as error:
                wrong.append(str(error))

    look()
    assert wrong
    for joins, told in ((False, "the reply of another call"), (True, "unexpected: StoreMisbehaved")):
        calls = (Asking(0, Fate("turns", 40), 0, joins), Asking(joins=joins), Asking(joins=joins))
        overtaken = Scenario(calls, (Step(), Step(turns=80)))
        with pytest.raises(AssertionError, match=told):
            asyncio.run(play(overtaken, data_dir / "s", Forgetful))
        asyncio.run(play(overtaken, data_dir / "s"))
