"""Notices that a live learner became worse: a Shiryaev-Roberts detector over epochs.

Source: docs/guarantee.md, Theorem 4; Shin, Ramdas and Rinaldo, E-detectors: A Nonparametric Framework for Sequential
Change Detection, NEJSDS 2 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sidecar.gate.betting import NANO, log_wealth


def after_epoch(log_sums: Sequence[int], epoch: Sequence[int]) -> tuple[int, ...]:
    """The detector after one more epoch, log R_j in nano-nats: R_j <- (R_j + 1) exp(l_j).

    Args:
        log_sums: log R_j before; empty at first, when R_j = 0.
        epoch: l_j, the epoch's sum of log(1 - kappa_j D / c'), in nano-nats.

    Computed in floats from integers and rounded down once, so that every sidecar gets the same.

    >>> after_epoch((), (0,)), after_epoch((0,), (0,))
    ((0,), (693147180,))
    """
    if not log_sums:
        return tuple(epoch)
    return tuple(_one_more(before) + more for before, more in zip(log_sums, epoch, strict=True))


def log_alarm(log_sums: Sequence[int]) -> float:
    """Log mean_j R_j, in nats; minus infinity before the first epoch. An alarm is due at log A.

    Theorem 4: as long as the learner is nowhere worse, A epochs pass on average before a false alarm, and the
    probability of one within k epochs is at most k / A.

    >>> round(log_alarm(after_epoch((0,) * 8, (0,) * 8)), 6)
    0.693147
    """
    return log_wealth(log_sums) if log_sums else -math.inf


def _one_more(log_nano: int) -> int:
    """log(R + 1) from log R, both in nano-nats; without overflow however large R is."""
    value = log_nano / NANO
    more = math.log1p(math.exp(-value)) if value > 0 else math.log1p(math.exp(value)) - value
    return log_nano + math.floor(NANO * more)
