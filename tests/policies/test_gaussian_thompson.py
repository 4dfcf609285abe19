"""Thompson sampling with Student-t posteriors."""

from __future__ import annotations

import random
import statistics

import pytest

from sidecar.model.arm import Arm
from sidecar.policies.base import Policy
from sidecar.policies.gaussian_thompson import GaussianThompsonSampling
from sidecar.policies.thompson import ThompsonSamplingBandit

MEANS = (0.5, 0.55, 0.6, 0.65, 0.7)


def arm(rewards: list[float]) -> Arm:
    """An arm that has had these rewards."""
    micro = [round(reward * 1e6) for reward in rewards]
    squares = sum(round(m * m / 1000) for m in micro)
    return Arm("a", count=len(micro), reward_micro=sum(micro), reward_sq_nano=squares)


def posterior_one_by_one(rewards: list[float], mean: float, weight: float, sd: float, dof: float) -> tuple[float, ...]:
    """The textbook's conjugate update, one reward at a time."""
    spread = dof * sd**2
    for reward in rewards:
        spread += weight / (weight + 1) * (reward - mean) ** 2
        mean, weight, dof = (weight * mean + reward) / (weight + 1), weight + 1, dof + 1
    return mean, (spread / (dof * weight)) ** 0.5, dof


def regret(policy: Policy, sd: float, steps: int) -> float:
    """What is lost in `steps` decisions among five arms with Beta-shaped rewards."""
    rng, totals = random.Random(7), [[0, 0, 0] for _ in MEANS]
    lost, spread = 0.0, {m: m * (1 - m) / sd**2 - 1 for m in MEANS}
    for _ in range(steps):
        arms = [Arm(str(k), count=n, reward_micro=s, reward_sq_nano=q) for k, (n, s, q) in enumerate(totals)]
        k = policy.choice(arms, {}).rank(policy.rng)[0]
        mean = MEANS[k]
        micro = round(1e6 * rng.betavariate(mean * spread[mean], (1 - mean) * spread[mean]))
        totals[k] = [totals[k][0] + 1, totals[k][1] + micro, totals[k][2] + round(micro * micro / 1000)]
        lost += max(MEANS) - mean
    return lost


def test_the_posterior_is_the_conjugate_one() -> None:
    """From sums, all at once, comes what the textbook's update gives reward by reward."""
    rewards, prior = [0.61, 0.58, 0.72, 0.55, 0.64], (0.4, 2.0, 0.3, 3.0)
    policy = GaussianThompsonSampling(prior_mean=0.4, prior_weight=2.0, prior_sd=0.3, prior_dof=3.0)

    assert pytest.approx(posterior_one_by_one(rewards, *prior), rel=1e-8) == policy._posterior(arm(rewards))


def test_a_new_arm_has_the_prior() -> None:
    """Without data the posterior is the prior: its mean, sd / sqrt(weight), its degrees of freedom."""
    policy = GaussianThompsonSampling(prior_mean=0.4, prior_weight=4.0, prior_sd=0.3, prior_dof=3.0)

    assert pytest.approx((0.4, 0.15, 3.0)) == policy._posterior(Arm("new"))


def test_a_smaller_spread_is_a_greater_certainty() -> None:
    """The same means are told apart with more certainty when rewards scatter less."""
    policy, widths = GaussianThompsonSampling(), (0.02, 0.2)
    arms = [[arm([0.5 - w, 0.5 + w] * 10), arm([0.55 - w, 0.55 + w] * 10)] for w in widths]

    narrow, wide = (policy.choice(pair, {}).probabilities[1] for pair in arms)

    assert narrow > 0.9
    assert wide < 0.8


def test_equal_rewards_are_not_taken_for_certainty() -> None:
    """Three equal rewards leave the prior's spread, so a worse start is no sentence."""
    probabilities = GaussianThompsonSampling().choice([arm([0.6] * 3), arm([0.5] * 3)], {}).probabilities

    assert 0.1 < probabilities[1] < 0.5


def test_it_loses_far_less_than_beta_on_composite_scores() -> None:
    """With rewards of standard deviation 0.05 it loses less than a third in 1,000 decisions.

    The ratio of the two was 0.1 to 0.2 for every seed tried; a third is far outside of what chance does.
    """
    gaussian = statistics.mean(regret(GaussianThompsonSampling(rng=random.Random(s)), 0.05, 1000) for s in range(2))
    beta = statistics.mean(regret(ThompsonSamplingBandit(rng=random.Random(s)), 0.05, 1000) for s in range(2))

    assert gaussian < beta / 3
