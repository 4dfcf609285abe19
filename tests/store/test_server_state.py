"""What lies in a real server: keys, slots, integers, and scripts that it forgot."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

from sidecar.model.names import Scope
from sidecar.model.window import window_id
from sidecar.store import transitions as t
from sidecar.store.keys import DOMAIN_KINDS, domain_keys, workspace_key
from sidecar.store.redis_store import RedisStore
from tests.conftest import RedisStores

from .conftest import Transitions

NAMES = st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" {}/%:"), min_size=1, max_size=20)
MONEY = t.Offer(10**15, "a", 10**15, "answer")
DATES = [datetime(year, month, day, tzinfo=UTC) for year, month, day in [
    (1970, 1, 1), (1999, 12, 31), (2000, 2, 29), (2023, 2, 28), (2024, 2, 29), (2024, 3, 1), (2026, 12, 31),
    (2100, 3, 1),
]]  # fmt: skip
DATE_MS = [int(date.timestamp() * 1000) + more for date in DATES for more in (0, 86_399_999)]


async def hashes(client: Any, keys: tuple[str, ...]) -> dict[str, dict[bytes, bytes]]:
    """Read the hashes among keys."""
    return {key: await client.hgetall(key) for key in keys if not key.endswith(":due")}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=st.lists(st.integers(0, 7_258_118_399_999), min_size=100, max_size=200))
@example(DATE_MS)
async def test_windows_in_lua_are_those_in_python(redis_client: Any, moments: list[int]) -> None:
    """The scripts name the window of any moment until 2199 as Python's calendar does."""
    parts = (files("sidecar.store.scripts").joinpath(name).read_text() for name in ("_clock.lua", "_ledger.lua"))
    every = "for _, ms in ipairs(ARGV) do for _, kind in ipairs(KEYS) do r[#r + 1] = window_id(kind, ms + 0) end end"
    kinds = ("hour", "day", "month", "total")
    answer = await redis_client.eval(f"{''.join(parts)} local r = {{}} {every} return r", len(kinds), *kinds, *moments)
    assert [one.decode() for one in answer] == [window_id(kind, ms) for ms in moments for kind in kinds]


async def test_first_decision_makes_every_key(redis_store: RedisStore, redis_client: Any, made: Transitions) -> None:
    """After the first decision of a domain all of its keys exist, and none has a time to live."""
    keys = domain_keys("learning", made.scope())
    assert await redis_client.exists(*keys) == 0
    await redis_store.apply(made.issue())
    assert await redis_client.exists(*keys) == len(keys) == 8
    assert [await redis_client.ttl(key) for key in keys] == [-1] * 8


@pytest.mark.parametrize("first", ["mode", "restore"])
async def test_first_change_makes_every_key(
    redis_store: RedisStore, redis_client: Any, made: Transitions, first: str
) -> None:
    """Whatever is first done with a domain, all of its keys exist afterwards."""
    restoration = t.Restoration(made.scope(), 0, {}, {})
    changes = {"mode": made.mode("off"), "restore": t.Restore("default", made.workspace, (restoration,), {})}
    await redis_store.apply(changes[first])
    assert await redis_client.exists(*domain_keys("learning", made.scope())) == 8


async def test_keys_outlive_their_content(redis_store: RedisStore, redis_client: Any, made: Transitions) -> None:
    """When every decision was forgotten, all keys are still there, and no others."""
    brief = t.Shape(remember_ms=1)
    await redis_store.apply(made.issue())
    await redis_store.apply(made.settle(shape=brief))
    await asyncio.sleep(0.005)
    assert await redis_store.apply(made.expire()) == t.Swept(1)
    found = {key.decode() async for key in redis_client.scan_iter(f"*{made.workspace}*")}
    assert found == set(domain_keys("learning", made.scope()))
    left = [await redis_client.hlen(domain_keys("learning", made.scope())[at]) for at in (2, 4)]
    assert left == [1, 1]


async def test_reading_makes_no_key(redis_store: RedisStore, redis_client: Any, made: Transitions) -> None:
    """Reading, settling and sweeping what is not there writes nothing."""
    for transition in (made.read(), made.settle(), made.release(), made.expire()):
        await redis_store.apply(transition)
    assert not [key async for key in redis_client.scan_iter(f"*{made.workspace}*")]


@given(tenant=NAMES, workspace=NAMES, domains=st.lists(NAMES, min_size=2, max_size=4))
def test_workspace_is_one_slot(tenant: str, workspace: str, domains: list[str]) -> None:
    """All keys of a workspace have one hash tag and lie in one slot of a cluster."""
    keys = {key for domain in domains for key in domain_keys("learning", Scope(tenant, workspace, domain))}
    assert len({key_slot(key.encode()) for key in keys}) == 1
    assert len({key[key.index("{") : key.index("}") + 1] for key in keys}) == 1
    assert all(key.count("{") == key.count("}") == 1 for key in keys)


@given(one=st.tuples(NAMES, NAMES, NAMES), other=st.tuples(NAMES, NAMES, NAMES))
@example(("a/b", "c", "d"), ("a", "b/c", "d"))
@example(("a", "b", "c:d"), ("a", "b", "c"))
@example(("a", "b}", "c"), ("a", "b", "}c"))
@example(("a%2Fb", "c", "d"), ("a/b", "c", "d"))
def test_scopes_never_share_a_key(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """Two different scopes have different keys, whatever their names hold."""
    own, others = (set(domain_keys("p", Scope(*scope))[:-1]) for scope in (one, other))
    assert (own == others) if one == other else not own & others


def test_names_are_encoded() -> None:
    """Braces, slashes, percent signs and what is not ASCII are percent-encoded; the kinds end the keys."""
    keys = domain_keys("p", Scope("{a}", "b/%", "ü 1"))
    assert keys[0] == "p:1:{%7Ba%7D/b%2F%25}:%C3%BC%201:arms"
    assert [key.rpartition(":")[2] for key in keys] == [*DOMAIN_KINDS, "workspace"]


async def test_strange_names_work(redis_store: RedisStore, workspace: str) -> None:
    """A decision can be made and read under any printable names."""
    made = Transitions(workspace + "{}/% ü")
    offer = t.Offer(None, "a:b {c} ü 1", 5, "answer")
    await redis_store.apply(made.issue("d1", offer, domain="{x}/domain:y ü"))
    await redis_store.apply(made.settle(domain="{x}/domain:y ü", cost=3))
    view = await redis_store.apply(made.read())
    assert view.domains["{x}/domain:y ü"].arm("a:b {c} ü 1").cost_nano == 3  # type: ignore[union-attr]
    assert view.accounts["domain/{x}/domain:y ü"].spent_nano == 3  # type: ignore[union-attr]


async def test_integers_only(redis_store: RedisStore, redis_client: Any, made: Transitions) -> None:
    """Every figure is stored as a decimal integer, a million dollars and a million of decisions' rewards too."""
    for number in range(3):
        await redis_store.apply(made.issue(f"d{number}", MONEY, whole=t.Level(9 * 10**15), proposal="a"))
        await redis_store.apply(made.settle(f"d{number}", 10**6, cost=10**15, latency=86_400_000_000))
    held = await hashes(redis_client, domain_keys("learning", made.scope()))
    arms, recent, *_, whole = held.values()
    assert all(int(value).to_bytes(8) and value.isdigit() for value in arms.values())
    assert all(value.isdigit() for field, value in whole.items() if not field.startswith(b"window:"))
    assert all(part.isdigit() for field, value in recent.items() if field != b"# keep" for part in value.split())
    assert (arms[b"cost_nano:a"], whole[b"spent_nano:workspace"]) == (b"3000000000000000",) * 2


async def test_arms_are_readable(redis_store: RedisStore, redis_client: Any, made: Transitions) -> None:
    """HGETALL of an arms key tells a person what was learned."""
    await redis_store.apply(made.issue())
    await redis_store.apply(made.settle("d1", 900_000, cost=5))
    arms = await redis_client.hgetall(domain_keys("learning", made.scope())[0])
    assert {name.decode(): int(value) for name, value in arms.items()} == {
        "version": 1, "decisions": 1, "applied": 1, "pulls:a": 1, "count:a": 1, "reward_micro:a": 900_000,
        "reward_sq_nano:a": 810_000_000, "cost_nano:a": 5,
    }  # fmt: skip


async def test_prefixes_are_apart(redis_stores: RedisStores, redis_client: Any, made: Transitions) -> None:
    """Stores with different prefixes know nothing of each other."""
    mine, other = redis_stores(prefix="mine"), redis_stores(prefix="other")
    await mine.apply(made.issue())
    assert (await other.apply(made.read())).domains == {}  # type: ignore[union-attr]
    assert await redis_client.exists(workspace_key("mine", "default", made.workspace))


async def test_forgotten_scripts_are_sent_once(redis_store: RedisStore, redis_client: Any, made: Transitions) -> None:
    """After SCRIPT FLUSH fifty calls at once all succeed, and the script is sent again once."""
    await redis_store.apply(made.issue("first"))
    await redis_client.script_flush()
    await redis_client.config_resetstat()
    replies = await asyncio.gather(*(redis_store.apply(made.issue(f"d{number}")) for number in range(50)))
    stats = await redis_client.info("commandstats")
    assert {type(reply) for reply in replies} == {t.Issued}
    assert stats["cmdstat_script|load"]["calls"] == 1
    assert (await redis_store.apply(made.read())).domains["route"].open == 51  # type: ignore[union-attr]


async def test_domains_may_appear_while_reading(redis_store: RedisStore, made: Transitions) -> None:
    """Reading finds domains that were made between its two trips."""
    await redis_store.apply(made.issue())

    async def outdated(tenant: str, workspace: str) -> list[str]:  # noqa: ARG001 - as the method
        return []

    redis_store.domains = outdated  # type: ignore[method-assign]
    assert list((await redis_store.apply(made.read())).domains) == ["route"]  # type: ignore[union-attr]
