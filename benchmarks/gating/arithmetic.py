"""The formulas of `sidecar.gate` for whole arrays, and a check that they are the same.

Floats, where the service has integers of nano-nats: a simulation has no other sidecar to agree with. The service rounds
every growth down by at most 1e-9 nat, so that here the wealth is larger by at most that much a decision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidecar.gate import allowance, betting, detector
from sidecar.gate.betting import BETS, NANO, lower_reach, upper_reach
from sidecar.gate.coin import PPM
from sidecar.model.units import MICRO

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

GRID: Floats = np.array(BETS)
TOLERANCE = 1e-9
_BISECTIONS = 50


def differences(exposed: Flags, share: Floats | float, outcome: Floats, control: float) -> Floats:
    """D of every decision: `betting.difference`."""
    surprise = outcome - control
    return np.where(exposed, surprise / share, -surprise / (1 - share))


def log_growth(stakes: Floats) -> Floats:
    """What each stake adds to the log-wealth of each bet, in nats, bets first: `betting.growth`, not rounded."""
    return np.log1p(np.multiply.outer(GRID, stakes))


def epoch_growth(stakes: Floats) -> Floats:
    """The sums of `log_growth` over the last axis, by one logarithm of a product; good for up to 250 decisions."""
    return np.stack([np.log((1 + bet * stakes).prod(axis=-1)) for bet in BETS])


def log_wealth(log_sums: Floats) -> Floats:
    """The logarithm of the mean of exp along the first axis: `betting.log_wealth`."""
    most = log_sums.max(axis=0)
    return most + np.log(np.exp(log_sums - most).mean(axis=0))


def improvement_low(log_sums: Floats, reach: float, alpha: Floats) -> Floats:
    """The lower bound of the summed improvement: `betting.improvement_low`, with an error for each run.

    At the low end one bet alone is enough for 1 / alpha, at the high end no bet is.
    """
    low = ((log_sums - np.log(len(BETS) / alpha)) / GRID[:, None]).max(axis=0)
    high = ((log_sums + np.log(alpha)) / GRID[:, None]).max(axis=0)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        above = log_wealth(log_sums - np.multiply.outer(GRID, middle)) > -np.log(alpha)
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return low * reach


def left(loss_max: Floats, share: float, log_sums: Floats, reach: float, alpha: Floats) -> Floats:
    """What exposures that are not folded yet may hold, in units of reward: `allowance.left_micro`."""
    return loss_max + share * improvement_low(log_sums, reach, alpha)


def after_epoch(log_sums: Floats, epoch: Floats) -> Floats:
    """The detector after one more epoch: `detector.after_epoch`; minus infinity before the first one."""
    return np.logaddexp(log_sums, 0.0) + epoch


# --- the same as the service's?


def check(rng: np.random.Generator, sample: int = 200) -> float:
    """Compare everything above with `sidecar.gate` on a random sample.

    Returns:
        The largest distance found between growths, in nats.

    Raises:
        AssertionError: one is further away than 1e-9 nat, or what the service rounds to.
    """
    distances = [_check_growth(rng) for _ in range(sample)]
    for _ in range(sample // 10):
        _check_sums(rng)
    return max(distances)


def _check_growth(rng: np.random.Generator) -> float:
    share, control = float(rng.choice([0.05, 0.1, 0.2, 0.9])), float(rng.uniform(0.05, 0.95))
    exposed, outcome = bool(rng.random() < 0.5), float(rng.random())
    by_code = betting.difference(exposed, share, outcome, control)
    here = differences(np.array([exposed]), share, np.array([outcome]), control)
    assert abs(here[0] - by_code) < TOLERANCE
    distances = []
    for stake in (by_code / lower_reach(share, control), -by_code / upper_reach(share, control)):
        ours, theirs = log_growth(np.array([stake]))[:, 0], np.array(betting.growth(stake)) / NANO
        assert np.allclose(epoch_growth(np.full(10, stake)), 10 * ours, rtol=0, atol=TOLERANCE)
        distances.append(float(np.abs(ours - theirs).max()))
    assert max(distances) <= TOLERANCE * 1.001, "the growth differs from sidecar.gate.betting.growth"
    return max(distances)


def _check_sums(rng: np.random.Generator) -> None:
    nano = rng.integers(-20 * NANO, 20 * NANO, size=(3, len(BETS)))
    sums, before, epoch = ([int(one) for one in row] for row in nano)
    floats = nano / NANO
    share_ppm, control = int(rng.choice([100_000, 900_000])), float(rng.uniform(0.05, 0.95))
    share = share_ppm / PPM
    reach = lower_reach(share, control)
    assert abs(log_wealth(floats[0]) - betting.log_wealth(sums)) < TOLERANCE
    micro = allowance.left_micro(40 * MICRO, share_ppm, sums, reach, 0.05)
    here = left(np.array([40.0]), share, floats[0][:, None], reach, np.array([0.05]))[0]
    assert abs(here - micro / MICRO) < 2 / MICRO, "the allowance differs"
    detected = np.array(detector.after_epoch(before, epoch)) / NANO
    assert np.abs(after_epoch(floats[1], floats[2]) - detected).max() < 2 * TOLERANCE, "the detector differs"
