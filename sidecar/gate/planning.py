"""What to expect before anything is switched on: how long promotion takes, and what it can cost at worst.

A promotion comes when the best of the fixed bets has won log(8 / alpha): after some log(8 / alpha) / g decisions, g
being the bet's expected log-growth a decision. Around a given gain and noise the rewards are taken as two-valued,
which keeps mean and spread; their finer shape hardly matters to growth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from sidecar.gate.allowance import least_loss_max_micro
from sidecar.gate.attempts import alpha_of, decisions_of, loss_max_of
from sidecar.gate.betting import BETS, NANO, difference, improvement_low, lower_reach
from sidecar.gate.coin import PPM
from sidecar.model.units import MICRO
from sidecar.settings.domain import GateSettings

_LIVE_MOST = 1_000_000
_SPREADS = 2.0
"""Few are more unlucky than by so many standard deviations: one in forty at any one time, some more over time."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is assumed: the policy's gain over the baseline's mean reward, and the rewards' standard deviation.

    `gain` is -1 to 1, `mean` 0 to 1, `noise` at most that of yes-or-no rewards, sqrt(mean (1 - mean)).
    """

    gain: float
    noise: float
    mean: float = 0.7


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect, in sampled decisions and in rewards.

    `canary_decisions` is about when half of all canaries are promoted, in the attempt `attempt`; None when the gain is
    not above 0, or so small that the gate shuts before. `live_allowance` is about what a live phase with that gain
    needs to stay but for bad luck; below `least_...` none begins. `lifetime_loss_max` bounds the expected loss over all
    attempts, with probability 1 - 2 alpha.
    """

    attempt: int | None
    canary_decisions: int | None
    exposures: int | None
    lifetime_loss_max: float
    least_canary_allowance: float
    least_live_allowance: float
    live_allowance: float | None


def forecast(scene: Scene, settings: GateSettings) -> Forecast:
    """What to expect, by the settings.

    >>> found = forecast(Scene(gain=0.05, noise=0.25), GateSettings())
    >>> found.canary_decisions, found.exposures
    (3218, 322)
    """
    alpha = alpha_of(settings.alpha, 1)
    attempt, decisions = _promotion(scene, settings) if scene.gain > 0 else (None, None)
    return Forecast(
        attempt=attempt,
        canary_decisions=decisions,
        exposures=None if decisions is None else round(decisions * settings.share),
        lifetime_loss_max=2 * (settings.canary_loss_max + settings.live_loss_max),
        least_canary_allowance=_least(scene, settings.share, alpha),
        least_live_allowance=_least(scene, 1 - settings.holdback, alpha),
        live_allowance=_live_allowance(scene, 1 - settings.holdback, alpha) if scene.gain > 0 else None,
    )


def _promotion(scene: Scene, settings: GateSettings) -> tuple[int, int] | tuple[None, None]:
    """Which attempt is promoted, and after how many sampled decisions of all attempts; None if the gate shuts first."""
    fastest = max(_growth_rates(scene, settings.share))
    spent = 0
    for attempt in count(1):
        alpha = alpha_of(settings.alpha, attempt)
        needed = math.log(len(BETS) / alpha) / fastest
        most = decisions_of(settings.attempt_decisions, attempt)
        if loss_max_of(round(settings.canary_loss_max * MICRO), attempt) / MICRO < _least(scene, settings.share, alpha):
            break
        if needed <= most:
            return attempt, spent + math.ceil(needed)
        spent += most
    return None, None


def _growth_rates(scene: Scene, share: float) -> list[float]:
    """The expected log-growth of each bet in one decision, in nats."""
    reach = lower_reach(share, scene.mean)
    return [
        math.fsum(chance * math.log1p(bet * stake / reach) for chance, stake in _differences(scene, share))
        for bet in BETS
    ]


def _differences(scene: Scene, share: float) -> Iterator[tuple[float, float]]:
    """The values that D can have, each with its probability."""
    for exposed, chance in ((True, share), (False, 1 - share)):
        mean = min(1.0, max(0.0, scene.mean + scene.gain * exposed))
        for part, reward in _two_values(mean, scene.noise):
            yield chance * part, difference(exposed, share, reward, scene.mean)


def _two_values(mean: float, noise: float) -> tuple[tuple[float, float], ...]:
    """Two rewards in [0, 1] with that mean and standard deviation: evenly likely, unless one would lie outside."""
    variance = min(noise * noise, mean * (1 - mean))
    if not variance:
        return ((1.0, mean),)
    low, high = mean - math.sqrt(variance), mean + math.sqrt(variance)
    if low < 0:
        low, high = 0.0, mean + variance / mean
    elif high > 1:
        low, high = mean - variance / (1 - mean), 1.0
    return (((high - mean) / (high - low), low), ((mean - low) / (high - low), high))


def _least(scene: Scene, share: float, alpha: float) -> float:
    return least_loss_max_micro(round(share * PPM), lower_reach(share, scene.mean), alpha) / MICRO


def _live_allowance(scene: Scene, share: float, alpha: float) -> float:
    """What live may spend before its evidence shows the gain: the deepest point of the path, and some bad luck."""
    rates, reach = _growth_rates(scene, share), lower_reach(share, scene.mean)
    spread = math.sqrt(math.fsum(chance * stake * stake for chance, stake in _differences(scene, share)))
    deepest, decisions = 0.0, 1
    while decisions < _LIVE_MOST:
        sums = [round(NANO * decisions * rate) for rate in rates]
        low = improvement_low(sums, reach, alpha) - _SPREADS * spread * math.sqrt(decisions)
        deepest = min(deepest, share * low)
        decisions = math.ceil(decisions * 1.2)
    return share - deepest
