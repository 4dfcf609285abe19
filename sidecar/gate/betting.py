"""Evidence by betting: a fixed grid of bets, the wealth they make, and what that wealth proves.

Source: docs/guarantee.md, Theorem 1; the technique is that of Waudby-Smith and Ramdas, Estimating Means of Bounded
Random Variables by Betting, JRSS B 86 (2024), with Ville's inequality (1939).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

NANO = 1_000_000_000
"""Nano-nats in a nat."""

BETS: tuple[float, ...] = tuple(0.9 * 2.0**-j for j in range(8))
"""The grid kappa_j = 0.9 * 2^-j, j = 0..7, each with the weight 1/8. Constants: see the essay in `sidecar.gate`."""

_LOG_MOST = 700.0


def difference(exposed: bool, share: float, outcome: float, control: float) -> float:
    """One decision's unbiased estimate of how much better the proposal is than the baseline.

        D = C (r - m) / q - (1 - C) (r - m) / (1 - q),   E[D | past] = E[r(proposal) - r(baseline) | past]

    The coin C is fresh, so this holds whatever the learner, the drift or the dependence (Theorem 1). The control
    variate m leaves the mean as it is and narrows the spread.

    Args:
        exposed: the coin C: whether the proposal was executed.
        share: q, the probability of that, above 0 and below 1.
        outcome: r, the settled reward, 0 to 1.
        control: m, 0 to 1.

    >>> difference(True, 0.1, 0.8, 0.7), difference(False, 0.1, 0.8, 0.7)
    (1.0000000000000009, -0.1111111111111112)
    """
    surprise = outcome - control
    return surprise / share if exposed else -surprise / (1 - share)


def lower_reach(share: float, control: float) -> float:
    """How far below 0 a difference can lie: c = max(m / q, (1 - m) / (1 - q)), so that D >= -c.

    >>> lower_reach(0.1, 0.7)
    6.999999999999999
    """
    return max(control / share, (1 - control) / (1 - share))


def upper_reach(share: float, control: float) -> float:
    """How far above 0 a difference can lie: c' = max((1 - m) / q, m / (1 - q)), so that D <= c'.

    >>> upper_reach(0.5, 0.25)
    1.5
    """
    return max((1 - control) / share, control / (1 - share))


def growth(stake: float) -> tuple[int, ...]:
    """What one difference adds to the log-wealth of each bet, in nano-nats, rounded down.

        floor(1e9 log(1 + kappa_j x)),   x = D / c for improvement, -D / c' for regression; x >= -1

    Rounding down errs on the safe side by at most 1e-9 nat a decision; as integers the sums are the same in any order.

    >>> growth(0.5)[:3], growth(-1.0)[0]
    ((371563556, 202940843, 106609735), -2302585093)
    """
    return tuple(math.floor(NANO * math.log1p(bet * stake)) for bet in BETS)


def log_wealth(sums: Sequence[int]) -> float:
    """The logarithm of the mixture's wealth, in nats: log E = log mean_j exp(L_j).

    Theorem 1: P(ever E >= 1/alpha while the summed improvement is <= 0) <= alpha.

    Args:
        sums: L_j in nano-nats, one for each bet, or for any other number of bets of equal weight.

    >>> log_wealth((0,) * 8)
    0.0
    """
    return _log_mean_exp([one / NANO for one in sums])


def wealth(log: float) -> float:
    """The wealth of a logarithm in nats, for people; what is too large for a float is shown as about 1e304.

    >>> wealth(0.0), wealth(1e6) > 1e300
    (1.0, True)
    """
    return math.exp(min(log, _LOG_MOST))


def improvement_low(sums: Sequence[int], reach: float, alpha: float) -> float:
    """A lower bound of the summed improvement, in units of reward, that holds at all times at once.

        Lcb = min { M : mean_j exp(L_j - kappa_j M / c) <= 1 / alpha },   P(ever sum of Delta < Lcb) <= alpha

    The same event as in Theorem 1, inverted. Found by bisection, from below.

    Args:
        sums: L_j in nano-nats.
        reach: c.
        alpha: error probability, above 0 and below 1.

    >>> round(improvement_low((0,) * 8, reach=7.0, alpha=0.025), 3)
    -44.152
    """
    wealth, most = [one / NANO for one in sums], -math.log(alpha)

    def excess(units: float) -> float:
        """Above 0 where `units` of c is still below the bound."""
        return _log_mean_exp([one - bet * units for one, bet in zip(wealth, BETS, strict=True)]) - most

    low, high, step = 0.0, 0.0, 1.0
    while excess(low) <= 0:
        low, step = low - step, step * 2
    step = 1.0
    while excess(high) > 0:
        high, step = high + step, step * 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return low * reach


def _log_mean_exp(values: Sequence[float]) -> float:
    most = max(values)
    return most + math.log(math.fsum(math.exp(one - most) for one in values) / len(values))
