"""The benchmark of the gate simulates the gate, and compares honestly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gating import arithmetic
from gating.feedback import Feedback, Seen, as_they_come, watched
from gating.figures import rate
from gating.pipeline import Pipeline, Plan
from gating.rules import FixedBets, promotions
from gating.worlds import BERNOULLI, World, like
from scipy import stats

from sidecar.gate.betting import BETS, difference, growth, log_wealth

ALPHA = 0.05
RUNS = 300
# With fresh seeds, a gate whose error is just alpha would fail one of these tests that often; the seeds are fixed.
ERROR_RATE = 1e-6
MOST = int(stats.binom.isf(ERROR_RATE, RUNS, ALPHA))


def test_vectorised_formulas_are_those_of_the_gate() -> None:
    """Growth, wealth, allowance and detector are within 1e-9 nat, or what the service rounds to, of `sidecar.gate`."""
    assert arithmetic.check(np.random.default_rng(1), sample=50) <= 1.001e-9


@pytest.mark.parametrize("spread", [BERNOULLI, 0.2])
def test_a_run_is_promoted_where_the_gate_promotes_it(spread: float | None) -> None:
    """Products of a block at a time cross 1 / alpha at the decision at which the service's sums of integers do."""
    world, runs, steps = like(spread, 0.6, 0.2, 0.2), 5, np.arange(100)
    rule, rng = FixedBets(world, ALPHA, runs, 300), np.random.default_rng(2)
    reach, sums = world.reach(300), [[0] * len(BETS) for _ in range(runs)]
    for _ in range(3):
        exposed, outcome = world.draw(rng, runs, steps)
        crossed = rule.feed(exposed, outcome, np.full(100, 0.2))
        for run in range(runs):
            for n in range(100):
                stake = difference(bool(exposed[run, n]), 0.2, float(outcome[run, n]), world.control) / reach
                sums[run] = [a + b for a, b in zip(sums[run], growth(stake), strict=True)]
                assert crossed[run, n] == (log_wealth(sums[run]) >= -math.log(ALPHA))


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(like(BERNOULLI, 0.7, 0.0, 0.2), id="equal"),
        pytest.param(World(0.7, 0.0, 0.2, 0.4, BERNOULLI, BERNOULLI), id="control variate wrong by .3"),
    ],
)
def test_a_tie_is_rarely_promoted(world: World) -> None:
    """Of 300 ties looked at after each of 2,000 decisions no more are promoted than an error of alpha explains."""
    found = promotions(world, FixedBets(world, ALPHA, RUNS, 2000), RUNS, 2000, np.random.default_rng(3))
    assert found.promoted.sum() <= MOST


def test_lost_bad_rewards_do_not_promote() -> None:
    """Where bad rewards never come, a tie is promoted by who counts arrivals, and not by the watermark."""
    world, rng, runs = like(0.2, 0.7, 0.0, 0.1), np.random.default_rng(4), 50
    lost = Feedback(bad_late=np.inf)
    exposed, outcome = world.draw(rng, runs, np.arange(4000))
    seen = Seen(exposed, outcome, lost.arrivals(rng, exposed, outcome, 0.7))
    assert watched(world, lost, seen, ALPHA).promoted.sum() <= stats.binom.isf(ERROR_RATE, runs, ALPHA)
    assert as_they_come(world, seen, ALPHA).promoted.all()


def test_the_loss_stays_within_the_allowance() -> None:
    """A challenger that is much worse costs about what was agreed to and, but for alpha of the runs, never more."""
    found = Pipeline(like(0.2, 0.7, -0.3, 0.1), Plan(attempts=False), RUNS, np.random.default_rng(5)).run(4000)
    assert found.overspent[0].sum() <= MOST
    assert found.gain.max() < 0


def test_verdicts_allow_for_chance_and_rounding_only() -> None:
    """0 beside 0.1 % agrees, 10 % beside 5 % of as many does not, and a limit is kept or broken exactly."""
    flags = np.arange(2000) < 200
    assert rate("", "", np.zeros(1000, np.bool_), 0.1, reference_runs=1000).agrees
    assert not rate("", "", flags, 5.0).agrees
    assert rate("", "", flags, limit=10.0).holds
    assert not rate("", "", flags, limit=9.9).holds
