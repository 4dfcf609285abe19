"""What is sent of a domain with very many arms: never all of it at once."""

from __future__ import annotations

import pytest

from sidecar.model.view import DomainView
from sidecar.store import transitions as t
from sidecar.store.redis_store import RedisStore

from .conftest import FREE, Transitions

MANY = 200
"""Arms with seven figures each are more fields than a view has at most."""


def large(made: Transitions, arms: int = MANY) -> t.Restore:
    """Make a domain with so many arms, of which the number is the count of rewards."""
    figures = {
        f"{figure}:arm {number}": number
        for number in range(arms)
        for figure in ("pulls", "count", "defaulted", "reward_micro", "reward_sq_nano", "cost_nano", "proposed")
    }
    lately = {f"cost_nano:arm {number}": f"{number} 1700000000000 {number}" for number in range(arms)}
    return t.Restore("default", made.workspace, (t.Restoration(made.scope(), 0, figures, lately),), {})


@pytest.fixture
async def issued(redis_store: RedisStore, made: Transitions) -> DomainView:
    """Fill a domain, then decide there and ask for the statistics of two arms and of one that nobody knows."""
    await redis_store.apply(large(made))
    issue = made.issue(freshness="refresh")
    reply = await redis_store.apply(
        t.Issue(issue.menu, "d", 0, 0, "refresh", wanted=("arm 7", "arm 150", "another")),
    )
    assert isinstance(reply, t.Issued)
    assert reply.view
    return reply.view


async def test_only_wanted_arms_come_along(issued: DomainView) -> None:
    """Of many arms those that were asked for are sent, each with all of its figures; and what is the domain's own."""
    assert not issued.whole
    assert issued.arms.keys() == {"arm 7", "arm 150"}
    seventh = issued.arms["arm 7"]
    assert (seventh.pulls, seventh.count, seventh.reward_micro, seventh.cost.recent) == (7, 7, 7, (7,))
    assert (issued.version, issued.counters["decisions"], issued.open) == (1, 1, 1)


async def test_few_arms_come_whole(redis_store: RedisStore, made: Transitions) -> None:
    """As long as it is little, everything is sent, whoever was asked for."""
    await redis_store.apply(large(made, 20))
    reply = await redis_store.apply(t.Issue(made.issue().menu, "d", 0, 0, "refresh", wanted=("arm 7",)))
    assert isinstance(reply, t.Issued)
    assert reply.view
    assert (reply.view.whole, len(reply.view.arms)) == (True, 21)


async def test_reading_a_workspace_leaves_nothing_out(redis_store: RedisStore, made: Transitions) -> None:
    """Snapshots and Status see every arm."""
    await redis_store.apply(large(made))
    whole = await redis_store.apply(made.read())
    assert len(whole.domains["route"].arms) == MANY  # type: ignore[union-attr]
    assert whole.domains["route"].whole  # type: ignore[union-attr]


async def test_other_replies_bring_what_is_the_domains_own(redis_store: RedisStore, made: Transitions) -> None:
    """A reply that brings a view nobody asked arms for has the gate and the counters, and no arms."""
    await redis_store.apply(large(made))
    stale = await redis_store.apply(made.issue("d", FREE, revision=9))
    assert isinstance(stale, t.Stale)
    assert (stale.view.whole, stale.view.arms, stale.view.version) == (False, {}, 1)
