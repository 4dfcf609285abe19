"""Late, lost and missing rewards: what a gate with a watermark sees, and what one that counts arrivals sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gating.arithmetic import Flags, Floats, differences, epoch_growth, log_wealth
from gating.rules import BLOCK, FixedBets, Promotions
from gating.worlds import World, at

EPOCH = 100
WAIT = 1000
"""How many decisions later a reward is overdue, and counts as missing: W, from its own decision as in the service."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """How rewards come in, in units of decisions.

    `delay` is the mean of an exponential delay, `missing` the share of rewards that never come, whatever they are.
    `bad_late` is how much later the challenger's rewards below the baseline's mean come; infinity is never. `rule` is
    what a reward that is not in by the deadline counts as: zero, worst or neutral.
    """

    delay: float = 0.0
    missing: float = 0.0
    bad_late: float = 0.0
    rule: str = "zero"

    def arrivals(self, rng: np.random.Generator, exposed: Flags, outcome: Floats, mean: float) -> Floats:
        """When each reward comes in; a decision takes one unit of time."""
        when = np.arange(1, exposed.shape[1] + 1) + self.delay * rng.exponential(size=exposed.shape)
        when[rng.random(exposed.shape) < self.missing] = np.inf
        when[exposed & (outcome < mean)] += self.bad_late
        return when

    def charged(self, exposed: Flags, control: float) -> Floats:
        """What missing rewards count as."""
        if self.rule == "worst":
            return (~exposed).astype(np.float64)
        return np.full(exposed.shape, 0.0 if self.rule == "zero" else control)


@dataclass(frozen=True, slots=True)
class Seen:
    """Some runs: their coins and rewards, and when those came in."""

    exposed: Flags
    outcome: Floats
    arrivals: Floats


def watched(world: World, feedback: Feedback, seen: Seen, alpha: float) -> Promotions:
    """The gate: epochs are folded in order, each when its rewards are in or overdue (Theorem 2)."""
    runs, horizon = seen.exposed.shape
    ends = np.arange(1, horizon // EPOCH + 1) * EPOCH
    overdue = np.arange(1, horizon + 1) + WAIT
    late = seen.arrivals > overdue
    settled = np.where(late, feedback.charged(seen.exposed, world.control), seen.outcome)
    share = at(world.share, np.arange(horizon))
    stakes = differences(seen.exposed, share, settled, world.control) / world.reach(horizon)
    log_sums = np.cumsum(epoch_growth(stakes.reshape(runs, -1, EPOCH)), axis=-1)
    closed = np.maximum(np.minimum(seen.arrivals, overdue).reshape(runs, -1, EPOCH).max(axis=-1), ends)
    folded = np.maximum.accumulate(closed, axis=1)
    proven = (log_wealth(log_sums) >= -np.log(alpha)) & (folded <= horizon)
    first = proven.argmax(axis=1)
    decisions = np.where(proven.any(axis=1), np.take_along_axis(folded, first[:, None], axis=1)[:, 0], horizon)
    return Promotions(proven.any(axis=1), decisions, np.zeros(runs, np.int64))


def as_they_come(world: World, seen: Seen, alpha: float) -> Promotions:
    """What everybody ships: each reward is counted when it comes, and no other is."""
    runs, horizon = seen.exposed.shape
    rule, share = FixedBets(world, alpha, runs, horizon), at(world.share, np.arange(horizon))
    order = np.argsort(seen.arrivals, axis=1)
    exposed, outcome, arrivals = (
        np.take_along_axis(one, order, axis=1) for one in (seen.exposed, seen.outcome, seen.arrivals)
    )
    outcome[arrivals > horizon] = world.control  # adds nothing
    crossed = [
        rule.feed(exposed[:, block], outcome[:, block], share[block])
        for block in (slice(start, start + BLOCK) for start in range(0, horizon, BLOCK))
    ]
    flags = np.concatenate(crossed, axis=1)
    decisions = np.take_along_axis(arrivals, flags.argmax(axis=1)[:, None], axis=1)[:, 0]
    promoted = flags.any(axis=1)
    return Promotions(promoted, np.where(promoted, decisions, horizon), np.zeros(runs, np.int64))
