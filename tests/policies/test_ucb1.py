"""UCB1, by hand."""

from __future__ import annotations

import math

import pytest

from sidecar.model.arm import Arm
from sidecar.policies.ucb1 import UCB1

OFTEN, SELDOM = Arm("o", count=90, reward_micro=45_000_000), Arm("s", count=10, reward_micro=4_000_000)


@pytest.mark.parametrize("exploration", [0.5, 2.0])
def test_the_bound_is_the_published_one(exploration: float) -> None:
    """Mean plus sqrt(exploration ln t / n), with t the observations of all candidates."""
    expected = [0.5 + math.sqrt(exploration * math.log(100) / 90), 0.4 + math.sqrt(exploration * math.log(100) / 10)]

    assert pytest.approx(expected) == list(UCB1(exploration=exploration).choice([OFTEN, SELDOM], {}).scores)


def test_arms_without_data_come_first_at_random() -> None:
    """Two new arms share the probability; the known one has none."""
    assert UCB1().choice([OFTEN, Arm("x"), Arm("y")], {}).probabilities == (0.0, 0.5, 0.5)


def test_one_observation_is_no_division_by_zero() -> None:
    """After a single reward ln t is 0, and the bound is the mean."""
    assert UCB1().choice([Arm("a", count=1, reward_micro=700_000)], {}).scores == (0.7,)


def test_more_exploration_prefers_the_uncertain() -> None:
    """A large factor picks the arm with few observations, a small one the arm with the higher mean."""
    assert UCB1(exploration=2.0).choice([OFTEN, SELDOM], {}).probabilities == (0.0, 1.0)
    assert UCB1(exploration=0.001).choice([OFTEN, SELDOM], {}).probabilities == (1.0, 0.0)
