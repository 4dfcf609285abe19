"""A store that has lost something is told from one that is new."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engine.continuity import KNOWN_MAX, Continuity
from sidecar.errors import StoreUnavailable
from sidecar.model.gate import GateState
from sidecar.model.names import Scope
from sidecar.store import transitions as t
from sidecar.store.keys import domain_keys, workspace_key
from sidecar.store.redis_store import Origin, RedisStore
from tests.conftest import FakeClock

WHOLE = ("acme", "chat")
GATE = GateState()


class Told:
    """A store that says what it is told to; and what was noticed of it."""

    def __init__(self, seen_elsewhere: int = 0) -> None:
        """Start empty."""
        self.origins_now: Mapping[str, Origin] | None = {}
        self.dropped: list[str] = []
        self.kinds: list[str] = []
        self.watching = Continuity(self, FakeClock(), lambda _: seen_elsewhere, self.drop)
        self.watching.observer = self.kinds.append

    def drop(self, scope: Scope) -> None:
        """Note who was dropped."""
        self.dropped.append(scope.domain)

    async def origins(self, tenant: str, workspace: str) -> Mapping[str, Origin]:  # noqa: ARG002 - one for all
        """What is there, if anybody answers."""
        if self.origins_now is None:
            raise StoreUnavailable("reading")
        return self.origins_now

    async def look(self, **origins: tuple[int, int]) -> list[str]:
        """Let it see these."""
        self.origins_now = {domain: Origin(*one) for domain, one in origins.items()}
        return await self.watching.look(*WHOLE)


async def test_growing_is_no_loss() -> None:
    """Domains that come and versions that grow are what a store is for."""
    told = Told()
    assert await told.look() == []
    assert await told.look(route=(5, 0)) == ["route"]
    assert await told.look(route=(5, 7), prompt=(9, 0)) == ["prompt", "route"]
    assert await told.look(route=(5, 7), prompt=(9, 3)) == ["prompt", "route"]
    assert (told.kinds, told.watching.loss(*WHOLE)) == ([], None)


@pytest.mark.parametrize(
    ("after", "kind", "words"),
    [
        ({}, "emptied", "prompt was at version 2 and is gone, route was at version 8 and is gone"),
        ({"route": (6, 100)}, "emptied", "route was at version 8 and is at 100 of a new beginning"),
        ({"route": (5, 7), "prompt": (9, 2)}, "rolled_back", "route was at version 8 and is at 7"),
        ({"route": (5, 8)}, "rolled_back", "prompt was at version 2 and is gone"),
    ],
)
async def test_losses(
    after: dict[str, tuple[int, int]], kind: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is said once, by an error that names workspace and loss, counted, kept, and its learners dropped."""
    told = Told()
    await told.look(route=(5, 8), prompt=(9, 2))
    await told.look(**after)
    await told.look(**after)

    assert told.kinds == [kind]
    loss = told.watching.loss(*WHOLE)
    assert loss is not None
    assert (loss.kind, loss.at_unix_ms) == (kind, FakeClock().unix_ms())
    assert words in loss.message
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert "acme/chat" in record.getMessage()
    assert words in record.getMessage()
    assert set(told.dropped) == {"route", "prompt"}


async def test_what_decisions_saw_counts_too() -> None:
    """Between two looks decisions are told newer versions; falling behind these is a loss as well."""
    told = Told(seen_elsewhere=30)
    await told.look(route=(5, 8))
    await told.look(route=(5, 20))
    assert told.kinds == ["rolled_back"]


async def test_an_outage_is_no_loss_and_hides_none() -> None:
    """While nobody answers what is known stays, and is compared afterwards."""
    told = Told()
    await told.look(route=(5, 8))
    told.origins_now = None
    with pytest.raises(StoreUnavailable):
        await told.watching.look(*WHOLE)
    await told.look()
    assert told.kinds == ["emptied"]


@given(versions=st.lists(st.integers(0, 5), max_size=20))
async def test_every_step_back_is_seen(versions: list[int]) -> None:
    """As many losses as the version falls."""
    told = Told()
    for version in versions:
        await told.look(route=(5, version))
    falls = sum(after < before for before, after in pairwise(versions))
    assert told.kinds == ["rolled_back"] * falls


async def test_what_is_remembered_is_bounded() -> None:
    """The workspace looked at longest ago is forgotten first."""
    told = Told()
    told.origins_now = {"route": Origin(5, 8)}
    for number in range(KNOWN_MAX + 5):
        await told.watching.look("acme", str(number))
    assert len(told.watching._known) == KNOWN_MAX
    assert ("acme", "0") not in told.watching._known


async def test_origins_are_read_from_the_store(redis_store: RedisStore, redis_client: Any, workspace: str) -> None:
    """As scripts write them: a domain begins once, and its version grows with a mode set and with rewards."""
    scope = Scope("acme", workspace, "route")
    assert await redis_store.origins("acme", workspace) == {}
    await redis_store.apply(t.SetMode(scope, 0, "shadow", "", "", GATE))
    founded = int(await redis_client.hget(workspace_key("learning", "acme", workspace), "domain:route"))
    assert await redis_store.origins("acme", workspace) == {"route": Origin(founded, 0)}
    await redis_client.hset(domain_keys("learning", scope)[0], "version", 7)
    assert await redis_store.origins("acme", workspace) == {"route": Origin(founded, 7)}
    await redis_client.delete(domain_keys("learning", scope)[0])
    assert await redis_store.origins("acme", workspace) == {"route": Origin(founded, 0)}
