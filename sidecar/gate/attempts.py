"""Attempts: how the error and the loss that were agreed to are shared out over all tries, for ever.

Source: docs/guarantee.md, Theorems 1 and 3: a union over attempts of events with probability alpha_i.
"""

from __future__ import annotations


def alpha_of(alpha: float, attempt: int) -> float:
    """The error of attempt i: alpha / (i (i + 1)). Over all attempts these add up to alpha.

    >>> [round(alpha_of(0.05, i), 5) for i in (1, 2, 3)]
    [0.025, 0.00833, 0.00417]
    """
    return alpha / (attempt * (attempt + 1))


def loss_max_of(first: int, attempt: int) -> int:
    """What attempt i may lose: the first one's allowance, halved with every further attempt; in all at most twice that.

    >>> [loss_max_of(40_000_000, i) for i in (1, 2, 3)]
    [40000000, 20000000, 10000000]
    """
    return first >> (attempt - 1)


def decisions_of(first: int, attempt: int) -> int:
    """After how many sampled decisions attempt i gives way to a fresh one, which forgets the learner's bad early phase.

    >>> [decisions_of(2000, i) for i in (1, 2, 3)]
    [2000, 4000, 8000]
    """
    return first << (attempt - 1)
