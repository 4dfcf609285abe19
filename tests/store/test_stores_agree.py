"""Whatever happens in whatever order, the store in memory and the scripts on a server say and keep the same.

The scripts run on the real server, but tell the time by a key, so that both stores have one clock.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.model.names import Scope
from sidecar.model.units import reward_sq_nano
from sidecar.model.view import DomainView
from sidecar.store import transitions as t
from sidecar.store.lua import script
from sidecar.store.memory_store import MemoryStore
from sidecar.store.redis_store import RedisStore
from sidecar.store.wire import Call

from .conftest import HOUR_MS, FakeClock, Transitions

NOW = "local time = redis.call('TIME')\n  return time[1] * 1000 + math.floor(time[2] / 1000)"


class ClockedConnection:
    """Runs the scripts with `clock` in place of the server's."""

    def __init__(self, client: Any, clock: FakeClock) -> None:
        """Keep both."""
        self._client = client
        self._clock = clock

    async def run(self, call: Call) -> Any:
        """Run a script at the clock's time."""
        source = script(call.script).source
        assert NOW in source
        clocked = source.replace(NOW, f"return {self._clock.ms}")
        return await self._client.eval(clocked, len(call.keys), *call.keys, *call.arguments)

    async def fields(self, key: str) -> list[str]:
        """Name the fields of a hash."""
        return [field.decode() for field in await self._client.hkeys(key)]


# Few names and mostly agreeable values, so that most steps meet the traces of others.
SHAPES = st.builds(t.Shape, st.integers(1, 5), st.integers(1, 4), st.sampled_from([90 * 24 * HOUR_MS] * 3 + [1, 1000]))
MONEY = st.integers(0, 30)
MICROS = st.integers(0, 1_000_000)
LATENCIES = st.none() | st.integers(0, 30)
KINDS = st.sampled_from(["total", "hour", "day", "month"])
LEVELS = st.builds(t.Level, st.none() | st.integers(0, 90), KINDS, st.none() | st.integers(0, 30))
IDS = st.sampled_from(["d1", "d2", "d3"])
ARMS = st.sampled_from(["a", "a", "b", "c: d", "é"])
SCOPES = st.builds(Transitions("w").scope, st.sampled_from(["route", "route", "prompt"]))
OFFERS = st.builds(t.Offer, st.none() | MONEY, ARMS, MONEY, st.sampled_from(["", "{}", "ä"]), st.booleans())
ISSUES = st.builds(
    t.Issue, SCOPES, IDS, st.sampled_from([0, 0, 1]), st.sampled_from([0, 0, 0, 0, 1]),
    st.sampled_from(["any", "refresh", "exact"]), st.sampled_from([1, 1000, 60 * 24 * HOUR_MS]), st.none() | MICROS,
    SHAPES, LEVELS, LEVELS, st.just("") | ARMS, st.lists(OFFERS, min_size=1, max_size=3).map(tuple),
)  # fmt: skip


@st.composite
def reports(draw: st.DrawFn) -> t.Settle:
    """Report a final reward, or a part of which anything may be missing."""
    final = draw(st.booleans())
    micro = draw(MICROS if final else st.none() | MICROS)
    square = None if micro is None else reward_sq_nano(micro)
    signals = draw(st.sampled_from(["{}", '{"quality":1}']))
    return t.Settle(
        draw(SCOPES),
        draw(IDS),
        final,
        "",
        micro,
        square,
        draw(st.none() | MONEY),
        draw(LATENCIES),
        signals,
        draw(SHAPES),
    )


@dataclass(frozen=True, slots=True)
class Put:
    """Restore one arm and both accounts, when the domain's version is `behind` less than it is."""

    scope: Scope
    behind: int
    micro: int
    spent: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    ms: int


Step = t.Transition | Put | Wait
RELEASES = st.builds(t.Release, SCOPES, IDS, SHAPES)
SWEEPS = st.builds(t.Expire, SCOPES, st.integers(0, 3), SHAPES)
MODES = st.builds(t.SetMode, SCOPES, st.sampled_from(["off", "shadow"]), st.just("why"), st.sampled_from(["", "{}"]))
PUTS = st.builds(Put, SCOPES, st.sampled_from([0, 0, 1]), MICROS, MONEY)
WAITS = st.builds(Wait, st.sampled_from([0, 1, 1, 999, 1000, 1000, HOUR_MS, 24 * HOUR_MS, 31 * 24 * HOUR_MS]))
STEPS: st.SearchStrategy[Step] = st.sampled_from(
    [ISSUES] * 7 + [reports()] * 8 + [RELEASES, SWEEPS, MODES, PUTS, WAITS, WAITS, WAITS]
).flatmap(lambda chosen: chosen)


class Pair:
    """Both stores, told the same."""

    def __init__(self, client: Any) -> None:
        """Start empty, in a workspace of its own."""
        self._workspace = f"w-{secrets.token_hex(8)}"
        self._clock = FakeClock()
        self._memory = MemoryStore(self._clock)
        self._redis = RedisStore(ClockedConnection(client, self._clock))  # type: ignore[arg-type]  # alike

    async def take(self, step: Step) -> None:
        """Take one step, and see that both stores say the same and then are the same."""
        if isinstance(step, Wait):
            self._clock.ms += step.ms
        else:
            reply = await self._both(self._here(step))
            if isinstance(step, t.Settle) and isinstance(reply, t.Merge):
                await self._both(replace(self._here(step), collected=reply.collected))
        await self._both(t.Read("default", self._workspace))

    async def _both(self, transition: t.Transition) -> t.Reply:
        reply = self._memory.apply(transition)
        assert await self._redis.apply(transition) == reply
        return reply

    def _here(self, step: Any) -> Any:
        """Let the step be of this workspace; what it knows is how far it is behind."""
        scope = step.scope._replace(workspace=self._workspace)
        view = self._memory.apply(t.Read("default", self._workspace)).domains.get(scope.domain, DomainView())
        if isinstance(step, t.Issue):
            version, revision = view.version - step.known_version, view.control.revision - step.known_revision
            return replace(step, scope=scope, known_version=version, known_revision=max(0, revision))
        if isinstance(step, Put):
            return _restore(step, scope, view.version - step.behind)
        return replace(step, scope=scope)


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=30, max_size=60))
async def test_both_stores_answer_and_keep_the_same(redis_client: Any, steps: list[Step]) -> None:
    """After every step, replies, statistics, accounts and controls are equal, to the integer and the millisecond."""
    pair = Pair(redis_client)
    for step in steps:
        await pair.take(step)
