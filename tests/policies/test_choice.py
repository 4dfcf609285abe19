"""Drawn orders have the probabilities that a choice states, restricted or not."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sidecar.policies.choice import Choice

DRAWS = 100_000
# Of a right implementation, one seed in a million would fail a test; the seeds are fixed.
ERROR_RATE = 1e-6

CHOICES = [
    pytest.param(Choice(scores=(0.2, 0.9, 0.5), explore=0.1), id="greedy"),
    pytest.param(Choice(scores=(0.5, 0.9, 0.9, 0.9), explore=0.3), id="greedy with ties"),
    pytest.param(Choice(scores=(0.0,) * 5, explore=1.0), id="uniform"),
    pytest.param(Choice(scores=(0.1, 0.2, 0.3, 0.4), weights=(0.5, 0.3, 0.15, 0.05)), id="weighted"),
    pytest.param(Choice(scores=(0.1, 0.2, 0.3), weights=(0.7, 0.3, 0.0), explore=0.2), id="one without weight"),
]


def fits(observed: Counter[int], probabilities: tuple[float, ...]) -> bool:
    """Whether counts agree with probabilities, by chi-square; what has probability 0 must not occur."""
    possible = [k for k, p in enumerate(probabilities) if p > 0]
    if set(observed) - set(possible):
        return False
    expected = [probabilities[k] * observed.total() for k in possible]
    return len(possible) == 1 or stats.chisquare([observed[k] for k in possible], expected).pvalue > ERROR_RATE


def first_allowed(choice: Choice, allowed: Collection[int], seed: int) -> Counter[int]:
    """How often each candidate was the first allowed one."""
    rng = random.Random(seed)
    return Counter(next(k for k in choice.rank(rng) if k in allowed) for _ in range(DRAWS))


@pytest.mark.parametrize("choice", CHOICES)
def test_the_first_of_the_order_has_the_stated_probability(choice: Choice) -> None:
    """The first of 100,000 drawn orders is distributed as `probabilities` says."""
    everyone = range(len(choice.scores))

    assert fits(first_allowed(choice, everyone, seed=1), choice.probabilities)


@pytest.mark.parametrize("allowed", [{0, 2}, {1, 2}, {2}], ids=str)
@pytest.mark.parametrize("choice", CHOICES)
def test_the_first_allowed_has_the_probability_given_the_allowed(choice: Choice, allowed: set[int]) -> None:
    """The first allowed of 100,000 drawn orders is distributed as `given` says."""
    assert fits(first_allowed(choice, allowed, seed=2), choice.given(allowed))


def test_whole_orders_follow_plackett_and_luce() -> None:
    """Each of the six orders of three weighted arms has the product of its stages' probabilities."""
    choice, rng = Choice(scores=(0.0, 0.0, 0.0), weights=(0.6, 0.3, 0.1)), random.Random(3)
    orders = Counter(tuple(choice.rank(rng)) for _ in range(DRAWS))
    w = choice.weights
    keys = sorted(orders)
    expected = [DRAWS * w[a] * w[b] / (1 - w[a]) for a, b, _ in keys]

    assert len(keys) == 6
    assert stats.chisquare([orders[key] for key in keys], expected).pvalue > ERROR_RATE


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8),
    st.floats(0, 1),
    st.booleans(),
    st.data(),
)
def test_probabilities_sum_to_one_on_every_subset(
    arms: list[tuple[float, float]],
    explore: float,
    weighted: bool,
    data: st.DataObject,
) -> None:
    """Given any allowed candidates, these share a probability of 1, and the others have none."""
    scores, weights = zip(*arms, strict=True)
    choice = Choice(scores=scores, weights=weights if weighted else (), explore=explore)
    allowed = data.draw(st.sets(st.sampled_from(range(len(arms))), min_size=1))

    given_allowed = choice.given(allowed)

    assert sum(given_allowed) == pytest.approx(1.0)
    assert {k for k, p in enumerate(given_allowed) if p > 0} <= allowed


@pytest.mark.parametrize("choice", CHOICES)
def test_an_order_names_every_candidate_once(choice: Choice) -> None:
    """An order is a permutation, however little weight an arm has."""
    assert sorted(choice.rank(random.Random(4))) == list(range(len(choice.scores)))


def test_arms_without_weight_follow_by_score() -> None:
    """Behind the weighted arms come the others, best score first."""
    choice = Choice(scores=(0.9, 0.1, 0.2, 0.3), weights=(0.0, 1.0, 0.0, 0.0))

    assert choice.rank(random.Random(5)) == [1, 0, 3, 2]


def test_weights_that_are_all_lost_leave_the_scores() -> None:
    """When no allowed arm has weight, the best score decides."""
    choice = Choice(scores=(0.9, 0.1, 0.2), weights=(0.0, 1.0, 0.0))

    assert choice.given({0, 2}) == (1.0, 0.0, 0.0)


def test_no_allowed_candidate_is_an_error() -> None:
    """A choice among nothing is refused, not answered with zeros."""
    with pytest.raises(ValueError, match="at least one allowed"):
        Choice(scores=(0.1, 0.2)).given(set())
