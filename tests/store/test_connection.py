"""What becomes of a server that is away, slow, or answers nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import StoreMisbehaved, StoreUnavailable
from sidecar.store import transitions as t
from sidecar.store.keys import domain_keys
from sidecar.store.redis_store import RedisStore
from sidecar.store.wire import reply_from
from tests.conftest import RedisStores

from .conftest import Transitions

ANYTHING = st.recursive(
    st.none() | st.integers() | st.binary(max_size=8), lambda inner: st.lists(inner, max_size=4), max_leaves=8
)


async def test_server_says_what_it_is(redis_store: RedisStore) -> None:
    """The server's name and version are known."""
    first, again = await redis_store.server(), await redis_store.server()
    assert first.name.startswith("Valkey 9.")
    assert len(first.run_id) == 40
    assert again == first


async def test_dead_socket_is_unavailable(redis_stores: RedisStores, made: Transitions, tmp_path: Path) -> None:
    """Without a server each operation fails at once, and tells nothing of the driver."""
    store = redis_stores(f"unix://{tmp_path}/none.sock", timeout_s=5.0)
    started = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"^the store could not be reached for recommend$"):
        await store.apply(made.issue())
    for asking in (store.apply(made.read()), store.server(), store.domains("default", "w")):
        with pytest.raises(StoreUnavailable):
            await asking
    assert time.monotonic() - started < 2.0


async def test_silent_server_is_unavailable(redis_stores: RedisStores, made: Transitions, data_dir: Path) -> None:
    """A server that accepts and never answers is given up on after the timeout."""
    data_dir.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    gone = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    async with await asyncio.start_unix_server(silent, data_dir / "s"):
        store, started = redis_stores(f"unix://{data_dir}/s", timeout_s=0.2), time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.apply(made.issue())
        assert 0.15 < time.monotonic() - started < 2.0
        gone.set()


async def test_refusing_server_is_unavailable(redis_store: RedisStore, redis_client: Any, made: Transitions) -> None:
    """A key of another type, which the scripts cannot work with, counts as no answer."""
    await redis_client.set(domain_keys("learning", made.scope())[0], "not a hash")
    with pytest.raises(StoreUnavailable):
        await redis_store.apply(made.issue())


async def test_many_calls_share_few_connections(redis_url: str, redis_stores: RedisStores, made: Transitions) -> None:
    """More calls at once than connections wait for one, and all are answered."""
    store = redis_stores(redis_url)
    replies = await asyncio.gather(*(store.apply(made.issue(f"d{number}")) for number in range(300)))
    assert {type(reply) for reply in replies} == {t.Issued}


@given(answer=ANYTHING)
def test_nonsense_is_misbehaviour(answer: Any) -> None:
    """Any answer is either understood or refused by name; nothing else comes of it."""
    with contextlib.suppress(StoreMisbehaved):
        assert isinstance(reply_from("recommend", answer), t.Reply)
