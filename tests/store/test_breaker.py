"""A server that does not answer holds up a few calls, and then none but one after each pause."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from time import monotonic
from timeit import repeat
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.errors import StoreUnavailable
from sidecar.store.breaker import FAILURES, PAUSE_S, REFUSALS, WAITED_S, Breaker, State
from sidecar.store.connection import Connection
from sidecar.store.refusals import Kind, Refused, Unreachable
from sidecar.telemetry.metrics import BREAKER_STATES

from .scripted import LONG_S, EchoServer, echo, socket_in, until_true

PATIENCE_S = 1.0
HARMLESS = sorted({*Kind} - REFUSALS)
SILENCE = TimeoutError("no reply in time")


def speaking(kind: str) -> Refused:
    """What a server says."""
    return Refused(f"{kind} and so on")


class BreakerMachine(RuleBasedStateMachine):
    """Calls that begin, end and are given up in any order, while a clock goes on in steps of any length."""

    @initialize(seed=st.integers(0, 9), patience_s=st.sampled_from([0.05, PATIENCE_S, 30.0]))
    def begin(self, seed: int, patience_s: float) -> None:
        """Start with a closed breaker and no calls."""
        self.breaker = Breaker(patience_s, Random(seed))
        self.patience_s = patience_s
        self.enough_s = min(WAITED_S, patience_s)
        self.now = 100.0
        self.running: list[float] = []  # when each call that was let through began
        self.in_a_row = 0
        self.opened_at = 0.0
        self.let_through_at: float | None = None

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.1, 0.2, 0.25, 0.5, 1.0, 31.0]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @rule()
    def call(self) -> None:
        """Ask to be let through: always while closed, never within half a pause, always after a whole one."""
        before, admitted = self.breaker.state, self.breaker.admits(self.now)
        if before is State.CLOSED:
            assert admitted
        if before is State.OPEN:
            waited = self.now - self.opened_at
            assert admitted or waited < PAUSE_S
            assert not admitted or waited >= PAUSE_S / 2
        if before is State.HALF_OPEN and self.let_through_at is not None:  # one is under way, unless it takes too long
            assert admitted == (self.now >= self.let_through_at + self.patience_s)
        if admitted:
            self.running.append(self.now)
            if before is not State.CLOSED:
                assert self.breaker.state is State.HALF_OPEN
                self.let_through_at = self.now

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Any answer closes it; a refusal of this one call is one."""
        self._take(data)
        kind = data.draw(st.sampled_from([None, *HARMLESS]))
        if kind is None:
            self.breaker.answered()
        else:
            self.breaker.failed(speaking(kind), 0.0, self.now)
        assert self.breaker.state is State.CLOSED
        self.in_a_row = 0

    @precondition(lambda self: self.running)
    @rule(data=st.data(), error=st.sampled_from([SILENCE, Unreachable("lost"), *map(speaking, sorted(REFUSALS))]))
    def miss(self, data: st.DataObject, error: Any) -> None:
        """So many in a row open it; who had hardly waited does not count."""
        began_at, before = self._take(data), self.breaker.state
        waited = self.now - began_at
        self.breaker.failed(error, waited, self.now)
        if error is SILENCE and waited < self.enough_s:
            assert self.breaker.state is before
            self._leave(before)
            return
        self.in_a_row += 1
        if before is State.HALF_OPEN or (before is State.CLOSED and self.in_a_row >= FAILURES):
            assert self.breaker.state is State.OPEN
            self.opened_at, self.let_through_at = self.now, None
        else:
            assert self.breaker.state is before

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """A caller that leaves changes nothing, and the next one is let through in its place."""
        self._take(data)
        before = self.breaker.state
        self.breaker.left(self.now)
        assert self.breaker.state is before
        self._leave(before)

    def _take(self, data: st.DataObject) -> float:
        return self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))

    def _leave(self, before: State) -> None:
        if before is State.HALF_OPEN:
            assert self.breaker.admits(self.now)
            self.running.append(self.now)
            self.let_through_at = self.now

    @invariant()
    def counts(self) -> None:
        """It is closed exactly as long as too few were missed in a row."""
        if hasattr(self, "breaker"):
            assert self.breaker.failures == self.in_a_row
            assert (self.breaker.state is State.CLOSED) == (self.in_a_row < FAILURES) == (not self.breaker.tripped)


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(deadline=None, stateful_step_count=60)


@pytest.fixture
async def silent(data_dir: Path) -> AsyncIterator[tuple[EchoServer, Connection]]:
    """A connection to a server that greets, and then answers nothing until it is told to."""
    path = socket_in(data_dir)
    async with EchoServer(silent=True).listening(path) as server:
        connection = Connection(f"unix://{path}", timeout_s=0.3)
        yield server, connection
        await connection.close()


async def call(connection: Connection, within_s: float = 60.0) -> bytes:
    """Call as every request does."""
    until = asyncio.get_running_loop().time() + within_s
    answer: bytes = await connection.answer(connection.begin(echo("x"), "script", "key", until))
    return answer


async def missed(connection: Connection, within_s: float = 60.0) -> BaseException | None:
    """Call in vain; say why."""
    with pytest.raises(StoreUnavailable) as caught:
        await call(connection, within_s)
    return caught.value.__cause__


async def test_calls_fail_at_once_and_the_first_answer_ends_it(silent: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A silent server holds up as many calls as it takes, then none; when it answers, it is used again."""
    caplog.set_level(logging.INFO, "sidecar.store.breaker")
    server, connection = silent
    await asyncio.gather(*(missed(connection) for _ in range(FAILURES)))
    assert connection.breaker is State.OPEN
    heard = len(server.echoed)
    for _ in range(100):
        assert "left alone" in str(await missed(connection))
    assert len(server.echoed) <= heard + 1  # one, if that took longer than a pause
    server.silent = False
    while connection.breaker is not State.CLOSED:
        try:
            assert await call(connection) == b"x"
        except StoreUnavailable:
            await asyncio.sleep(0.01)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_impatient_callers_do_not_open_it(silent: Any) -> None:
    """Who waits for a millisecond learns nothing of the server, however many do."""
    _, connection = silent
    for _ in range(3 * FAILURES):
        assert isinstance(await missed(connection, 0.001), TimeoutError)
    assert connection.breaker is State.CLOSED


async def test_a_caller_that_is_cancelled_leaves_its_place(data_dir: Path) -> None:
    """The one that was let through is cancelled: the next one may try at once."""
    path = socket_in(data_dir)
    async with EchoServer().listening(path) as server:
        connection = Connection(f"unix://{path}", timeout_s=LONG_S)
        assert await call(connection) == b"x"
        breaker, server.silent = connection._hot.stream_of("key").breaker, True
        for _ in range(FAILURES):
            breaker.failed(Unreachable("lost"), 0.0, -math.inf)
        task = asyncio.create_task(call(connection))
        await until_true(lambda: breaker.state is State.HALF_OPEN)
        with pytest.raises(StoreUnavailable):
            connection.begin(echo("y"), "script", "key")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not connection.begin(echo("z"), "script", "key").reply.done()
        await connection.close()


async def test_a_server_that_is_not_there(data_dir: Path) -> None:
    """Without a connection calls fail at once anyway; that, too, shows as open."""
    connection = Connection(f"unix://{data_dir / 'nobody'}", timeout_s=0.3)
    for _ in range(FAILURES):
        await missed(connection)
    assert connection.breaker is State.OPEN
    await connection.close()


def test_what_it_costs_while_all_is_well() -> None:
    """Far below a microsecond a call: what `Connection.begin` and `answer` do with it."""
    breaker = Breaker(PATIENCE_S)

    def as_a_call_does() -> None:
        monotonic()
        if breaker.tripped and not breaker.admits(monotonic()):
            raise AssertionError
        if breaker.failures:
            breaker.answered()

    assert min(repeat(as_a_call_does, number=10_000, repeat=50)) / 10_000 < 1e-6


def test_the_metric_knows_every_state() -> None:
    """Telemetry lies below the store and names the states itself."""
    assert set(BREAKER_STATES) == set(State)
