"""How much a phase may still lose: the price of information, agreed to beforehand.

Source: docs/guarantee.md, Theorem 3 (ii); the budget idea is that of Wu, Shariff, Lattimore and Szepesvari,
Conservative Bandits, ICML 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sidecar.gate.betting import BETS, improvement_low


def left_micro(loss_max_micro: int, share_ppm: int, sums: Sequence[int], reach: float, alpha: float) -> int:
    """What exposures that are not folded yet may hold, in micro-units of reward, rounded down: B + q Lcb.

    An exposure is allowed only while q Lcb - (sum of q over unfolded exposures) >= -B, each of those counted as a
    total loss. Then, with probability 1 - alpha, the expected loss of the phase never exceeds B (Theorem 3).

    Args:
        loss_max_micro: B, in micro-units of reward.
        share_ppm: q in parts per million.
        sums: L_j in nano-nats, of all folded decisions.
        reach: c.
        alpha: the attempt's error.

    >>> left_micro(40_000_000, 100_000, (0,) * 8, reach=7.0, alpha=0.025)
    35584780
    """
    return loss_max_micro + math.floor(share_ppm * improvement_low(sums, reach, alpha))


def least_loss_max_micro(share_ppm: int, reach: float, alpha: float) -> int:
    """The least B under which a phase can begin at all: one exposure must fit before anything is known.

        q c log(8 / alpha) / kappa_0 + q

    >>> least_loss_max_micro(100_000, 7.0, 0.025)
    4586472
    """
    return math.ceil(share_ppm * (reach * math.log(len(BETS) / alpha) / BETS[0])) + share_ppm
