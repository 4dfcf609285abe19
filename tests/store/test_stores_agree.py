"""Whatever happens in whatever order, the store in memory and the scripts on a server say and keep the same.

The scripts run on the real server, but tell the time by a key, so that both stores have one clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hiredis import Reader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from sidecar.model.gate import Cell
from sidecar.model.names import Scope
from sidecar.model.units import reward_sq_nano
from sidecar.model.view import DomainView, WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.line import Joint
from sidecar.store.lua import script
from sidecar.store.memory_store import MemoryStore
from sidecar.store.redis_store import RedisStore
from sidecar.store.wire import Call
from tests.conftest import FakeClock

from .conftest import SHAPE, Transitions
from .steps import GATE_STEPS, ROUTE, STEPS, WIDTH, Put, Step, Take, Wait, modes

NOW = "local time = redis.call('TIME')\n  return time[1] * 1000 + math.floor(time[2] / 1000)"

CLOCK = "the time of a test"


class ClockedConnection:
    """Runs the scripts with `clock` in place of the server's."""

    def __init__(self, client: Any, clock: FakeClock) -> None:
        """Keep both."""
        self._client = client
        self._clock = clock
        self._told = -1

    async def run(self, call: Call, _: float = 0.0) -> Any:
        """Run a script at the clock's time."""
        source = script(call.script).source
        assert NOW in source
        clocked = source.replace(NOW, f"return tonumber(redis.call('GET', '{CLOCK}'))")
        if self._told != self._clock.ms:
            self._told = self._clock.ms
            await self._client.set(CLOCK, self._told)
        return await self._client.eval(clocked, len(call.keys), *call.keys, *call.arguments)

    def begin(self, command: bytes, name: str, _: str, __: float, joint: Joint | None = None) -> SimpleNamespace:
        """Keep the bytes that would be sent."""
        return SimpleNamespace(command=joint.command([command]) if joint else command, name=name, joint=joint)

    async def answer(self, begun: SimpleNamespace) -> Any:
        """Run a hot script at the clock's time, from the bytes that would have been sent."""
        reader, name = Reader(encoding="utf-8"), begun.name
        reader.feed(begun.command)
        words: Any = reader.gets()
        keys = int(words[2])
        answer = await self.run(Call(name, words[3 : 3 + keys], words[3 + keys :]))
        return begun.joint.replies(answer)[0] if begun.joint else answer

    async def fields(self, key: str) -> list[str]:
        """Name the fields of a hash."""
        return [field.decode() for field in await self._client.hkeys(key)]


class Pair:
    """Both stores, told the same."""

    def __init__(self, client: Any) -> None:
        """Start empty, in a workspace of its own."""
        self._workspace = f"w-{secrets.token_hex(8)}"
        self._clock = FakeClock()
        self._ids = ["n0"]
        self._memory = MemoryStore(self._clock)
        self._redis = RedisStore(ClockedConnection(client, self._clock))  # type: ignore[arg-type]  # alike

    async def take(self, step: Step) -> None:
        """Take one step, and see that both stores say the same and then are the same."""
        if isinstance(step, Wait):
            self._clock.ms += step.ms
        else:
            here = self._here(step)
            reply = await self._both(here)
            if isinstance(reply, t.Issued):
                self._ids.append(here.decision_id)
            # A report that did not know enough is made again, as a sidecar would: with what was collected, and for
            # the phase that it did not know yet.
            while isinstance(here, t.Settle) and isinstance(reply, t.Merge | t.Stale):
                known = {"collected": reply.collected} if isinstance(reply, t.Merge) else {"phase": _phase(reply)}
                here = replace(here, **known)
                reply = await self._both(here)
        await self._both(t.Read("default", self._workspace))

    async def view(self, domain: str) -> DomainView:
        """Read a domain."""
        whole = await self._both(t.Read("default", self._workspace))
        assert isinstance(whole, WorkspaceView)
        return whole.domains[domain]

    async def _both(self, transition: t.Transition) -> t.Reply:
        reply = self._memory.apply(transition)
        assert await self._redis.apply(transition) == reply
        return reply

    def _here(self, step: Any) -> Any:
        """Let the step be of this workspace; what it knows is how far it is behind."""
        if isinstance(step, t.Issue):
            return self._issue(step)
        scope = step.scope._replace(workspace=self._workspace)
        if isinstance(step, t.Settle | t.Release):
            step = replace(step, decision_id=self._id(step.decision_id))
        view = self._known(scope)
        revision = view.control.revision
        match step:
            case t.Settle():
                return replace(step, scope=scope, phase=max(0, revision - step.phase))
            case t.SetMode():
                return replace(step, scope=scope, known_revision=max(0, revision - step.known_revision))
            case Put():
                return _restore(step, scope, view.version - step.behind)
            case Take():
                # Where nothing is due a sidecar sweeps, and asks again.
                due = view.gate.settled_cell(self._clock.ms)
                return _fold(step, scope, view, due) if due or step.wrong else t.Expire(scope, 9, SHAPE)
        return replace(step, scope=scope)

    def _issue(self, step: t.Issue) -> t.Issue:
        scope = step.menu.scope._replace(workspace=self._workspace)
        view = self._known(scope)
        sample = replace(step.menu.sample, share_ppm=view.gate.terms.share_ppm)
        return structs.replace(
            step,
            menu=replace(step.menu, scope=scope, sample=sample),
            decision_id=self._id(step.decision_id),
            known_version=view.version - step.known_version,
            known_revision=max(0, view.control.revision - step.known_revision),
        )

    def _known(self, scope: Scope) -> DomainView:
        whole = self._memory.apply(t.Read("default", self._workspace))
        assert isinstance(whole, WorkspaceView)
        return whole.domains.get(scope.domain, DomainView())

    def _id(self, name: str) -> str:
        """`new` is an id that is not known yet, `last 2` that of the last decision but one; others are themselves."""
        if name == "new":
            return f"n{len(self._ids)}"
        return self._ids[-min(len(self._ids), int(name[5:]))] if name.startswith("last ") else name


def _phase(reply: t.Stale) -> int:
    return reply.view.control.revision


def _fold(take: Take, scope: Scope, view: DomainView, due: Cell | None) -> t.Fold:
    gate, after = view.gate, take.gate
    cell = due or Cell(gate.folded + 1, 0, 1, 1, 0, 0, (0,) * WIDTH)
    if not take.new_phase:  # whatever else is summed up, the phase's constants stay
        after = replace(after, stage=gate.stage, terms=gate.terms, salt=gate.salt, folded=cell.number)
    return t.Fold(
        scope=scope,
        phase=view.control.revision - (take.wrong == "phase"),
        cell=replace(cell, number=cell.number - (take.wrong == "number"), count=cell.count + (take.wrong == "cell")),
        gate=after,
        released_ppm=cell.count * gate.terms.share_ppm,
        new_phase=take.new_phase,
        checkpoint=take.checkpoint,
    )


def _restore(put: Put, scope: Scope, expected: int) -> t.Restore:
    arms = {"applied": 1, "count:a": 1, "reward_micro:a": put.micro, "reward_sq_nano:a": reward_sq_nano(put.micro)}
    accounts = {
        f"{figure}:{level}": put.spent
        for figure in ("spent_nano", "overrun_nano", "decisions")
        for level in ("workspace", f"domain/{scope.domain}")
    }
    windows = {f"window:{level}": "total" for level in ("workspace", f"domain/{scope.domain}")}
    restoration = t.Restoration(scope, expected, arms, {"latency_us:a": "7 1700000000000 5 9"})
    return t.Restore(scope.tenant, scope.workspace, (restoration,), windows | accounts)


async def _agree(client: Any, steps: Sequence[Step]) -> None:
    pair = Pair(client)
    for step in steps:
        await pair.take(step)


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(steps=st.lists(STEPS, min_size=30, max_size=60))
async def test_both_stores_answer_and_keep_the_same(redis_client: Any, steps: list[Step]) -> None:
    """After every step, replies, statistics, accounts and controls are equal, to the integer and the millisecond."""
    await _agree(redis_client, steps)


async def test_clock_that_goes_back_harms_nothing(redis_client: Any) -> None:
    """When another server takes over whose clock is behind, a reward before its decision took no time at all."""
    pair = Pair(redis_client)
    made = Transitions("w")
    for number in range(3):
        await pair.take(made.issue(f"d{number}"))
        await pair.take(Wait(-1000))
        await pair.take(made.settle(f"d{number}"))
    assert (await pair.view("route")).delay.recent == (0, 0, 0)


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(first=modes(ROUTE), steps=st.lists(GATE_STEPS, min_size=30, max_size=60))
async def test_both_stores_keep_the_same_gate(redis_client: Any, first: t.SetMode, steps: list[Step]) -> None:
    """However epochs fill, close, are folded or dropped, both stores have the same gate and say when to fold."""
    await _agree(redis_client, [first, *steps])
