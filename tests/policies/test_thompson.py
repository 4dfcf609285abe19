"""Thompson sampling with Beta posteriors."""

from __future__ import annotations

import pytest

from sidecar.errors import InvalidInput
from sidecar.model.arm import Arm
from sidecar.policies.thompson import ThompsonSamplingBandit


def test_probabilities_are_those_of_the_posteriors() -> None:
    """Beta(8, 4) against Beta(6, 6), out of a uniform prior and ten rewards each."""
    arms = [Arm("a", count=10, reward_micro=7_000_000), Arm("b", count=10, reward_micro=5_000_000)]

    _, second = ThompsonSamplingBandit().choice(arms, {}).probabilities

    assert pytest.approx(0.193498452012, abs=1e-12) == second


def test_the_default_prior_is_uniform() -> None:
    """An arm with one full reward, Beta(2, 1), beats a new one, Beta(1, 1), with probability 2/3."""
    choice = ThompsonSamplingBandit().choice([Arm("a", count=1, reward_micro=1_000_000), Arm("new")], {})

    assert pytest.approx((2 / 3, 1 / 3), abs=1e-12) == choice.probabilities
    assert pytest.approx((2 / 3, 1 / 2)) == choice.scores


def test_fractional_rewards_are_fractions_of_successes() -> None:
    """Two rewards of 0.5 are as good as one success and one failure."""
    halves, coin = Arm("h", count=2, reward_micro=1_000_000), Arm("c", count=2, reward_micro=1_000_000)

    assert ThompsonSamplingBandit().choice([halves, coin], {}).scores == (0.5, 0.5)


def test_a_conservative_prior_holds_new_arms_back() -> None:
    """New arms are chosen less often with a prior below the baseline's mean than with a uniform one."""
    baseline = Arm("baseline", count=100, reward_micro=70_000_000)
    policies = [ThompsonSamplingBandit(prior_mean=0.6, prior_weight=20.0), ThompsonSamplingBandit()]

    conservative, uniform = (policy.choice([baseline, Arm("new")], {}).probabilities[1] for policy in policies)

    assert conservative < 0.25
    assert uniform > 0.29


@pytest.mark.parametrize(("mean", "weight"), [(0.5, 0.0), (0.0, 2.0), (1.0, 2.0)])
def test_an_improper_prior_is_refused(mean: float, weight: float) -> None:
    """Neither parameter of the Beta prior may be 0."""
    with pytest.raises(InvalidInput, match=r"at least 0\.001 each"):
        ThompsonSamplingBandit(prior_mean=mean, prior_weight=weight)


def test_rewards_that_are_all_one_leave_the_prior() -> None:
    """A million full rewards keep beta at its prior, so the posterior stays proper."""
    arms = [Arm("a", count=10**6, reward_micro=10**12), Arm("b", count=10**6, reward_micro=10**12)]

    assert pytest.approx((0.5, 0.5)) == ThompsonSamplingBandit().choice(arms, {}).probabilities
