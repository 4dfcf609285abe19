"""Whatever happens in whatever order, the store in memory and the scripts on a server say and keep the same.

The scripts run on the real server, but tell the time by a key, so that both stores have one clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.model.gate import Cell, GateEvent, GateState, Terms
from sidecar.model.mode import STAGES, Mode
from sidecar.model.names import Scope
from sidecar.model.units import reward_sq_nano
from sidecar.model.view import DomainView, WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.lua import script
from sidecar.store.memory_store import MemoryStore
from sidecar.store.redis_store import RedisStore
from sidecar.store.wire import Call

from .conftest import HOUR_MS, SHAPE, FakeClock, Transitions

NOW = "local time = redis.call('TIME')\n  return time[1] * 1000 + math.floor(time[2] / 1000)"

CLOCK = "the time of a test"


class ClockedConnection:
    """Runs the scripts with `clock` in place of the server's."""

    def __init__(self, client: Any, clock: FakeClock) -> None:
        """Keep both."""
        self._client = client
        self._clock = clock
        self._told = -1

    async def run(self, call: Call) -> Any:
        """Run a script at the clock's time."""
        source = script(call.script).source
        assert NOW in source
        clocked = source.replace(NOW, f"return tonumber(redis.call('GET', '{CLOCK}'))")
        if self._told != self._clock.ms:
            self._told = self._clock.ms
            await self._client.set(CLOCK, self._told)
        return await self._client.eval(clocked, len(call.keys), *call.keys, *call.arguments)

    async def fields(self, key: str) -> list[str]:
        """Name the fields of a hash."""
        return [field.decode() for field in await self._client.hkeys(key)]


# Few names and mostly agreeable values, so that most steps meet the traces of others.
REMEMBER_MS = st.sampled_from([90 * 24 * HOUR_MS] * 3 + [1, 1000])
SHAPES = st.builds(t.Shape, st.integers(1, 5), st.integers(1, 4), REMEMBER_MS)
MONEY = st.integers(0, 30)
MICROS = st.integers(0, 1_000_000)
LATENCIES = st.none() | st.integers(0, 30)
KINDS = st.sampled_from(["total", "hour", "day", "month"])
LEVELS = st.builds(t.Level, st.none() | st.integers(0, 90), KINDS, st.none() | st.integers(0, 30))
IDS = st.sampled_from(["d1", "d2", "d3"])
ARMS = st.sampled_from(["a", "a", "b", "c: d", "é"])
SCOPES = st.builds(Transitions("w").scope, st.sampled_from(["route", "route", "prompt"]))
OFFERS = st.builds(
    t.Offer,
    st.none() | MONEY,
    ARMS,
    MONEY,
    st.sampled_from(["", "{}", "ä"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)

# What the gate sums up is opaque to a store: any rows of one width will do, if they cancel and grow.
WIDTH = 3
SUMS = st.integers(-3, 3) | st.integers(-(10**13), 10**13)
ROWS = st.tuples(*[SUMS] * WIDTH)
SHARES = st.sampled_from([0, 100_000, 500_000, 900_000])
SAMPLES = st.builds(
    t.Sample, st.booleans(), st.just(0), ROWS, st.sampled_from([1, 1, 2, 3]), st.sampled_from([1, 1000, HOUR_MS])
)
NAMES = st.sampled_from(["", "x", "ü\t1"])
NUMBERS = st.integers(0, 10**12)
TERMS = st.builds(
    Terms, SHARES, NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["zero", "worst", "neutral"]), NUMBERS,
    st.none() | NUMBERS, NUMBERS,
)  # fmt: skip
EVENTS = st.builds(
    GateEvent, NUMBERS, st.sampled_from(list(Mode)), st.sampled_from(list(Mode)), NUMBERS, NAMES, NUMBERS, st.booleans()
)
PHASES = st.builds(
    GateState,
    stage=st.sampled_from(STAGES), attempt=st.integers(1, 9), terms=TERMS, salt=NAMES,
    allowance_micro=st.sampled_from([None, None, -1, 0, 100_000, 1_000_000, 1_500_000, 10**12]),
    totals=st.just(()) | ROWS, detector=st.just(()) | ROWS, promotions=NUMBERS, rollbacks=NUMBERS,
    granted_micro=NUMBERS, checkpoint_at_ms=NUMBERS, subject=NAMES, subject_before=NAMES, began_at_ms=NUMBERS,
    events=st.lists(EVENTS, max_size=2).map(tuple),
)  # fmt: skip
"""A gate at the beginning of a phase."""


def issues(scopes: st.SearchStrategy[Scope], ids: st.SearchStrategy[str]) -> st.SearchStrategy[t.Issue]:
    """Ask for decisions, of which some are samples; what is known is by how much it is behind."""
    return st.builds(
        t.Issue, scopes, ids, st.sampled_from([0, 0, 1]), st.sampled_from([0, 0, 0, 0, 1]),
        st.sampled_from(["any", "refresh", "exact"]), st.sampled_from([1, 1000, 60 * 24 * HOUR_MS]), st.none() | MICROS,
        SHAPES, LEVELS, LEVELS, st.just("") | ARMS, st.booleans(), SAMPLES,
        st.lists(OFFERS, min_size=1, max_size=3).map(tuple),
    )  # fmt: skip


@st.composite
def reports(draw: st.DrawFn, scopes: st.SearchStrategy[Scope], ids: st.SearchStrategy[str]) -> t.Settle:
    """Report a final reward, or a part of which anything may be missing; the phase is by how much it is behind."""
    final = draw(st.booleans())
    micro = draw(MICROS if final else st.none() | MICROS)
    return t.Settle(
        scope=draw(scopes),
        decision_id=draw(ids),
        final=final,
        collected="",
        reward_micro=micro,
        reward_sq_nano=None if micro is None else reward_sq_nano(micro),
        cost_nano=draw(st.none() | MONEY),
        latency_us=draw(LATENCIES),
        signals_json=draw(st.sampled_from(["{}", '{"quality":1}'])),
        shape=draw(SHAPES),
        phase=draw(st.sampled_from([0, 0, 0, 1])),
        held=() if micro is None else draw(ROWS),
        exposed=() if micro is None else draw(ROWS),
    )


@dataclass(frozen=True, slots=True)
class Put:
    """Restore one arm and both accounts, when the domain's version is `behind` less than it is."""

    scope: Scope
    behind: int
    micro: int
    spent: int


@dataclass(frozen=True, slots=True)
class Take:
    """Fold the epoch that is due, as the view says, into `gate`; or what is none, because something is `wrong`."""

    scope: Scope
    wrong: Literal["", "phase", "number", "cell"]
    gate: GateState
    new_phase: bool
    checkpoint: Literal["", "keep", "reinstate"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass; less than none when another server takes over whose clock is behind."""

    ms: int


Step = t.Transition | Put | Take | Wait
FINE = [""] * 6


def takes(scopes: st.SearchStrategy[Scope]) -> st.SearchStrategy[Take]:
    """Fold what is due; now and then another sidecar was faster, or a new phase begins."""
    return st.builds(
        Take, scopes, st.sampled_from([*FINE, "phase", "number", "cell"]), PHASES,
        st.sampled_from([False] * 3 + [True]), st.sampled_from([*FINE, "keep", "keep", "reinstate", "reinstate"]),
    )  # fmt: skip


def modes(scopes: st.SearchStrategy[Scope]) -> st.SearchStrategy[t.SetMode]:
    """Set a mode, which begins a phase, and perhaps reinstate the checkpoint."""
    return st.builds(
        t.SetMode, scopes, st.sampled_from([0, 0, 0, 1]), st.sampled_from(list(Mode)).map(str), st.just("why"),
        st.sampled_from(["", "{}"]), PHASES, st.booleans(),
    )  # fmt: skip


def one_of_these(*weighted: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Step]:
    """Choose a kind of step by its weight."""
    return st.sampled_from([kind for weight, kind in weighted for _ in range(weight)]).flatmap(lambda kind: kind)


WAITS = st.builds(Wait, st.sampled_from([-1000, 0, 1, 1, 999, 1000, 1000, HOUR_MS, 24 * HOUR_MS, 31 * 24 * HOUR_MS]))
STEPS = one_of_these(
    (7, issues(SCOPES, IDS)),
    (8, reports(SCOPES, IDS)),
    (1, st.builds(t.Release, SCOPES, IDS, SHAPES)),
    (1, st.builds(t.Expire, SCOPES, st.integers(0, 3), SHAPES)),
    (1, modes(SCOPES)),
    (2, takes(SCOPES)),
    (1, st.builds(Put, SCOPES, st.sampled_from([0, 0, 1]), MICROS, MONEY)),
    (3, WAITS),
)

# One domain, and most reports are of decisions just made, so that epochs fill, pile up, and are folded.
ROUTE = st.just(Transitions("w").scope("route"))
NEW = st.sampled_from(["new"] * 6 + ["last 1"])
LAST = st.integers(1, 4).map(lambda number: f"last {number}")
GATE_STEPS = one_of_these(
    (8, issues(ROUTE, NEW)),
    (6, reports(ROUTE, LAST)),
    (1, st.builds(t.Release, ROUTE, LAST, SHAPES)),
    (1, st.builds(t.Expire, ROUTE, st.integers(0, 9), SHAPES)),
    (1, modes(ROUTE)),
    (6, takes(ROUTE)),
    (1, st.builds(Put, ROUTE, st.just(0), MICROS, MONEY)),
    (3, st.builds(Wait, st.sampled_from([1, 1, 999, 1000, HOUR_MS]))),
)


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
        scope = step.scope._replace(workspace=self._workspace)
        if isinstance(step, t.Issue | t.Settle | t.Release):
            step = replace(step, decision_id=self._id(step.decision_id))
        view = self._memory.apply(t.Read("default", self._workspace)).domains.get(scope.domain, DomainView())
        revision = view.control.revision
        match step:
            case t.Issue():
                return replace(
                    step,
                    scope=scope,
                    known_version=view.version - step.known_version,
                    known_revision=max(0, revision - step.known_revision),
                    sample=replace(step.sample, share_ppm=view.gate.terms.share_ppm),
                )
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

    def _id(self, name: str) -> str:
        """`new` is an id that is not known yet, `last 2` that of the last decision but one; others are themselves."""
        if name == "new":
            return f"n{len(self._ids)}"
        return self._ids[-min(len(self._ids), int(name[5:]))] if name.startswith("last ") else name


def _phase(reply: t.Stale) -> int:
    return reply.view.control.revision


def _fold(take: Take, scope: Scope, view: DomainView, due: Cell | None) -> t.Fold:
    gate, after = view.gate, take.gate
    cell = due or Cell(gate.folded + 1, 0, 1, 1, 0, (0,) * WIDTH)
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
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
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
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=modes(ROUTE), steps=st.lists(GATE_STEPS, min_size=30, max_size=60))
async def test_both_stores_keep_the_same_gate(redis_client: Any, first: t.SetMode, steps: list[Step]) -> None:
    """However epochs fill, close, are folded or dropped, both stores have the same gate and say when to fold."""
    await _agree(redis_client, [first, *steps])
