"""Goal: the ledger notices what it is for. Method: an honest state passes, and each state that was tampered with fails.

A check that finds nothing may be a check that looks nowhere: every rule is shown to strike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from learning_client._calls import Failure
from learning_client.v1 import learning_pb2 as pb

from .checks import FIGURES, check, limits_held
from .evidence import Evidence, Record, money_of, record_of
from .honest import LIMITS, LOST, READ_MS, add, answer, honest, put, recommended, reported
from .truth import APPLIED, LATE, MISSED, SPOOLED, SPOOLED_LATE, Ledger, Verdict

Tampers = Callable[[Ledger, Evidence], None]


ONE = {
    "count:large": 1,
    "reward_micro:large": 500_000,
    "reward_sq_nano:large": 250_000_000,
    "cost_nano:large": 4_000_000,
}


def lose_a_reward(_: Ledger, evidence: Evidence) -> None:
    """A reward that was acknowledged, and everything of it, is gone."""
    put(evidence, "one", state="expired")
    add(evidence, {name: -more for name, more in ONE.items()} | {"applied": -1, "expired": 1})


def count_twice(_: Ledger, evidence: Evidence) -> None:
    """One reward is in the statistics twice."""
    add(evidence, ONE | {"applied": 1})


def tell_applied_twice(ledger: Ledger, _: Evidence) -> None:
    """One decision is told APPLIED twice."""
    reported(ledger, "two", APPLIED)


def count_what_was_released(_: Ledger, evidence: Evidence) -> None:
    """A decision that its app was told is released counts all the same."""
    put(evidence, "released", state="rewarded")


def forget_a_decision(_: Ledger, evidence: Evidence) -> None:
    """A decision that was answered is not known any more."""
    del evidence.domains["route"].records["late"]


def forget_the_domain(_: Ledger, evidence: Evidence) -> None:
    """The store came back empty."""
    evidence.domains.clear()


def invent_a_decision(_: Ledger, evidence: Evidence) -> None:
    """There is a decision that nobody asked for."""
    evidence.domains["route"].records["other"] = Record("expired", "large")


def shift_a_sum(_: Ledger, evidence: Evidence) -> None:
    """A sum is off by one micro-unit."""
    add(evidence, {"reward_micro:large": 1})


def leave_a_reservation(_: Ledger, evidence: Evidence) -> None:
    """A cent stays reserved for good."""
    evidence.accounts["reserved_nano:workspace"] += 10_000_000


def leave_a_decision_open(_: Ledger, evidence: Evidence) -> None:
    """A decision is never closed."""
    put(evidence, "late", state="open")


def leave_what_is_overdue(_: Ledger, evidence: Evidence) -> None:
    """One that waits goes on waiting after its deadline."""
    put(evidence, "waiting", deadline_ms=READ_MS)


def lose_what_waits(_: Ledger, evidence: Evidence) -> None:
    """What a part brought is not kept with the decision that waits."""
    put(evidence, "waiting", collected="")


def close_before_the_deadline(ledger: Ledger, evidence: Evidence) -> None:
    """A report that was acknowledged in time is taken for late, as if the deadline had passed."""
    lose_a_reward(ledger, evidence)
    put(evidence, "one", state="late", deadline_ms=READ_MS + 1)


def tell_late_before_the_deadline(ledger: Ledger, _: Evidence) -> None:
    """An app is told LATE a minute before the deadline."""
    recommended(ledger, "soon", answer("large", due_ms=round(time.time() * 1000) + 60_000))
    reported(ledger, "soon", LATE)


def give_back_what_is_held(_: Ledger, evidence: Evidence) -> None:
    """The reservation of a decision that is open is gone."""
    evidence.accounts["reserved_nano:domain/route"] -= 10_000_000


def overspend(_: Ledger, evidence: Evidence) -> None:
    """More is spent than the limit allows."""
    evidence.accounts["spent_nano:domain/route"] = 1_000_000_001


def lose_money(_: Ledger, evidence: Evidence) -> None:
    """A nano-dollar that was spent is not booked."""
    evidence.accounts["spent_nano:workspace"] -= 1


def book_overrun(_: Ledger, evidence: Evidence) -> None:
    """Something is booked beyond its reservation although every ceiling was true."""
    evidence.accounts["overrun_nano:workspace"] += 1


def drop_a_sample(_: Ledger, evidence: Evidence) -> None:
    """The gate's sums lack one sample."""
    gate = evidence.domains["route"].gate
    evidence.domains["route"].gate = replace(gate, totals=(0,) * len(gate.totals))


def forget_a_coin(_: Ledger, evidence: Evidence) -> None:
    """A decision that its app was told is a sample is none."""
    put(evidence, "one", sample="")


TAMPERED: dict[Tampers, tuple[str, int, int]] = {
    lose_a_reward: ("I4 kept", 1, 0),
    count_twice: ("I3 sums", 0, 1),
    tell_applied_twice: ("I2 once", 0, 1),
    count_what_was_released: ("I2 nothing", 0, 0),
    forget_a_decision: ("I4 decision", 0, 0),
    forget_the_domain: ("I4 kept", 4, 0),
    invent_a_decision: ("I2 invented", 0, 0),
    shift_a_sum: ("I3 sums", 0, 0),
    leave_a_reservation: ("I5 reserved", 0, 0),
    leave_a_decision_open: ("I5 open", 0, 0),
    leave_what_is_overdue: ("I5 open", 0, 0),
    lose_what_waits: ("I4 kept", 1, 0),
    close_before_the_deadline: ("I4 early", 1, 0),
    tell_late_before_the_deadline: ("I4 early", 0, 0),
    give_back_what_is_held: ("I5 reserved", 0, 0),
    overspend: ("I1 limit", 0, 0),
    lose_money: ("I1 spent", 0, 0),
    book_overrun: ("I1 overrun", 0, 0),
    drop_a_sample: ("I6 gate", 0, 0),
    forget_a_coin: ("I6 samples", 0, 0),
}


def test_what_is_honest_passes() -> None:
    """Nothing is found where nothing is wrong, and the one reward that may count or not is told."""
    ledger, evidence = honest()
    found = check(ledger, evidence, LIMITS)

    assert (found.violations, found.lost, found.double) == ([], 0, 0)
    assert (ledger.acknowledged, ledger.maybes) == (4, 1)


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda one: one.__name__)
def test_what_is_wrong_is_found(tamper: Tampers) -> None:
    """Each wrong is found, by the rule that is meant for it, with how many rewards were lost or counted twice."""
    ledger, evidence = honest()
    tamper(ledger, evidence)
    found = check(ledger, evidence, LIMITS)
    rule, lost, double = TAMPERED[tamper]

    assert rule in {violation.rule for violation in found.violations}
    assert (found.lost, found.double) == (lost, double)


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_compared(figure: str) -> None:
    """A sum that is off by one is found, whichever it is."""
    ledger, evidence = honest()
    add(evidence, {f"{figure}:large": -1})
    assert [v.rule for v in check(ledger, evidence, LIMITS).violations if v.rule == "I3 sums"] == ["I3 sums"]


def test_a_decision_may_be_made_anew() -> None:
    """One that was released and asked for again counts twice and has one record; more than were released is wrong."""
    ledger, evidence = honest()
    add(evidence, {"decisions": 1, "released": 1, "pulls:large": 1})
    assert check(ledger, evidence, LIMITS).violations == []
    add(evidence, {"decisions": 1, "released": 1, "pulls:large": 1})
    assert {one.rule for one in check(ledger, evidence, LIMITS).violations} == {"I3 counters"}


def test_a_maybe_may_count_or_not() -> None:
    """Without the reward whose answer never came the state is right as well."""
    ledger, evidence = honest()
    put(evidence, "maybe", state="expired")
    add(evidence, {name: -more for name, more in ONE.items()} | {"applied": -1, "expired": 1})
    for level in LIMITS:
        evidence.accounts[f"spent_nano:{level}"] -= 4_000_000
    assert check(ledger, evidence, LIMITS).violations == []


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([APPLIED], Verdict.COUNTED),
        ([SPOOLED], Verdict.COUNTED),
        ([None, pb.REWARD_OUTCOME_DUPLICATE], Verdict.COUNTED),
        ([None], Verdict.MAYBE),
        ([SPOOLED_LATE], Verdict.MAYBE),
        ([None, LATE], Verdict.NOTHING),
        ([pb.REWARD_OUTCOME_UNKNOWN], Verdict.NOTHING),
        ([], Verdict.NOTHING),
    ],
)
def test_what_outcomes_mean(outcomes: list[int | None], verdict: Verdict) -> None:
    """An acknowledgement counts, silence may, and a refusal does not."""
    ledger = Ledger()
    story = ledger.story("w", "route", "x")
    for outcome in outcomes:
        story.finals[MISSED if outcome is None else outcome] += 1
    assert story.verdict is verdict


def test_a_report_on_disk_is_a_promise_until_the_deadline() -> None:
    """Where the deadline is later than the moment at which nothing waited on disk, it counts; else it may."""
    ledger = Ledger()
    for name, due_ms in (("in time", 2000), ("too late", 1000)):
        recommended(ledger, name, answer("large", due_ms=due_ms))
        reported(ledger, name, SPOOLED)
    ledger.quiet(1500)
    assert {name: story.verdict for name, story in ledger.stories.items()} == {
        "in time": Verdict.COUNTED,
        "too late": Verdict.MAYBE,
    }
    assert all(story.spooled for story in ledger.stories.values())


def test_money_in_a_lease_is_neither_lost_nor_leaked() -> None:
    """What a lease holds is reserved, and what an outage spent is in it or booked; more of either is found."""
    ledger, evidence = honest()
    ledger.story("w", "route", "away").degraded.append(
        pb.RecommendResponse(arm="small", degraded=True, reserved_usd=0.001)
    )
    evidence.leases["domain/route/s"] = 5_000_000
    for level in LIMITS:
        evidence.accounts[f"reserved_nano:{level}"] += 5_000_000
    assert check(ledger, evidence, LIMITS, leased="route").violations == []
    evidence.accounts["spent_nano:workspace"] += 1_000_001
    assert {one.rule for one in check(ledger, evidence, LIMITS, leased="route").violations} == {"I1 spent"}


def test_money_of_an_answer_that_nobody_heard_may_be_spent() -> None:
    """A call that its app gave up may have been answered from the lease: that much more may be spent, and no more."""
    ledger, evidence = honest()
    request = pb.RecommendRequest(workspace="w", domain="route", decision_id="given up")
    ledger.note(request, Failure("DEADLINE_EXCEEDED", ""), 1.0, 3.0)

    def broken(spent_nano: int) -> set[str]:
        for level in LIMITS:
            evidence.accounts[f"spent_nano:{level}"] += spent_nano
        found = check(ledger, evidence, LIMITS, leased="route", baseline_usd=0.001)
        return {one.rule for one in found.violations}

    assert broken(1_000_000) == set()
    assert broken(1) == {"I1 spent"}


def test_a_limit_is_checked_at_every_level() -> None:
    """Spent and reserved count, overrun does not, at either level."""
    raw = {
        b"spent_nano:workspace": b"1500000000",
        b"reserved_nano:workspace": b"500000001",
        b"window:workspace": b"total",
    }
    assert [one.where for one in limits_held(money_of(raw), LIMITS)] == ["workspace"]
    raw[b"overrun_nano:workspace"] = b"1"
    assert limits_held(money_of(raw), LIMITS) == []


def test_failures_are_told_apart() -> None:
    """Killed, stalled and all others, of which each is one too many."""
    ledger = Ledger(stalls=[(10.0, 12.0)])
    request = pb.RecommendRequest(workspace="w", domain="route", decision_id="x")
    ledger.note(request, LOST, 1.0, 1.1, killed=True)
    ledger.note(request, Failure("DEADLINE_EXCEEDED", ""), 11.0, 13.0)
    ledger.note(request, LOST, 11.0, 13.0, sidecar="native")
    ledger.note(request, Failure("INTERNAL", "fault"), 1.0, 2.0)

    assert {kind: sum(counts.values()) for kind, counts in ledger.failures().items()} == {
        "app": 2,
        "covered": 1,
        "stalled": 1,
    }
    assert [(one.failure, one.sidecar) for one in ledger.app_errors] == [(LOST.code, "native"), ("INTERNAL", "")]
    assert list(ledger.broken.values()) == [1]


def test_records_are_read_as_the_store_writes_them() -> None:
    """A closed and an open decision, with what partial reports brought."""
    tail = "1\t2\t10000000\t\tlarge\tanswer\t3 1 0 evidence\t5 6 7 8 {}"
    expected = Record("rewarded", "large", 10_000_000, "3 1 0 evidence", "5 6 7 8 {}", 2)
    assert record_of(f"rewarded\t{tail}", closed=True) == expected
    assert record_of(tail, closed=False) == replace(expected, state="open")
