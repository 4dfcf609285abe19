"""Issuing decisions, on both stores."""

from __future__ import annotations

import pytest
from msgspec import structs

from sidecar.store import transitions as t

from .conftest import HOUR_MS, Subject, Transitions, all_applied, learned, state

QUARTER_MS = 90 * 24 * HOUR_MS
LARGE = t.Offer(10, "large", 10, "answer large")
SMALL = t.Offer(3, "small", 3, "answer small")
ANYWAY = t.Offer(None, "small", 0, "answer anyway")


async def test_decision_is_recorded(subject: Subject, made: Transitions) -> None:
    """An issued decision is open, counted for its domain and its arm, and due after its deadline."""
    reply = await subject.apply(made.issue())
    view = (await state(subject)).domains["route"]
    assert reply == t.Issued(0, reply.expires_at_unix_ms, 0, None)
    assert 0 <= view.now_ms + HOUR_MS - reply.expires_at_unix_ms < 10_000
    assert (view.open, view.counters["decisions"], view.arm("a").pulls) == (1, 1, 1)


async def test_same_id_is_replayed(subject: Subject, made: Transitions) -> None:
    """A second request with an id gets the first answer, whatever it asks, and changes nothing."""
    first = await subject.apply(made.issue())
    before = await learned(subject)
    again = await subject.apply(made.issue("d1", SMALL, revision=9, freshness="exact", version=9))
    assert again == t.Replayed("answer a", first.expires_at_unix_ms)
    assert await learned(subject) == before


@pytest.mark.parametrize("closing", ["settle", "expire"])
async def test_closed_decision_is_still_replayed(subject: Subject, made: Transitions, closing: str) -> None:
    """An id is known for as long as a closed decision is remembered."""
    first = await subject.apply(made.issue(deadline_ms=1 if closing == "expire" else HOUR_MS))
    await subject.pass_ms(2)
    await subject.apply(getattr(made, closing)())
    assert await subject.apply(made.issue()) == t.Replayed("answer a", first.expires_at_unix_ms)


async def test_released_decision_is_made_anew(subject: Subject, made: Transitions) -> None:
    """Nobody acts on one that was released, so its id is free; it stays known to who puts back what may be lost."""
    await all_applied(subject, [made.issue("d1", SMALL), made.release()])
    kept = structs.replace(made.issue("d1", SMALL), recalls="all")
    assert isinstance(await subject.apply(kept), t.Replayed)
    assert isinstance(await subject.apply(made.issue("d1", SMALL)), t.Issued)
    view = (await state(subject)).domains["route"]
    assert (view.open, view.counters["decisions"], view.counters["released"]) == (1, 2, 1)
    assert isinstance(await subject.apply(made.settle("d1")), t.Applied)
    assert isinstance(await subject.apply(made.issue("d1", SMALL)), t.Replayed)


async def test_same_id_in_another_domain_is_another_decision(subject: Subject, made: Transitions) -> None:
    """Ids belong to a domain."""
    await subject.apply(made.issue())
    assert isinstance(await subject.apply(made.issue(domain="prompt")), t.Issued)


@pytest.mark.parametrize(
    ("freshness", "known", "comes"),
    [("any", 7, False), ("refresh", 7, True), ("refresh", 0, False), ("exact", 0, False)],
)
async def test_newer_statistics_come_along_if_wanted(
    subject: Subject, made: Transitions, freshness: t.Freshness, known: int, comes: bool
) -> None:
    """Statistics are sent with `refresh`, and only if they are others than those known."""
    reply = await subject.apply(made.issue(freshness=freshness, version=known))
    assert (reply.view is not None) == comes
    assert not comes or reply.view.open == 1


async def test_exact_refuses_other_statistics(subject: Subject, made: Transitions) -> None:
    """With `exact` a decision on other statistics is stale, gets the present ones, and is not recorded."""
    await subject.apply(made.issue())
    await subject.apply(made.settle())
    before = await learned(subject)
    reply = await subject.apply(made.issue("d2", freshness="exact"))
    assert isinstance(reply, t.Stale)
    assert (reply.view.version, reply.view.arm("a").reward_micro) == (1, 500_000)
    assert await learned(subject) == before


@pytest.mark.parametrize("freshness", ["any", "refresh", "exact"])
async def test_another_control_is_always_stale(subject: Subject, made: Transitions, freshness: t.Freshness) -> None:
    """A decision made under a control that was changed is stale, however fresh it wants to be."""
    await subject.apply(made.mode("ungated"))
    reply = await subject.apply(made.issue(freshness=freshness))
    assert isinstance(reply, t.Stale)
    assert (reply.view.control.revision, reply.view.control.mode, reply.view.open) == (1, "ungated", 0)


async def test_stale_leaves_an_unknown_domain_unknown(subject: Subject, made: Transitions) -> None:
    """A stale request makes no domain."""
    assert isinstance(await subject.apply(made.issue(revision=3)), t.Stale)
    assert (await state(subject)).domains == {}


@pytest.mark.parametrize(("limit", "taken"), [(10, 0), (9, 1), (3, 1), (2, 2), (0, 2)])
@pytest.mark.parametrize("at", ["level", "whole"])
async def test_first_affordable_offer_is_taken(
    subject: Subject, made: Transitions, limit: int, taken: int, at: str
) -> None:
    """Of offers dearest first, the first one that both levels afford is issued and its ceiling reserved."""
    reply = await subject.apply(made.issue("d1", LARGE, SMALL, ANYWAY, **{at: t.Level(limit)}))
    accounts = (await state(subject)).accounts
    assert reply.offer == taken
    assert [accounts[level].reserved_nano for level in ("domain/route", "workspace")] == [(10, 3, 0)[taken]] * 2


async def test_tighter_level_decides(subject: Subject, made: Transitions) -> None:
    """What is available is the smaller of what the two levels have."""
    assert (await subject.apply(made.issue("d1", LARGE, SMALL, level=t.Level(10), whole=t.Level(5)))).offer == 1
    assert (await subject.apply(made.issue("d2", LARGE, SMALL, level=t.Level(7), whole=t.Level(50)))).offer == 1


async def test_refused_without_an_affordable_offer(subject: Subject, made: Transitions) -> None:
    """When no offer is affordable nothing is issued or reserved, and the refusal is counted."""
    assert await subject.apply(made.issue("d1", LARGE, SMALL, level=t.Level(2))) == t.Refused()
    view = await state(subject)
    assert view.domains["route"].counters["refused"] == 1
    assert (view.domains["route"].open, dict(view.accounts)) == (0, {})


async def test_refused_id_may_ask_again(subject: Subject, made: Transitions) -> None:
    """A refusal is not remembered: the same id is issued once there is money."""
    await subject.apply(made.issue("d1", SMALL, level=t.Level(2)))
    assert isinstance(await subject.apply(made.issue("d1", SMALL, level=t.Level(3))), t.Issued)


async def test_open_decisions_hold_money(subject: Subject, made: Transitions) -> None:
    """What open decisions reserve is not available to others, in any domain of the workspace."""
    limit = t.Level(15)
    await subject.apply(made.issue("d1", LARGE, whole=limit))
    assert (await subject.apply(made.issue("d2", LARGE, SMALL, domain="prompt", whole=limit))).offer == 1
    assert await subject.apply(made.issue("d3", LARGE, SMALL, whole=limit)) == t.Refused()


async def test_spent_money_is_gone(subject: Subject, made: Transitions) -> None:
    """What was paid stays spent; what was reserved beyond that is available again."""
    limit = t.Level(15)
    await subject.apply(made.issue("d1", LARGE, level=limit))
    await subject.apply(made.settle(cost=4))
    assert (await subject.apply(made.issue("d2", LARGE, SMALL, level=limit))).offer == 0


async def test_pace_releases_the_limit_with_each_decision(subject: Subject, made: Transitions) -> None:
    """Under a pace, so much more becomes available with each decision, and never more than the limit."""
    level = t.Level(25, pace_nano=6)
    taken = [(await subject.apply(made.issue(f"d{n}", LARGE, SMALL, ANYWAY, level=level))).offer for n in range(6)]
    # released before each: 6, 12, 18, 24, 25, 25; reserved before each: 0, 3, 6, 16, 19, 22
    assert taken == [1, 1, 0, 1, 1, 1]


async def test_unpaced_offer_is_paid_from_the_rest_of_the_limit(subject: Subject, made: Transitions) -> None:
    """Where only the pace forbids, an unpaced offer still holds its ceiling; the limit itself binds it."""
    level, rest = t.Level(13, pace_nano=1), t.Offer(10, "large", 10, "answer", unpaced=True)
    taken = [(await subject.apply(made.issue(f"d{n}", LARGE, rest, ANYWAY, level=level))).offer for n in range(2)]
    assert taken == [1, 2]
    assert (await state(subject)).accounts["domain/route"].reserved_nano == 10


async def test_pace_counts_at_the_workspace_too(subject: Subject, made: Transitions) -> None:
    """A pace of the workspace counts the decisions of all its domains."""
    whole = t.Level(100, pace_nano=5)
    assert (await subject.apply(made.issue("d1", LARGE, SMALL, whole=whole))).offer == 1
    assert (
        await subject.apply(made.issue("d2", t.Offer(7, "x", 7, ""), SMALL, domain="prompt", whole=whole))
    ).offer == 0


@pytest.mark.parametrize("kind", ["hour", "day", "month", "total"])
async def test_window_is_named_by_the_calendar(subject: Subject, made: Transitions, kind: str) -> None:
    """An account says which window of the calendar in UTC its figures are of."""
    before = await subject.window(kind)
    await subject.apply(made.issue("d1", SMALL, level=t.Level(9, kind), whole=t.Level(9, kind)))
    accounts = (await state(subject)).accounts
    assert accounts["domain/route"].window == accounts["workspace"].window
    assert accounts["workspace"].window in (before, await subject.window(kind))


@pytest.mark.parametrize("kind", ["hour", "day", "month"])
async def test_new_window_has_its_own_money(subject: Subject, made: Transitions, kind: str) -> None:
    """When a window turns, what was spent in the last one is forgotten and what is reserved is not."""
    level = t.Level(13, kind)
    await subject.apply(made.issue("d1", LARGE, level=level))
    await subject.apply(made.settle(cost=12))
    await subject.apply(made.issue("d2", LARGE, t.Offer(None, "b", 2, ""), level=level, deadline_ms=QUARTER_MS))
    await subject.turn("domain/route")
    assert (await subject.apply(made.issue("d3", LARGE, SMALL, level=level))).offer == 0
    account = (await state(subject)).accounts["domain/route"]
    assert (account.spent_nano, account.reserved_nano, account.overrun_nano, account.decisions) == (0, 12, 0, 1)


async def test_reward_is_spent_in_the_window_in_which_it_comes(subject: Subject, made: Transitions) -> None:
    """A decision of the last window that is settled in this one is paid from this one's money."""
    level = t.Level(20, "hour")
    await subject.apply(made.issue("d1", LARGE, level=level, deadline_ms=QUARTER_MS))
    await subject.turn("domain/route")
    await subject.apply(made.settle(cost=8))
    account = (await state(subject)).accounts["domain/route"]
    assert (account.spent_nano, account.reserved_nano, account.window) == (8, 0, await subject.window("hour"))


async def test_shadow_counts_what_the_policy_proposed(subject: Subject, made: Transitions) -> None:
    """A proposal is counted for its arm, and as agreement when it is the baseline."""
    await subject.apply(made.issue("d1", proposal="a", agrees=True))
    await subject.apply(made.issue("d2", proposal="b"))
    view = (await state(subject)).domains["route"]
    assert (view.counters["shadowed"], view.counters["agreed"]) == (2, 1)
    assert [(view.arm(name).pulls, view.arm(name).proposed) for name in "ab"] == [(2, 1), (0, 1)]


async def test_overdue_decisions_make_room_first(subject: Subject, made: Transitions) -> None:
    """Before money is refused, reservations whose deadline has passed are given back."""
    limit = t.Level(10)
    await subject.apply(made.issue("d1", LARGE, level=limit, deadline_ms=1))
    await subject.pass_ms(2)
    assert (await subject.apply(made.issue("d2", LARGE, SMALL, level=limit))).offer == 0
    assert (await state(subject)).domains["route"].counters["expired"] == 1


async def test_one_request_closes_a_bounded_number(subject: Subject, made: Transitions) -> None:
    """One request closes at most 16 overdue decisions, so that none of them takes long."""
    for number in range(20):
        await subject.apply(made.issue(f"d{number}", deadline_ms=400))
    await subject.pass_ms(401)
    await subject.apply(made.issue("last", freshness="refresh"))
    view = (await state(subject)).domains["route"]
    assert (view.counters["expired"], view.open) == (16, 5)


async def test_menu_that_is_not_complete_is_short(subject: Subject, made: Transitions) -> None:
    """Where nothing that was offered is affordable, but cheaper offers were left out, nothing is issued or counted."""
    level = t.Level(100)
    dear, cheap = t.Offer(200, "a", 200, "dear"), t.Offer(50, "b", 50, "cheap")
    short = made.issue("d1", dear, level=level, complete=False)
    assert await subject.apply(short) == t.Short()
    assert await subject.apply(made.issue("d1", dear, level=level)) == t.Refused()
    issued = await subject.apply(made.issue("d1", dear, cheap, level=level))
    assert issued.offer == 1
    assert (await state(subject)).domains["route"].counters["refused"] == 1


async def test_overdue_money_is_free_for_a_better_offer(subject: Subject, made: Transitions) -> None:
    """Where the first offer is not affordable, what is overdue is closed before another one is taken."""
    level, dear, cheap = t.Level(100), t.Offer(100, "a", 100, "dear"), t.Offer(None, "b", 0, "cheap")
    await subject.apply(made.issue("d1", dear, cheap, level=level, deadline_ms=400))
    assert (await subject.apply(made.issue("d2", dear, cheap, level=level))).offer == 1
    await subject.pass_ms(401)
    assert (await subject.apply(made.issue("d3", dear, cheap, level=level))).offer == 0
