"""Epsilon-greedy, by hand."""

from __future__ import annotations

import pytest

from sidecar.model.arm import Arm
from sidecar.policies.epsilon_greedy import EpsilonGreedy

BETTER, WORSE, NEW = Arm("b", count=10, reward_micro=8_000_000), Arm("w", count=10, reward_micro=2_000_000), Arm("n")


def test_every_arm_has_its_share_of_epsilon() -> None:
    """The best of three has 1 - epsilon + epsilon / 3, the others epsilon / 3 each."""
    probabilities = EpsilonGreedy(epsilon=0.3).choice([WORSE, BETTER, NEW], {}).probabilities

    assert pytest.approx((0.1, 0.8, 0.1)) == probabilities


def test_the_prior_counts_as_observations() -> None:
    """A prior of weight 10 at 0.5 moves a mean of 0.8 from ten rewards to 0.65, and a new arm's to 0.5."""
    policy = EpsilonGreedy(prior_mean=0.5, prior_weight=10.0)

    assert pytest.approx((0.65, 0.5)) == policy.choice([BETTER, NEW], {}).scores


def test_without_a_prior_new_arms_come_first() -> None:
    """With weight 0 an arm without data is preferred to the best known one."""
    policy = EpsilonGreedy(epsilon=0.0, prior_weight=0.0)

    assert policy.choice([BETTER, NEW, WORSE], {}).probabilities == (0.0, 1.0, 0.0)


def test_defaulted_rewards_count() -> None:
    """A reward that never came and was filled in weighs as much as one that came."""
    defaulted = Arm("d", count=5, defaulted=5, reward_micro=4_000_000)

    assert EpsilonGreedy(prior_weight=0.0).choice([defaulted], {}).scores == (0.4,)
