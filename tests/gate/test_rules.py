"""Goal: each rule that the proof needs is kept. Method: run the rule and its mutation side by side; the mutation fails.

Every test here names the rule. The first half shows by simulation *why* the rule is needed, with a stated error; the
second half looks at the code itself, so that whoever breaks the rule there breaks the test of its name.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from sidecar.gate.betting import BETS, difference, growth, log_wealth, lower_reach
from sidecar.gate.coin import toss
from sidecar.gate.ladder import Circumstances, fold
from sidecar.gate.phase import Phase
from sidecar.model.gate import Cell, GateState, Terms
from sidecar.model.mode import Mode
from sidecar.settings.domain import GateSettings

SHARE, MEAN = 0.1, 0.7
TERMS = Terms(share_ppm=100_000, mean_micro=700_000, loss_max_micro=10**9)
ALPHA = 0.05
RUNS = 40
"""With a true error of at most 5 %, more than 7 of 40 runs fail with a probability below 0.1 %."""
FAILURES_MOST = 7


def _sums(phase: Phase, decisions: list[tuple[bool, float | None]]) -> tuple[int, ...]:
    total = [0] * phase.width
    for exposed, reward in decisions:
        rows = [phase.charged(exposed=exposed)]
        if reward is not None:
            rows.append(phase.settled(round(reward * 1e6), None, exposed=exposed))
        for row in rows:
            total = [a + b for a, b in zip(total, row, strict=True)]
    return tuple(total)


def _decisions(
    rng: Random, count: int, delta: float = 0.0, share: float = SHARE, mean: float = MEAN
) -> list[tuple[bool, float]]:
    """Coins and yes-or-no rewards; the proposals are better by `delta`."""
    coins = [rng.random() < share for _ in range(count)]
    return [(coin, float(rng.random() < mean + delta * coin)) for coin in coins]


def _opened(rows: list[tuple[int, ...]]) -> bool:
    """Whether the evidence ever reaches 1 / alpha, looked at after every row."""
    wealth, most = [0] * len(BETS), -math.log(ALPHA)
    for row in rows:
        wealth = [a + b for a, b in zip(wealth, row, strict=True)]
        if max(wealth) >= most * 1e9 and log_wealth(wealth) >= most:  # a mean is never above its largest part
            return True
    return False


@cache
def _row(exposed: bool, reward: float, share: float, control: float) -> tuple[int, ...]:
    """What one decision adds to the evidence."""
    return growth(difference(exposed, share, reward, control) / lower_reach(share, control))


# --- why


def _alternating(rng: Random) -> list[tuple[bool, float]]:
    """Worse by .3, then better by .3, in blocks of 500: the summed improvement is never above zero."""
    drawn: list[tuple[bool, float]] = []
    for block in range(6):
        drawn += _decisions(rng, 500, -0.3 if block % 2 == 0 else 0.3, share=0.5, mean=0.5)
    return drawn


def _with_adaptive_bets(decisions: list[tuple[bool, float]], share: float, control: float) -> bool:
    """The mutation: bet as the recent past suggests, instead of on a fixed grid."""
    reach, mean, wealth = lower_reach(share, control), 0.0, 0.0
    for exposed, reward in decisions:
        stake = difference(exposed, share, reward, control) / reach
        wealth += math.log1p(min(0.9, max(0.0, mean)) * stake)
        mean += 0.02 * (stake - mean)
        if wealth >= -math.log(ALPHA):
            return True
    return False


def test_bets_are_fixed() -> None:
    """Adaptive bets promote a learner whose summed improvement is never above zero; fixed ones do not."""
    runs = [_alternating(Random(seed)) for seed in range(RUNS)]
    rows = [[_row(e, r, 0.5, 0.5) for e, r in run] for run in runs]
    assert sum(map(_opened, rows)) <= FAILURES_MOST
    assert sum(_with_adaptive_bets(run, 0.5, 0.5) for run in runs) > 0.9 * RUNS


def test_evidence_is_folded_in_the_order_of_decisions() -> None:
    """In the order of arrival, with bad rewards late, a worse learner is promoted; folded by epochs it is not."""
    arrival, folded = 0, 0
    for seed in range(RUNS):
        drawn = _decisions(Random(seed), 4000, -0.05)
        rows = [_row(exposed, reward, SHARE, MEAN) for exposed, reward in drawn]
        late = [exposed and reward < 0.5 for exposed, reward in drawn]
        arrival += _opened([row for row, is_late in zip(rows, late, strict=True) if not is_late])
        folded += _opened(rows)
    assert folded <= FAILURES_MOST
    assert arrival > 0.9 * RUNS


def test_every_decision_has_a_coin_of_its_own() -> None:
    """One coin for a hundred decisions makes their noise add up, and promotes by chance; fresh coins do not."""
    fresh, reused = 0, 0
    share, mean, control = 0.3, 0.7, 0.4
    for seed in range(RUNS):
        rng = Random(seed)
        drawn = _decisions(rng, 3000, share=share, mean=mean)
        blocks = [rng.random() < share for _ in range(30)]
        again = [(blocks[at // 100], reward) for at, (_, reward) in enumerate(drawn)]
        # The control variate is off by .3, as it may be: what is left of the mean is the common noise.
        fresh += _opened([_row(e, r, share, control) for e, r in drawn])
        reused += _opened([_row(e, r, share, control) for e, r in again])
    assert fresh <= FAILURES_MOST
    assert reused > 0.5 * RUNS


@cache
def _charged_row(exposed: bool, reward: float | None) -> tuple[int, ...]:
    """What one decision adds to the evidence in the end, charged as missing and then settled if it is."""
    phase = Phase(TERMS)
    return phase.improvement(_sums(phase, [(exposed, reward)]))


def test_missing_rewards_are_charged_at_issue() -> None:
    """Without the charge, a learner whose bad rewards never come is promoted; with it, it is a tie."""
    charged, dropped = 0, 0
    for seed in range(RUNS):
        drawn = _decisions(Random(seed), 3000)
        kept = [(exposed, None if exposed and reward < 0.5 else reward) for exposed, reward in drawn]
        charged += _opened([_charged_row(*one) for one in kept])
        dropped += _opened([_charged_row(*one) for one in kept if one[1] is not None])
    assert charged <= FAILURES_MOST
    assert dropped > 0.9 * RUNS


def test_both_arms_must_be_affordable_before_the_coin_counts() -> None:
    """Dropping dear proposals that the coin picked, but keeping their baselines, promotes by chance of price."""
    fair, biased = 0, 0
    for seed in range(RUNS):
        rng = Random(seed)
        drawn = _decisions(rng, 4000)
        # The reward is lower where the proposal is dear; both outcomes are the same, so nothing is better.
        rows = [(_row(e, r, SHARE, MEAN), e, r < 0.5 and rng.random() < 0.5) for e, r in drawn]
        fair += _opened([row for row, _, dear in rows if not dear])
        biased += _opened([row for row, exposed, dear in rows if not (exposed and dear)])
    assert fair <= FAILURES_MOST
    assert biased > 0.9 * RUNS


# --- that it is so


def test_the_bets_are_constants() -> None:
    """The grid is the one of the proof, and what a reward adds does not depend on what came before."""
    assert tuple(0.9 / 2**j for j in range(8)) == BETS
    phase, rng = Phase(TERMS), Random(1)
    before = phase.settled(800_000, None, exposed=True)
    for _ in range(50):
        phase.settled(rng.randrange(10**6), None, exposed=rng.random() < 0.5)
    assert phase.settled(800_000, None, exposed=True) == before


def _around(**settings: float) -> Circumstances:
    return Circumstances(GateSettings(**settings), "subject", 10**12, "salt")  # type: ignore[arg-type]  # names of fields


def _canary(**more: object) -> GateState:
    return replace(GateState(stage=Mode.CANARY, terms=TERMS, salt="s", subject="subject"), **more)  # type: ignore[arg-type]  # names of fields


def _cell(number: int, decisions: list[tuple[bool, float | None]], *, still_open: int = 0, full_at: int = 1) -> Cell:
    phase, exposed = Phase(TERMS), sum(exposed for exposed, _ in decisions)
    bare = Cell(number, still_open, len(decisions), full_at, 10**15, exposed)
    rewards = [a - b for a, b in zip(_sums(phase, decisions), phase.whole(bare), strict=True)]
    return replace(bare, sums=tuple(rewards))


def test_an_open_epoch_is_never_folded() -> None:
    """An epoch with a reward outstanding waits, and so do all epochs after it, complete or not."""
    complete = _cell(2, [(True, 1.0)] * 50)
    state = _canary(epoch=3, cells={1: _cell(1, [(True, None)], still_open=1), 2: complete})
    assert state.settled_cell(10**13) is None
    assert replace(state, cells={1: _cell(1, [(True, None)]), 2: complete}).settled_cell(10**13) is not None


def test_the_newest_epoch_is_folded_only_when_it_has_ended() -> None:
    """A cell that may still take decisions is not looked at, although each of its rewards is in."""
    growing = _cell(1, [(True, 1.0)] * 3, full_at=50)
    assert _canary(cells={1: growing}).settled_cell(10**12) is None
    assert _canary(cells={1: growing}).settled_cell(10**15) == growing


def test_a_new_phase_takes_no_evidence_along() -> None:
    """Whatever begins a phase leaves the sums, the open epochs, the salt and the detector of the old one behind."""
    full = _cell(1, [(True, 1.0), (False, 0.0)] * 400)
    state = _canary(epoch=2, cells={1: full, 2: _cell(2, [(True, 1.0)], still_open=1)}, unfolded_ppm=801 * 100_000)
    step = fold(state, full, replace(_around(), salt="another"))
    assert step.new_phase
    assert step.state.stage is Mode.LIVE
    after = step.state
    assert (after.totals, after.cells, after.detector, after.unfolded_ppm) == ((), {}, (), 0)
    assert (after.epoch, after.folded, after.salt) == (1, 0, "another")


def test_a_coin_belongs_to_one_decision_of_one_phase() -> None:
    """The same decision always gets the same side; another id, phase or salt gets an independent one."""
    ids = [f"d{n}" for n in range(4000)]
    first = [toss("salt", 1, one, 500_000) for one in ids]
    assert first == [toss("salt", 1, one, 500_000) for one in ids]
    for other in ([toss("salt", 2, one, 500_000) for one in ids], [toss("tlas", 1, one, 500_000) for one in ids]):
        # 4,000 fair tosses agree in 2,000 +- 4.5 * 32 cases but for one time in 100,000
        assert abs(sum(a == b for a, b in zip(first, other, strict=True)) - 2000) < 143


@pytest.mark.parametrize("share_ppm", [0, 1, 50_000, 100_000, 900_000, 1_000_000])
def test_coins_fall_as_often_as_agreed(share_ppm: int) -> None:
    """The share of exposures is q, within 4.5 standard errors."""
    tosses = sum(toss("salt", 7, f"decision {n}", share_ppm) for n in range(20_000))
    share = share_ppm / 1e6
    assert abs(tosses - 20_000 * share) <= 4.5 * math.sqrt(20_000 * share * (1 - share))


def test_what_is_issued_is_charged_as_missing() -> None:
    """The charge at issue is that of a reward of 0 on both sides; under `worst` the baseline gets a 1."""
    phase = Phase(TERMS)
    for exposed in (False, True):
        zero = phase.settled(0, None, exposed=exposed)
        assert phase.improvement(zero) == (0,) * 8
        assert phase.regression(zero) == (0,) * 8
    worst = Phase(replace(TERMS, missing="worst"))
    assert worst.improvement(worst.settled(1_000_000, None, exposed=False)) == (0,) * 8
    assert worst.improvement(worst.settled(0, None, exposed=True)) == (0,) * 8
    neutral = Phase(replace(TERMS, missing="neutral"))
    assert neutral.improvement(neutral.charged(exposed=True)) == (0,) * 8
