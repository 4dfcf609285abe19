"""Reports, releases, expiry and forgetting, on both stores."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sidecar.model.arm import Arm, SlidingAverage
from sidecar.store import transitions as t

from .conftest import SHAPE, Subject, Transitions, all_applied, learned, state

OFFER = t.Offer(10, "a", 10, "answer a")
BRIEF = t.Shape(remember_ms=1)


async def account(subject: Subject, level: str = "workspace") -> tuple[int, int, int]:
    """Read what is spent, reserved and overrun."""
    one = (await state(subject)).accounts[level]
    return one.spent_nano, one.reserved_nano, one.overrun_nano


async def counters(subject: Subject) -> dict[str, int]:
    """Read the counters that are not 0."""
    return {name: n for name, n in (await state(subject)).domains["route"].counters.items() if n}


async def arm(subject: Subject) -> Arm:
    """Read the arm of the offer."""
    return (await state(subject)).domains["route"].arm("a")


async def test_reward_is_applied(subject: Subject, made: Transitions) -> None:
    """A final report adds to the sums, moves the averages, and says what they are now."""
    await subject.apply(made.issue("d1", OFFER))
    reply = await subject.apply(made.settle("d1", 700_000, cost=6, latency=90))
    one = await arm(subject)
    assert (one.count, one.reward_micro, one.reward_sq_nano, one.cost_nano) == (1, 700_000, 490_000_000, 6)
    assert (one.cost.mean, one.cost.recent, one.latency.mean, one.latency.recent) == (6, (6,), 90, (90,))
    assert reply == t.Applied("a", 1, 10, one.cost, one.latency)


async def test_money_is_settled_at_both_levels(subject: Subject, made: Transitions) -> None:
    """The reservation becomes what was paid, at the domain's and at the workspace's level."""
    await all_applied(subject, [made.issue("d1", OFFER), made.settle(cost=6)])
    assert await account(subject) == await account(subject, "domain/route") == (6, 0, 0)


async def test_reward_without_a_cost_is_booked_at_its_ceiling(subject: Subject, made: Transitions) -> None:
    """A cost that nobody told is taken to be the whole reservation, and no sample of the arm's cost."""
    await all_applied(subject, [made.issue("d1", OFFER), made.settle()])
    assert await account(subject) == (10, 0, 0)
    assert ((await arm(subject)).cost_nano, (await arm(subject)).cost) == (0, SlidingAverage())


async def test_cost_beyond_the_ceiling_is_overrun(subject: Subject, made: Transitions) -> None:
    """What is paid beyond a reservation is spent all the same and counted as overrun."""
    await all_applied(subject, [made.issue("d1", OFFER), made.settle(cost=14)])
    assert await account(subject) == (14, 0, 4)


async def test_second_report_is_a_duplicate(subject: Subject, made: Transitions) -> None:
    """A decision is applied once; a second report only counts as a duplicate."""
    await all_applied(subject, [made.issue("d1", OFFER), made.settle(cost=6)])
    before = await arm(subject), await account(subject)
    assert await subject.apply(made.settle("d1", 1, cost=9)) == t.Duplicate()
    assert (await arm(subject), await account(subject)) == before
    assert await counters(subject) == {"decisions": 1, "applied": 1, "duplicates": 1}


@pytest.mark.parametrize("what", ["settle", "release"])
async def test_unknown_decision_changes_nothing(subject: Subject, made: Transitions, what: str) -> None:
    """A report or a release of a decision that was never made leaves no trace."""
    assert await subject.apply(getattr(made, what)("never")) == t.Unknown()
    assert (await state(subject)).domains == {}


async def test_late_report_teaches_nothing_and_costs_once(subject: Subject, made: Transitions) -> None:
    """After the deadline a cost is booked in full, once, and no reward counts."""
    await subject.apply(made.issue("d1", OFFER, deadline_ms=1))
    await subject.pass_ms(2)
    assert await all_applied(subject, [made.settle(cost=6), made.settle(cost=6)]) == [t.Late(), t.Late()]
    assert await account(subject) == (6, 0, 6)
    assert (await arm(subject)).observations == 0
    assert await counters(subject) == {"decisions": 1, "expired": 1, "late": 2}


async def test_report_after_release_is_late(subject: Subject, made: Transitions) -> None:
    """A released decision that cost something after all has its cost booked, once."""
    await all_applied(subject, [made.issue("d1", OFFER), made.release()])
    assert await all_applied(subject, [made.settle(cost=3), made.settle(cost=3)]) == [t.Late(), t.Late()]
    assert await account(subject) == (3, 0, 3)


async def test_a_cost_that_comes_with_the_second_late_report_is_booked_once(
    subject: Subject, made: Transitions
) -> None:
    """The first late report may know no cost; whichever brings it first is booked."""
    await subject.apply(made.issue("d1", OFFER))
    await subject.apply(made.release())
    for cost in (None, 7, 7, 9):
        assert await subject.apply(made.settle(cost=cost, latency=5)) == t.Late()
    assert await account(subject) == (7, 0, 7)


async def test_late_cost_is_not_booked_when_it_was_collected(subject: Subject, made: Transitions) -> None:
    """A cost that a partial report brought was booked at the deadline, and is not booked again."""
    await all_applied(subject, [made.issue("d1", OFFER, deadline_ms=300), made.settle("d1", None, cost=4, final=False)])
    await subject.pass_ms(301)
    merge = await subject.apply(made.settle(cost=4))
    assert await subject.apply(made.settle(cost=4, collected=merge.collected)) == t.Late()
    assert await account(subject) == (4, 0, 0)


async def test_repeated_partial_report_has_counted(subject: Subject, made: Transitions) -> None:
    """A partial report whose answer got lost counted at the deadline; sent again after it, it is a duplicate."""
    partial = made.settle("d1", 250_000, cost=4, final=False)
    await all_applied(subject, [made.issue("d1", OFFER, deadline_ms=300), partial])
    await subject.pass_ms(301)
    merge = await subject.apply(partial)
    again = made.settle("d1", 250_000, cost=4, final=False, collected=merge.collected)
    assert await subject.apply(again) == t.Duplicate()
    assert await account(subject) == (4, 0, 0)
    assert (await arm(subject)).defaulted == 1
    more = made.settle("d1", 750_000, cost=4, collected=merge.collected)
    assert await subject.apply(more) == t.Late(), "what it says beyond that is late"
    assert await counters(subject) == {"decisions": 1, "expired": 1, "duplicates": 1, "late": 1}


async def test_partial_report_is_kept(subject: Subject, made: Transitions) -> None:
    """A partial report leaves the decision open and teaches nothing yet."""
    await subject.apply(made.issue("d1", OFFER))
    assert await subject.apply(made.settle("d1", None, latency=5, final=False)) == t.Collected("a")
    view = (await state(subject)).domains["route"]
    assert (view.open, view.version, view.arm("a").observations) == (1, 0, 0)


async def test_later_report_has_to_be_merged(subject: Subject, made: Transitions) -> None:
    """A report computed without what was collected gets it back; computed with it, it is applied."""
    signals = '{"latency_ms": 0.005}'
    await all_applied(
        subject, [made.issue("d1", OFFER), made.settle("d1", None, latency=5, final=False, signals=signals)]
    )
    merge = await subject.apply(made.settle())
    assert merge == t.Merge(f"   5 {signals}")
    assert isinstance(await subject.apply(made.settle(collected=merge.collected, latency=5)), t.Applied)


async def test_partial_reports_replace_each_other(subject: Subject, made: Transitions) -> None:
    """A second partial report that knows the first takes its place; one that does not has to be merged."""
    first = made.settle("d1", 100, final=False)
    await all_applied(subject, [made.issue("d1", OFFER), first])
    assert await subject.apply(first) == t.Merge("100 10   {}")
    again = made.settle("d1", 200, final=False, collected="100 10   {}")
    assert await subject.apply(again) == t.Collected("a")
    assert await subject.apply(made.settle()) == t.Merge("200 40   {}")


@pytest.mark.parametrize(
    ("partial", "default", "figures"),
    [
        (None, None, (0, 0, 0, 0, 0)),
        (None, 250_000, (0, 1, 250_000, 62_500_000, 0)),
        ({"reward": 600_000, "cost": 4}, None, (0, 1, 600_000, 360_000_000, 4)),
        ({"reward": 600_000, "cost": 4}, 250_000, (0, 1, 600_000, 360_000_000, 4)),
        ({"reward": None, "cost": 4}, None, (0, 0, 0, 0, 0)),
        ({"reward": None, "cost": 4}, 250_000, (0, 1, 250_000, 62_500_000, 4)),
    ],
)
async def test_deadline_counts_what_is_known(
    subject: Subject, made: Transitions, partial: dict[str, Any] | None, default: int | None, figures: tuple[int, ...]
) -> None:
    """At the deadline the reward collected counts, else the declared default, else none; a known cost is paid."""
    await subject.apply(made.issue("d1", OFFER, deadline_ms=300, default=default))
    if partial:
        await subject.apply(made.settle("d1", **partial, final=False))
    await subject.pass_ms(301)
    assert await subject.apply(made.expire()) == t.Swept(1)
    one = await arm(subject)
    assert (one.count, one.defaulted, one.reward_micro, one.reward_sq_nano, one.cost_nano) == figures
    assert await account(subject) == (partial["cost"] if partial else 0, 0, 0)


async def test_release_gives_the_money_back(subject: Subject, made: Transitions) -> None:
    """A released decision holds no money and teaches nothing; to release it again changes nothing."""
    await subject.apply(made.issue("d1", OFFER))
    assert await all_applied(subject, [made.release(), made.release()]) == [t.Released(), t.Closed()]
    assert await account(subject) == (0, 0, 0)
    assert await counters(subject) == {"decisions": 1, "released": 1}


async def test_release_keeps_a_cost_already_told(subject: Subject, made: Transitions) -> None:
    """A cost that a partial report brought stays spent when the decision is released."""
    reported = made.settle("d1", None, cost=4, final=False)
    await all_applied(subject, [made.issue("d1", OFFER), reported, made.release()])
    assert await account(subject) == (4, 0, 0)


async def test_release_after_the_reward_is_closed(subject: Subject, made: Transitions) -> None:
    """An applied decision cannot be released."""
    await all_applied(subject, [made.issue("d1", OFFER), made.settle(cost=6)])
    before = await learned(subject)
    assert await subject.apply(made.release()) == t.Closed()
    assert await learned(subject) == before


async def test_release_of_what_was_answered_so_only(subject: Subject, made: Transitions) -> None:
    """A call that failed takes back what it made itself, not what an earlier call of the same id was answered."""
    await subject.apply(made.issue("d1", OFFER))
    assert await subject.apply(t.Release(made.scope(), "d1", SHAPE, OFFER.answer + "x")) == t.Unknown()
    assert await subject.apply(t.Release(made.scope(), "d1", SHAPE, "x" + OFFER.answer[1:])) == t.Unknown()
    assert (await state(subject)).domains["route"].open == 1
    assert await subject.apply(t.Release(made.scope(), "d1", SHAPE, OFFER.answer[-1:])) == t.Released()


async def test_an_answer_that_was_given_twice_is_not_taken_back(subject: Subject, made: Transitions) -> None:
    """Somebody else has it by now; who was told of the decision may still release it."""
    await all_applied(subject, [made.issue("d1", OFFER), made.issue("d1", OFFER)])
    assert await subject.apply(t.Release(made.scope(), "d1", SHAPE, OFFER.answer)) == t.Unknown()
    assert await subject.apply(made.release()) == t.Released()


async def test_an_answer_that_was_given_twice_at_once_is_not_taken_back(subject: Subject, made: Transitions) -> None:
    """So it is when both ask in one turn of the loop, with one call of the script."""
    issue = made.issue("d1", OFFER)
    first, second = await asyncio.gather(subject.apply(issue), subject.apply(issue))
    assert isinstance(first, t.Issued)
    assert isinstance(second, t.Replayed)
    assert await subject.apply(t.Release(made.scope(), "d1", SHAPE, OFFER.answer)) == t.Unknown()
    assert await subject.apply(made.release()) == t.Released()


async def test_release_after_the_deadline_expires(subject: Subject, made: Transitions) -> None:
    """A release that comes after the deadline finds the decision expired, with its default reward."""
    await subject.apply(made.issue("d1", OFFER, deadline_ms=1, default=0))
    await subject.pass_ms(2)
    assert await subject.apply(made.release()) == t.Closed()
    assert await counters(subject) == {"decisions": 1, "expired": 1}
    assert (await arm(subject)).defaulted == 1


@pytest.mark.parametrize("closing", ["settle", "release", "expire"])
async def test_closed_decision_is_forgotten(subject: Subject, made: Transitions, closing: str) -> None:
    """When a closed decision has been remembered long enough, its id is as good as new."""
    await subject.apply(made.issue("d1", OFFER, deadline_ms=1 if closing == "expire" else 60_000))
    await subject.pass_ms(2)
    how = {"settle": made.settle(shape=BRIEF), "expire": made.expire(shape=BRIEF)}
    await subject.apply(how.get(closing, t.Release(made.scope(), "d1", BRIEF)))
    await subject.pass_ms(2)
    assert await subject.apply(made.expire()) == t.Swept(1)
    assert await subject.apply(made.settle()) == t.Unknown()
    assert isinstance(await subject.apply(made.issue("d1", OFFER)), t.Issued)


async def test_sweep_is_bounded(subject: Subject, made: Transitions) -> None:
    """Expire closes at most as many decisions as it is told, the longest overdue first, and says how many."""
    for number in range(4):
        await subject.apply(made.issue(f"d{number}", OFFER, deadline_ms=300 + number))
    await subject.pass_ms(304)
    assert await all_applied(subject, [made.expire(2)] * 3) == [t.Swept(2)] * 2 + [t.Swept(0)]


async def test_sweep_leaves_what_is_not_due(subject: Subject, made: Transitions) -> None:
    """Expire closes no decision before its deadline."""
    await subject.apply(made.issue("d1", OFFER))
    assert await subject.apply(made.expire()) == t.Swept(0)
    assert (await state(subject)).domains["route"].open == 1


async def test_averages_forget(subject: Subject, made: Transitions) -> None:
    """The mean moves by 1/length of the way, rounded half up; only the last values are kept."""
    shape = t.Shape(ewma_length=4, recent_length=3)
    for number, cost in enumerate((100, 200, 50, 51, 0)):
        await all_applied(
            subject, [made.issue(f"d{number}", shape=shape), made.settle(f"d{number}", cost=cost, shape=shape)]
        )
    average = (await arm(subject)).cost
    assert (average.mean, average.recent) == (69, (50, 51, 0))  # 100, 125, 106.25 (106), 92.25 (92), 69
