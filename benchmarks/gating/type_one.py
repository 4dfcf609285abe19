"""Table A: how often the gate ever promotes while the running-average improvement is not above zero."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from gating.figures import Cell, Effort, Figure, Section, rate
from gating.rules import AdaptiveBet, FixedBets, PeekingZ, promotions
from gating.worlds import BERNOULLI, World, alternating, like, turning, wave

ALPHA = 0.05
_TURN, _LATE_TURN = 5000, 3000


@dataclass(frozen=True, slots=True)
class Null:
    """A world without improvement, the reference's rates of the gate and, to contrast, of a dashboard that peeks."""

    world: World
    reference: float
    slack: float = 0.05
    peeking: float | None = None


def _drifting(delta: float) -> World:
    return World(wave(0.6, 0.2, 2000), delta, wave(0.125, 0.075, 2000), 0.6, 0.15, 0.15)


NULLS = {
    "equal, Bernoulli .7, share .05": Null(like(BERNOULLI, 0.7, 0.0, 0.05), 1.6, peeking=33.9),
    "equal, Bernoulli .7, share .20": Null(like(BERNOULLI, 0.7, 0.0, 0.2), 2.5),
    "equal, Beta sd .15": Null(like(0.15, 0.7, 0.0, 0.05), 0.9),
    "equal, Bernoulli .05": Null(like(BERNOULLI, 0.05, 0.0, 0.05), 2.1),
    "equal, Bernoulli .95": Null(like(BERNOULLI, 0.95, 0.0, 0.05), 1.1),
    "equal, challenger 0/1, baseline sd .02": Null(World(0.7, 0.0, 0.05, 0.7, 0.02, BERNOULLI), 2.1),
    "control variate wrong by .3": Null(World(0.7, 0.0, 0.05, 0.4, 0.15, 0.15), 1.7),
    "worse by .02": Null(like(0.15, 0.7, -0.02, 0.05), 0.0),
    "drift ±.2, share follows (Simpson), 0": Null(_drifting(0.0), 0.9, peeking=100.0),
    "drift ±.2, share follows (Simpson), -.02": Null(_drifting(-0.02), 0.0),
    "weak null: -.1, then +.1": Null(like(0.15, 0.7, turning(-0.1, 0.1, _TURN), 0.05), 0.0),
    "weak null: -.3, then +.129": Null(like(0.15, 0.7, turning(-0.3, 0.9 / 7, _LATE_TURN), 0.05), 0.0),
    # The reference says 0.5 to 1.0 %.
    "weak null: -.3 and +.3 in blocks of 500": Null(
        like(0.15, 0.5, alternating(-0.3, 0.3, 500), 0.05), 0.75, slack=0.25
    ),
}
_ALTERNATING = "weak null: -.3 and +.3 in blocks of 500"


def section() -> Section:
    """All cells of the table."""
    cells = [Cell(name, partial(_fixed, name)) for name in NULLS]
    cells += [Cell(f"peeking: {name}", partial(_peeking, name)) for name, null in NULLS.items() if null.peeking]
    cells.append(Cell(f"adaptive: {_ALTERNATING}", _adaptive))
    return Section(
        "A",
        "Type-I error: ever promoted while the running-average improvement is <= 0",
        "error .05 (one attempt, no restarts), checked after every decision, rewards at once; control variate = the "
        "baseline's mean unless said otherwise. Not stated by the reference, chosen here: share .05 and Beta sd .15 "
        "with a mean of .7 wherever it names neither (its z columns for 'sd .15' and for 'control variate wrong' are "
        "equal, so they share their data); control variate .4 instead of .7; drift a sine of period 2000 around .6, "
        "share .05 to .20 in step with it; alternation on a mean of .5",
        cells,
    )


def _fixed(name: str, effort: Effort) -> list[Figure]:
    null = NULLS[name]
    assert null.world.improvements(effort.horizon).max() < 1e-6, "not a null: the average becomes positive"
    rule = FixedBets(null.world, ALPHA, effort.runs, effort.horizon)
    found = promotions(null.world, rule, effort.runs, effort.horizon, effort.rng(name))
    return [rate(name, "promoted", found.promoted, null.reference, slack=null.slack, limit=100 * ALPHA)]


def _peeking(name: str, effort: Effort) -> list[Figure]:
    found = promotions(NULLS[name].world, PeekingZ(effort.runs), effort.runs, effort.horizon, effort.rng(f"z {name}"))
    why = "the reference does not say after how many pulls its z-test first looks; here 30 on each side"
    return [rate(name, "contrast: peeking z", found.promoted, NULLS[name].peeking, why_open=why)]


def _adaptive(effort: Effort) -> list[Figure]:
    world = NULLS[_ALTERNATING].world
    rule = AdaptiveBet(world, ALPHA, effort.runs, effort.horizon)
    found = promotions(world, rule, effort.runs, effort.horizon, effort.rng("adaptive"))
    why = "the reference does not say how its bet adapts; here mean / mean square over about 100 decisions"
    return [rate(_ALTERNATING, "contrast: adaptive bet", found.promoted, 100.0, slack=0.5, why_open=why)]


assert np.isclose(0.3 * _LATE_TURN, 0.9 / 7 * (10_000 - _LATE_TURN))  # the average ends at 0
