"""Names, units, windows, and the statistics of an arm."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import InvalidInput
from sidecar.model.arm import Arm
from sidecar.model.decision import Ask, Candidate
from sidecar.model.names import Scope, valid_decision_id, valid_name, valid_scope
from sidecar.model.signals import Signals
from sidecar.model.units import (
    COST_USD_MAX,
    MICRO,
    NANO,
    bounded,
    nano_usd,
    nano_usd_ceiling,
    reward_micro,
    reward_sq_nano,
    usd,
)
from sidecar.model.view import DomainView
from sidecar.model.window import window_id

MICROS = st.lists(st.integers(0, MICRO), max_size=50)
SOME = st.none() | st.floats(0, 1)
SIGNALS = st.builds(Signals, SOME, SOME, SOME, SOME, SOME, SOME)


def arm_of(micros: list[int]) -> Arm:
    """Make an arm that got these rewards."""
    return Arm("a", count=len(micros), reward_micro=sum(micros), reward_sq_nano=sum(map(reward_sq_nano, micros)))


@pytest.mark.parametrize("name", ["a", "ü", "a b", "{x}", "a/b:c", "x" * 128])
def test_printable_names_are_allowed(name: str) -> None:
    """A name is any printable text of up to 128 characters."""
    assert valid_name("field", name) == name


@pytest.mark.parametrize("name", ["", " ", "a\tb", "a\nb", "\x00", "x" * 129, "\u200b", "\ud800"])
def test_other_names_are_refused(name: str) -> None:
    """Empty, blank, too long or unprintable names are refused by the name of their field."""
    with pytest.raises(InvalidInput) as refused:
        valid_name("field", name)
    assert refused.value.field == "field"


@pytest.mark.parametrize("decision_id", ["", "a b", "ü", "a\tb", "x" * 129])
def test_other_decision_ids_are_refused(decision_id: str) -> None:
    """A decision id is printable ASCII without spaces, up to 128 characters."""
    assert valid_decision_id("id", "a-Z_9.:/") == "a-Z_9.:/"
    with pytest.raises(InvalidInput):
        valid_decision_id("id", decision_id)


def test_scope_has_defaults() -> None:
    """An empty tenant is `default`, an empty workspace `main`; a domain has to be given."""
    assert valid_scope("", "", "route") == Scope("default", "main", "route")
    with pytest.raises(InvalidInput, match="domain"):
        valid_scope("", "", "")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.1, 1.1])
def test_numbers_are_bounded(value: float) -> None:
    """A number outside its bounds, or none at all, is refused; the bounds themselves are allowed."""
    assert (bounded("x", 0.0, 0, 1), bounded("x", 1.0, 0, 1)) == (0.0, 1.0)
    with pytest.raises(InvalidInput, match="a number from 0 to 1"):
        bounded("x", value, 0, 1)


@given(nano=st.integers(0, int(COST_USD_MAX) * NANO))
def test_money_survives_the_way_through_dollars(nano: int) -> None:
    """A cost in whole nano-dollars is the same after it was dollars, up to the largest that is allowed."""
    assert nano_usd(usd(nano)) == nano_usd_ceiling(usd(nano)) == nano


@given(dollars=st.floats(0, 1e6))
def test_ceilings_cover(dollars: float) -> None:
    """A ceiling in nano-dollars is never below what the amount is booked as, and at most one above."""
    assert 0 <= nano_usd_ceiling(dollars) - nano_usd(dollars) <= 1


@given(reward=st.floats(0, 1))
def test_rewards_are_rounded_to_the_nearest(reward: float) -> None:
    """A reward in micro-units is off by at most half of one, and its square by half a nano-unit."""
    micro = reward_micro(reward)
    assert abs(Fraction(reward) * MICRO - micro) <= Fraction(1, 2)
    assert abs(Fraction(micro * micro, 1000) - reward_sq_nano(micro)) <= Fraction(1, 2)


@given(micros=MICROS)
def test_mean_and_spread_are_those_of_the_rewards(micros: list[int]) -> None:
    """From three sums an arm knows mean and sample deviation of its rewards."""
    arm, rewards = arm_of(micros), [micro / MICRO for micro in micros]
    assert arm.reward_mean == pytest.approx(statistics.fmean(rewards) if rewards else 0.0)
    assert arm.reward_sd == pytest.approx(statistics.stdev(rewards) if len(rewards) > 1 else 0.0, abs=4e-5)


@given(reward=st.integers(MICRO - 3, MICRO), times=st.integers(2, 10**6))
def test_spread_of_equal_rewards_is_nearly_none(reward: int, times: int) -> None:
    """A million equal rewards near 1 have no spread, although their squares were rounded."""
    sums = {"reward_micro": reward * times, "reward_sq_nano": reward_sq_nano(reward) * times}
    assert Arm("a", count=times, **sums).reward_sd <= 3.2e-5


def test_defaulted_rewards_are_observations() -> None:
    """Rewards that were filled in count in the mean, not among those that came."""
    arm = Arm("a", count=1, defaulted=3, reward_micro=MICRO)
    assert (arm.observations, arm.reward_mean) == (4, 0.25)


@pytest.mark.parametrize("names", [[], ["a", "b", "a"], [str(n) for n in range(1001)]])
def test_candidates_are_checked(names: list[str]) -> None:
    """A request has 1 to 1,000 candidates, each arm once."""
    with pytest.raises(InvalidInput, match="candidates"):
        Ask(Scope("t", "w", "d"), "id", tuple(Candidate(name) for name in names))


@given(first=SIGNALS, later=SIGNALS)
def test_first_value_of_a_signal_counts(first: Signals, later: Signals) -> None:
    """Reports joined have every signal that either has, from the earlier one if both do."""
    joined = first.completed_by(later)
    assert joined.observed() == later.observed() | first.observed()
    assert joined.completed_by(first) == joined.completed_by(later) == joined


@given(moment=st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy wants naive bounds
def test_windows_are_of_the_calendar(moment: datetime) -> None:
    """Two moments have one window exactly when they are of the same hour, day or month."""
    later, shapes = moment + timedelta(hours=13), {"hour": "%Y%m%d%H", "day": "%Y%m%d", "month": "%Y%m", "total": ""}
    for kind, shape in shapes.items():
        same = window_id(kind, int(moment.timestamp() * 1000)) == window_id(kind, int(later.timestamp() * 1000))
        assert same == (moment.strftime(shape) == later.strftime(shape))


def test_unknown_arm_is_a_new_one() -> None:
    """A view answers for any arm, and takes one that changed without changing itself."""
    view = DomainView(version=1)
    changed = view.with_arm(Arm("a", count=1), 2)
    assert (view.arm("a"), changed.arm("a").count, changed.version, view.arms) == (Arm("a"), 1, 2, {})
