"""Decisions that go in one command are what they would be if they were asked for one after the other."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from sidecar.model.gate import GateState, Terms
from sidecar.model.view import WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.memory_store import MemoryStore
from sidecar.store.redis_store import RedisStore
from tests.conftest import RedisStores

from .conftest import HOUR_MS, SHAPE, Transitions

OFFERS = st.lists(
    st.builds(
        t.Offer,
        st.none() | st.integers(0, 30), st.sampled_from("abc"), st.integers(0, 9), st.sampled_from(["x", "é"]),
        st.booleans(), st.booleans(), st.booleans(),
    ),
    min_size=1,
    max_size=3,
).map(tuple)  # fmt: skip
LEVELS = st.builds(t.Level, st.none() | st.integers(10, 60), st.just("total"), st.none() | st.integers(1, 6))
IDS = st.lists(st.sampled_from([f"d{number}" for number in range(40)]), min_size=1, max_size=50)
GATE = GateState(terms=Terms(share_ppm=200_000), allowance_micro=3_000_000)
READ = "default"


def menu_of(made: Transitions, drawn: tuple[Any, ...]) -> t.Menu:
    """Make a menu of samples whose epochs fill after three decisions, so that some fill on the way."""
    offers, domain, whole, complete = drawn
    sample = t.Sample(exposed=True, share_ppm=200_000, epoch_decisions=3, epoch_ms=HOUR_MS)
    return t.Menu(made.scope(), HOUR_MS, None, SHAPE, domain, whole, "b", True, sample, offers, complete)  # noqa: FBT003


async def begin(subject: Any, made: Transitions) -> None:
    """Begin a phase whose allowance has room for so many exposures."""
    assert isinstance(await subject.apply(replace(made.mode("gated"), gate=GATE)), t.ModeSet)


def told(reply: t.Reply) -> object:
    """What a reply says, without the moment."""
    return structs.replace(reply, expires_at_unix_ms=0) if isinstance(reply, t.Issued) else type(reply)


def kept(view: WorkspaceView) -> object:
    """What a workspace holds, without moments."""
    domain = view.domains["route"]
    cells = {number: replace(cell, ends_at_ms=0) for number, cell in domain.gate.cells.items()}
    gate = replace(domain.gate, cells=cells)
    return domain.arms, domain.counters, domain.open, gate, view.accounts


class InMemory:
    """The store in memory, asked one after the other."""

    def __init__(self) -> None:
        """Start empty."""
        self._store = MemoryStore()

    async def apply(self, transition: t.Transition) -> t.Reply:
        """Apply one."""
        return self._store.apply(transition)


async def one_by_one(subject: Any, made: Transitions, issues: Sequence[t.Issue]) -> tuple[list[object], object]:
    """Ask for one decision after the other."""
    await begin(subject, made)
    said = [told(await subject.apply(one)) for one in issues]
    return said, kept(await subject.apply(made.read()))


async def together(store: RedisStore, made: Transitions, issues: Sequence[t.Issue]) -> tuple[list[object], object]:
    """Ask for all at once."""
    await begin(store, made)
    said = [told(reply) for reply in await asyncio.gather(*map(store.apply, issues))]
    return said, kept(await store.apply(made.read()))  # type: ignore[arg-type]  # a workspace


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(drawn=st.tuples(OFFERS, LEVELS, LEVELS, st.booleans()), ids=IDS)
async def test_together_is_as_one_by_one(redis_stores: RedisStores, drawn: tuple[Any, ...], ids: list[str]) -> None:
    """Replies, money, counters and epochs are the same, whichever ids repeat and wherever money or room run out."""
    store, made = redis_stores(), Transitions(f"w-{secrets.token_hex(8)}")
    menu = menu_of(made, drawn)
    issues = [t.Issue(menu, one, 0, 1) for one in ids]
    assert await together(store, made, issues) == await one_by_one(InMemory(), made, issues)
    await store.close()


async def test_what_is_overdue_is_closed_on_the_way(redis_store: RedisStore, workspace: str) -> None:
    """When money runs out in the middle, what overdue decisions held is used for the rest."""
    made, limit = Transitions(workspace), t.Level(10, "total", None)
    offers = (t.Offer(5, "dear", 5, "dear"), t.Offer(None, "free", 0, "free"))
    await redis_store.apply(made.issue("old", t.Offer(5, "dear", 5, "dear"), level=limit, deadline_ms=1))
    await asyncio.sleep(0.01)
    menu = made.issue("", *offers, level=limit).menu
    replies = await asyncio.gather(*(redis_store.apply(t.Issue(menu, f"d{n}", 0, 0)) for n in range(4)))
    assert [reply.offer for reply in replies if isinstance(reply, t.Issued)] == [0, 0, 1, 1]


async def test_all_learn_that_they_know_too_little(redis_store: RedisStore, workspace: str) -> None:
    """Decisions on an old phase are all refused with the same news, but an id that is known is answered."""
    made = Transitions(workspace)
    await redis_store.apply(made.issue("known"))
    await redis_store.apply(made.mode("gated"))
    menu = made.issue("").menu
    replies = await asyncio.gather(*(redis_store.apply(t.Issue(menu, one, 0, 0)) for one in ("d1", "known", "d2")))
    assert [type(reply) for reply in replies] == [t.Stale, t.Replayed, t.Stale]
    assert replies[0] == replies[2]


async def test_many_go_in_few_commands(redis_store: RedisStore, redis_client: Any, workspace: str) -> None:
    """A hundred decisions from one menu take four calls of the script, and one that differs takes its own."""
    made = Transitions(workspace)
    menu = made.issue("").menu
    await redis_store.apply(t.Issue(menu, "first", 0, 0))
    await redis_client.config_resetstat()
    issues = [t.Issue(menu, f"d{number}", 0, 0) for number in range(100)]
    await asyncio.gather(*map(redis_store.apply, [*issues, t.Issue(menu, "other", 0, 0, "refresh")]))
    assert (await redis_client.info("commandstats"))["cmdstat_evalsha"]["calls"] == 5
