"""Thompson sampling for rewards between 0 and 1, with exact probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

from sidecar.errors import InvalidInput
from sidecar.model.arm import Arm
from sidecar.policies.base import Policy
from sidecar.policies.choice import Choice
from sidecar.policies.declared import declared

_PARAMETER_MIN = 1e-3


class ThompsonSamplingBandit(Policy):
    """Each arm with the probability that it is the best one, under Beta posteriors.

        alpha_a = prior_mean * prior_weight + sum of rewards_a
        beta_a  = (1 - prior_mean) * prior_weight + observations_a - sum of rewards_a

    The probabilities are integrated (see `quadrature`) and the arm is drawn from them, which is the same
    in law as drawing a sample per arm and taking the largest, and makes every logged propensity exact.

    When to use: yes-or-no rewards, and as the default when little is known of the rewards; it keeps
    randomising while rewards are late. Not for composite scores whose values lie close together: a Beta
    posterior is as wide as that of coin tosses, and explores for that; see `GaussianThompsonSampling`.

    A fractional reward r counts as r of a success and 1 - r of a failure. The alternative, to toss a coin
    with probability r and count its outcome, is the one that published proofs cover, but it would need the
    outcomes to be kept beside the sums of rewards; it also has by far the higher variance, and a replay
    would not give the same state twice. So it is not offered.

    Args:
        prior_mean: reward that an arm is believed to give before it has given any; above 0 and below 1.
        prior_weight: how many observations that belief is worth. Both alpha and beta of the prior must
            be from 0.001 to 1e6; the default is Beta(1, 1), the uniform one. A conservative prior has a mean
            0.05 to 0.1 below the baseline's, and a weight of 10 to 20.
        rng: source of the draws.

    >>> a, b = Arm("a", count=10, reward_micro=4_000_000), Arm("b", count=10, reward_micro=7_000_000)
    >>> policy = ThompsonSamplingBandit(rng=Random(42))
    >>> choice = policy.choice([a, b, Arm("new")], {})
    >>> [round(p, 4) for p in choice.probabilities]
    [0.0584, 0.6176, 0.324]
    >>> [choice.rank(policy.rng)[0] for _ in range(8)]
    [1, 1, 1, 1, 1, 1, 1, 2]

    Reference: Thompson, On the Likelihood that One Unknown Probability Exceeds Another in View of the
    Evidence of Two Samples, Biometrika 25 (1933), 285-294; Chapelle and Li, An Empirical Evaluation of
    Thompson Sampling, NIPS 24 (2011).
    """

    name: ClassVar[str] = "thompson"
    version: ClassVar[int] = 1

    def __init__(self, *, prior_mean: float = 0.5, prior_weight: float = 2.0, rng: Random | None = None) -> None:
        """Check the parameters."""
        super().__init__(rng=rng)
        self.prior_mean = declared("policy.prior_mean", prior_mean, 0.0, 1.0)
        self.prior_weight = declared("policy.prior_weight", prior_weight, 0.0, 1e6)
        self._alpha = self.prior_mean * self.prior_weight
        self._beta = self.prior_weight - self._alpha
        if min(self._alpha, self._beta) < _PARAMETER_MIN:
            allowed = "a weight that makes prior_mean * weight and (1 - prior_mean) * weight at least 0.001 each"
            raise InvalidInput("policy.prior_weight", prior_weight, allowed)

    def choice(self, arms: Sequence[Arm], context: Mapping[str, float]) -> Choice:  # noqa: ARG002 - learns per arm only
        """Probabilities of being best as weights, posterior means as scores."""
        from sidecar.policies.quadrature import best_of_betas  # noqa: PLC0415 - brings numpy: 13 MB, for who decides

        alphas = [self._alpha + arm.reward_sum for arm in arms]
        # Rewards are rounded to micro-units, and never sum to more than there are of them.
        betas = [self._beta + max(0.0, arm.observations - arm.reward_sum) for arm in arms]
        means = tuple(alpha / (alpha + beta) for alpha, beta in zip(alphas, betas, strict=True))
        return Choice(scores=means, weights=best_of_betas(alphas, betas))

    def parameters(self) -> dict[str, float]:
        """The prior."""
        return {"prior_mean": self.prior_mean, "prior_weight": self.prior_weight}
