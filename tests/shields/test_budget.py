"""Goal: for every amount of money, the right arm with its exact probability. Method: compare with the definition."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engine.preference import Odds, Tier, fixed, ranked
from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.decision import Candidate, ShieldEffect
from sidecar.policies.choice import Choice
from sidecar.settings.domain import ArmSettings, DomainSettings
from sidecar.shields.budget import ACTIONS_MAX, affordable_cases, cost_ceilings

problems = st.integers(1, 7).flatmap(
    lambda size: st.tuples(
        st.permutations(range(size)),
        st.lists(st.integers(0, 5), min_size=size, max_size=size),
        st.lists(st.sampled_from([0.0, 0.5, 2.0]), min_size=size, max_size=size),
        st.sampled_from([0.0, 0.25, 1.0]),
    )
)


@given(problem=problems, money=st.integers(-1, 6))
def test_the_first_affordable_arm_is_chosen(
    problem: tuple[list[int], list[int], list[float], float], money: int
) -> None:
    """Dearest first, the first case whose threshold is met has the first arm of the order that money can pay."""
    order, ceilings, _, _ = problem
    names = [str(i) for i in order]
    cases = affordable_cases(order, ceilings, names, limited=True, refuse=True)
    met = [case for case in reversed(cases) if case.threshold_nano is not None and case.threshold_nano <= money]
    expected = [i for i in order if ceilings[i] <= money]

    assert [case.chosen for case in met[:1]] == expected[:1]
    assert all(case.ceiling_nano <= money for case in met)


@given(problem=problems)
def test_odds_equal_the_definition(problem: tuple[list[int], list[int], list[float], float]) -> None:
    """Growing the allowed set step by step gives what `Choice.given` gives for the whole set."""
    order, ceilings, weights, explore = problem
    choice = Choice(scores=tuple(float(c) for c in ceilings), weights=tuple(weights), explore=explore)
    odds, allowed = Odds([Tier(tuple(range(len(order))), choice)]), set()
    for index in order:
        odds.allow([index])
        allowed.add(index)
        assert [odds.of(i) for i in allowed] == pytest.approx([choice.given(allowed)[i] for i in allowed])


def test_frequencies_equal_the_odds() -> None:
    """Over 20,000 drawn orders each arm comes first among the affordable as often as its odds say (5 sigma)."""
    rng, draws, allowed = Random(5), 20_000, (1, 2, 3)
    tiers = [fixed((0,)), Tier((0, 1, 2, 3), Choice((0.1, 0.2, 0.3, 0.2), (0.0, 3.0, 1.0, 0.0), 0.2))]
    odds = Odds(tiers)
    odds.allow(sorted(allowed))
    found = Counter(next(i for i in ranked(tiers[1], rng) if i in allowed) for _ in range(draws))

    for index in allowed:
        expected = odds.of(index)
        assert abs(found[index] / draws - expected) < 5 * (expected * (1 - expected) / draws) ** 0.5
    assert sum(odds.of(index) for index in allowed) == pytest.approx(1)


def test_without_a_limit_there_is_one_case() -> None:
    """The common request carries one offer."""
    (case,) = affordable_cases([1, 0], [5, 7], ["a", "b"], limited=False, refuse=False)
    assert (case.threshold_nano, case.chosen, case.ceiling_nano, case.actions) == (None, 1, 7, ())


def test_the_cheapest_anyway_reserves_nothing() -> None:
    """When nothing is affordable there is nothing to reserve from; what it costs is overrun."""
    anyway = affordable_cases([1, 0], [5, 7], ["a", "b"], limited=True, refuse=False)[0]

    assert (anyway.threshold_nano, anyway.chosen, anyway.ceiling_nano) == (None, 0, 0)
    assert [action.effect for action in anyway.actions] == [ShieldEffect.CHEAPEST_ANYWAY]


def test_a_thousand_candidates_stay_small() -> None:
    """What was stepped over is told up to a bound, so that an offer does not grow with the request."""
    size = 1000
    cases = affordable_cases(range(size)[::-1], range(size), [str(i) for i in range(size)], limited=True, refuse=True)

    assert len(cases) == size
    assert max(len(case.actions) for case in cases) == ACTIONS_MAX


def test_ceilings_in_order_of_precedence() -> None:
    """The request's own, else the declared one, else a high quantile of what was seen, else nothing."""
    settings = DomainSettings(arms={name: ArmSettings(cost_ceiling_usd=0.5) for name in ("asked", "declared")})
    seen = SlidingAverage(mean=10, recent=(10, 30, 20), at_ms=0)
    arms = [Arm("asked", cost=seen), Arm("declared", cost=seen), Arm("seen", cost=seen), Arm("new")]
    candidates = [Candidate("asked", 7), *(Candidate(arm.name) for arm in arms[1:])]

    assert cost_ceilings(candidates, arms, settings) == [7, 500_000_000, 30, 0]


def test_the_pace_alone_does_not_make_overrun() -> None:
    """Where only the pace forbids the cheapest, it is reserved from the rest of the limit."""
    cases = affordable_cases([1, 0], [5, 7], ["a", "b"], limited=True, refuse=False, paced=True)

    assert [(case.threshold_nano, case.unpaced, case.ceiling_nano) for case in cases[:3]] == [
        (None, False, 0),
        (5, True, 5),
        (5, False, 5),
    ]


def test_the_pace_alone_does_not_refuse() -> None:
    """A refused decision releases no money, so a pace below the cheapest ceiling would refuse for ever."""
    cases = affordable_cases([0], [5], ["a"], limited=True, refuse=True, paced=True)
    assert [(case.threshold_nano, case.unpaced) for case in cases] == [(5, True), (5, False)]
