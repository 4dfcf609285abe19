"""Canary, live and back, with both loss allowances, for many runs at once. Rewards come at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gating import arithmetic
from gating.arithmetic import Floats
from gating.worlds import World, at
from sidecar.gate.attempts import alpha_of, loss_max_of
from sidecar.gate.betting import BETS, lower_reach, upper_reach
from sidecar.model.units import MICRO

CANARY, LIVE, ENDED = 0, 1, 2
_ATTEMPTS_MAX = 12
_Runs = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Plan:
    """The terms of canary and live, in this order, and of the detector; an epoch has at most so many decisions.

    With `attempts`, as the service does it, the end of a phase begins the next attempt in canary, with alpha_i and B_i;
    the service's pause in shadow, and a fresh attempt for want of a verdict, are left out. Without, a rollback begins
    canary on the same terms, and an allowance used up in canary is the end.

    With `unfolded`, as the service does it, decisions that are not folded yet count as total losses (Theorem 3).
    """

    alpha: float = 0.05
    shares: tuple[float, float] = (0.1, 0.9)
    losses: tuple[float, float] = (40.0, 60.0)
    false_alarm_epochs: float = 4000.0
    epoch: int = 100
    attempts: bool = True
    unfolded: bool = True

    def alphas(self) -> Floats:
        """The error of each attempt."""
        every = range(1, _ATTEMPTS_MAX + 1)
        return np.array([alpha_of(self.alpha, i) if self.attempts else self.alpha for i in every])

    def allowances(self) -> Floats:
        """What each attempt may lose, canary first."""
        attempts = [i if self.attempts else 1 for i in range(1, _ATTEMPTS_MAX + 1)]
        return np.array([[loss_max_of(round(loss * MICRO), i) / MICRO for i in attempts] for loss in self.losses])


class Pipeline:
    """The state of all runs. A `changes_at` above 0 says from when on a rollback is what is waited for."""

    def __init__(self, world: World, plan: Plan, runs: int, rng: np.random.Generator, changes_at: int = 0) -> None:
        """All begin in canary: shadow has measured the control variate."""
        self._world, self._plan, self._rng, self._changes_at = world, plan, rng, changes_at
        self._alphas, self._allowances = plan.alphas(), plan.allowances()
        self._stage, self._attempt = np.full(runs, CANARY), np.zeros(runs, np.int64)
        self._log_sums, self._detector = np.zeros((len(BETS), runs)), np.full((len(BETS), runs), -np.inf)
        self._phase_gain, self._clock = np.zeros(runs), np.zeros(runs, np.int64)
        self.promoted_at, self.rolled_back_at = np.zeros(runs, np.int64), np.zeros(runs, np.int64)
        self.rollbacks, self.alarms = np.zeros(runs, np.int64), np.zeros(runs, np.int64)
        self.gain, self.least_gain = np.zeros(runs), np.zeros(runs)
        self.overspent = np.zeros((2, runs), np.bool_)

    def run(self, horizon: int) -> Pipeline:
        """Simulate this many decisions of each run; since an epoch may be cut short, runs are at different ones."""
        going = np.arange(len(self._stage))
        while len(going):
            stages = [going[self._stage[going] == stage] for stage in (CANARY, LIVE)]
            for stage, runs in zip((CANARY, LIVE), stages, strict=True):
                self._epoch(stage, runs, horizon)
            going = np.flatnonzero((self._stage != ENDED) & (self._clock < horizon))
        return self

    def _epoch(self, stage: int, runs: _Runs, horizon: int) -> None:
        """What the next epoch adds, for the runs that are in this stage."""
        share, control = self._plan.shares[stage], self._world.control
        reach = lower_reach(share, control)
        sampled = np.minimum(self._sampled(stage, runs, reach), horizon - self._clock[runs])
        self._give_up(stage, runs[sampled == 0])
        runs, sampled = runs[sampled > 0], sampled[sampled > 0]
        if not len(runs):
            return
        places = np.arange(sampled.max())
        steps = self._clock[runs][:, None] + places
        exposed, outcome = replace(self._world, share=share).draw(self._rng, len(runs), steps)
        found = arithmetic.differences(exposed, share, outcome, control)
        found[places >= sampled[:, None]] = 0.0  # of the next epoch
        self._log_sums[:, runs] += arithmetic.epoch_growth(found / reach)
        self._count_gain(stage, runs, sampled, share * at(self._world.delta, steps))
        self._clock[runs] += sampled
        if stage == CANARY:
            self._promote(runs)
        else:
            self._watch(runs, arithmetic.epoch_growth(-found / upper_reach(share, control)))

    def _sampled(self, stage: int, runs: _Runs, reach: float) -> NDArray[np.int64]:
        """How many decisions the next epoch has: it ends when the allowance has no room for another exposure.

        Rewards come at once, so nothing before this epoch is unfolded.
        """
        share, attempt = self._plan.shares[stage], self._attempt[runs]
        allowance, alpha = self._allowances[stage, attempt], self._alphas[attempt]
        left = arithmetic.left(allowance, share, self._log_sums[:, runs], reach, alpha)
        if not self._plan.unfolded:
            return np.where(left >= 0, self._plan.epoch, 0)
        return np.clip(np.floor(left / share + 1e-9), 0, self._plan.epoch).astype(np.int64)

    def _count_gain(self, stage: int, runs: _Runs, sampled: NDArray[np.int64], expected: Floats) -> None:
        """The expected gain over always executing the baseline: the sum of q Delta."""
        gained = np.cumsum(expected, axis=1)
        last = sampled[:, None] - 1
        now = np.take_along_axis(gained, last, axis=1)[:, 0]
        lowest = np.take_along_axis(np.minimum.accumulate(gained, axis=1), last, axis=1)[:, 0]
        self.least_gain[runs] = np.minimum(self.least_gain[runs], self.gain[runs] + lowest)
        spent = -(self._phase_gain[runs] + lowest)
        self.overspent[stage, runs] |= spent > self._allowances[stage, self._attempt[runs]] + 1e-9
        self.gain[runs] += now
        self._phase_gain[runs] += now

    def _promote(self, runs: _Runs) -> None:
        needed = -np.log(self._alphas[self._attempt[runs]])
        proven = runs[arithmetic.log_wealth(self._log_sums[:, runs]) >= needed]
        self.promoted_at[proven] = np.where(
            self.promoted_at[proven] == 0, self._clock[proven], self.promoted_at[proven]
        )
        self._begin(proven, LIVE)

    def _watch(self, runs: _Runs, growth: Floats) -> None:
        self._detector[:, runs] = arithmetic.after_epoch(self._detector[:, runs], growth)
        alarm = runs[arithmetic.log_wealth(self._detector[:, runs]) >= np.log(self._plan.false_alarm_epochs)]
        self.alarms[alarm] += 1
        self._give_up(LIVE, alarm)

    def _give_up(self, stage: int, runs: _Runs) -> None:
        """The end of a phase, by an alarm or because its allowance is used up."""
        if stage == LIVE:
            self.rollbacks[runs] += 1
            first = runs[(self.rolled_back_at[runs] == 0) & (self._clock[runs] > self._changes_at)]
            self.rolled_back_at[first] = self._clock[first]
        again = (self._attempt[runs] + 1 < _ATTEMPTS_MAX) & (self._plan.attempts or stage == LIVE)
        self._attempt[runs[again]] += 1
        self._begin(runs, np.where(again, CANARY, ENDED))

    def _begin(self, runs: _Runs, stage: int | NDArray[np.int64]) -> None:
        self._stage[runs] = stage
        self._log_sums[:, runs], self._detector[:, runs], self._phase_gain[runs] = 0.0, -np.inf, 0.0
