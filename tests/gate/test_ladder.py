"""Goal: a domain climbs, falls and stays as the evidence says. Method: traffic with known means through the flows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.gate.outlook import outlook
from sidecar.model.decision import Candidate, Source
from sidecar.model.mode import Mode

from .conftest import Domain

Make = Callable[..., Domain]
BETTER = {"base": 0.3, "new": 0.9}
WORSE = {"base": 0.9, "new": 0.3}


def test_a_better_policy_climbs_to_live(domain: Make) -> None:
    """From shadow over canary to live, each move told once with its reason, and then mostly the policy's arm."""
    one = domain()
    one.until(Mode.LIVE, BETTER)
    assert [(move.before, move.after) for move in one.moves] == [(Mode.SHADOW, Mode.CANARY), (Mode.CANARY, Mode.LIVE)]
    assert tuple(reversed(one.moves)) == one.gate.events
    assert one.gate.promotions == 1
    executed = Counter(made.arm for made in one.traffic(300, BETTER))
    assert executed["new"] > 200


def test_a_worse_policy_stays_below(domain: Make) -> None:
    """It is never live, its attempts end with their allowances, and the gate shuts for good."""
    one = domain(policy={"name": "random", "seed": 1})
    one.traffic(3000, WORSE)
    assert one.gate.promotions == 0
    assert one.gate.stage is Mode.SHADOW
    assert one.gate.attempt > 2
    assert "shut" in outlook(one.gate, Mode.GATED, one.learner.circumstances()).next
    assert {made.arm for made in one.traffic(100, WORSE)} == {"base"}


def test_a_regression_is_rolled_back_and_the_checkpoint_reinstated(domain: Make) -> None:
    """When the live arm breaks, the domain is in shadow again, and the policy knows what it knew at the promotion."""
    one = domain()
    one.until(Mode.LIVE, BETTER)
    at_promotion = one.view.arms["new"].reward_mean
    one.until(Mode.SHADOW, WORSE)
    event = one.gate.events[0]
    assert (event.before, event.after, event.attempt) == (Mode.LIVE, Mode.SHADOW, 2)
    assert event.checkpoint_restored
    assert one.gate.rollbacks == 1
    assert one.view.arms["new"].reward_mean == pytest.approx(at_promotion, abs=0.05)
    broken = one.set_mode(Mode.GATED, reinstate_checkpoint=True)
    assert broken.reinstated
    assert one.view.arms["new"].reward_mean < at_promotion - 0.1


def test_statistics_are_kept_where_a_rollback_restores_nothing(domain: Make) -> None:
    """With `restore_on_rollback` off, what the policy learned of the break remains."""
    one = domain(gate={"restore_on_rollback": False})
    one.until(Mode.LIVE, BETTER)
    applied = one.view.counters["applied"]
    one.until(Mode.SHADOW, WORSE)
    assert not one.gate.events[0].checkpoint_restored
    assert one.view.counters["applied"] > applied


def test_a_checkpoint_is_kept_now_and_then_while_live_and_well(domain: Make) -> None:
    """After the promotion's checkpoint another is kept when its time has come."""
    one = domain(gate={"checkpoint_s": 60})
    one.until(Mode.LIVE, BETTER)
    first = one.gate.checkpoint_at_ms
    one.traffic(50, BETTER)
    assert one.gate.checkpoint_at_ms == first
    one.clock.ms += 60_000
    one.traffic(50, BETTER)
    assert one.gate.checkpoint_at_ms > first


def test_agreement_costs_no_exposure(domain: Make) -> None:
    """A policy that proposes the baseline is never sampled in canary, and holds nothing of the allowance."""
    one = domain(policy={"name": "first"})
    one.until(Mode.CANARY, BETTER)
    made = one.traffic(200, BETTER)
    assert {(decision.arm, decision.sampled, decision.propensity) for decision in made} == {("base", False, 1.0)}
    assert one.gate.unfolded_ppm == 0
    assert not one.gate.cells


def test_a_fresh_attempt_begins_without_a_verdict(domain: Make) -> None:
    """A canary of a tie ends after so many decisions; the next has less error, half the allowance, and a new salt."""
    one = domain(gate={"attempt_decisions": 60, "seed": None}, policy={"name": "random", "seed": 1})
    same = {"base": 0.5, "new": 0.5}
    one.until(Mode.CANARY, same)
    before = one.gate
    while one.gate.attempt == 1:
        one.traffic(1, same)
    after = one.gate
    assert (after.stage, after.attempt) == (Mode.CANARY, 2)
    assert after.terms.loss_max_micro == before.terms.loss_max_micro // 2
    assert after.salt != before.salt
    assert after.granted_micro == before.terms.loss_max_micro + after.terms.loss_max_micro


def test_exposures_stop_when_the_allowance_is_used_up(domain: Make) -> None:
    """While rewards are outstanding no more is exposed than the allowance has room for, each as a total loss."""
    one = domain(policy={"name": "random", "seed": 1}, gate={"canary_loss_max": 6.0})
    one.until(Mode.CANARY, BETTER)
    made = [one.recommend() for _ in range(400)]
    sampled = sum(decision.sampled for decision in made)
    assert one.gate.allowance_micro is not None
    assert sampled == one.gate.allowance_micro // one.gate.terms.share_ppm
    assert sampled < 30
    assert {decision.arm for decision in made if not decision.sampled} == {"base"}
    for decision in made:
        one.reward(decision, BETTER[decision.arm])
    assert one.gate.folded, "an epoch also ends when the allowance has no room"
    assert one.gate.has_room


def test_settings_that_change_what_is_compared_begin_a_new_attempt(domain: Make) -> None:
    """A sidecar with other reward weights starts afresh; one with the old ones does not turn that back."""
    one = domain(policy={"name": "random", "seed": 1})
    same = {"base": 0.5, "new": 0.5}
    one.until(Mode.CANARY, same)
    old = one.learner
    one.learner = one.sidecar(reward={"missing_signal": "worst"})
    one.traffic(60, same)
    assert any("settings changed" in event.reason for event in one.gate.events)
    assert one.gate.attempt == 2
    one.learner = old
    one.traffic(60, same)
    assert one.gate.attempt == 2


def test_a_safety_margin_keeps_an_unsafe_policy_down(domain: Make) -> None:
    """A policy that is better, but proven safe by nobody, is not promoted; one that is as safe is."""
    unsafe = domain(gate={"safety_margin": 0.1})
    safe = domain(gate={"safety_margin": 0.1})
    for _ in range(1500):
        for one, safety in ((unsafe, {"base": 1.0, "new": 0.5}), (safe, {"base": 0.9, "new": 0.9})):
            decision = one.recommend()
            one.reward(decision, float(one.rng.random() < BETTER[decision.arm]), safety=safety[decision.arm])
    assert unsafe.gate.promotions == 0
    assert safe.gate.promotions == 1


def test_neutral_rewards_have_a_veto(domain: Make) -> None:
    """Under `neutral`, a policy whose bad rewards never come is not promoted: they go missing on one side more."""
    one = domain(gate={"missing": "neutral"}, reward={"deadline_s": 1})
    same = {"base": 0.6, "new": 0.6}
    for _ in range(40):
        for _ in range(50):
            decision = one.recommend()
            reward = float(one.rng.random() < same[decision.arm])
            if decision.arm == "base" or reward:
                one.reward(decision, reward)
        one.clock.ms += 2000
        one.sweep()
    assert one.gate.promotions == 0
    assert any("missing" in event.reason for event in one.gate.events)


# --- by hand


def test_a_pin_stays_whatever_the_evidence(domain: Make) -> None:
    """Pinned in canary, evidence adds up and nothing moves; nothing bounds it either."""
    one = domain(policy={"name": "random", "seed": 1})
    changed = one.set_mode(Mode.CANARY)
    assert (changed.before, changed.now) == (Mode.SHADOW, Mode.CANARY)
    made = one.traffic(600, WORSE)
    assert {decision.mode for decision in made} == {Mode.CANARY}
    assert one.gate.allowance_micro is None
    assert one.gate.folded > 5
    assert not one.moves


@pytest.mark.parametrize(("reset", "attempt"), [(False, 2), (True, 1)])
def test_gated_again_goes_on_with_the_next_attempt_unless_reset(domain: Make, *, reset: bool, attempt: int) -> None:
    """Exposed attempts stay spent; a reset begins a new promise. The reason is kept."""
    one = domain()
    one.until(Mode.CANARY, BETTER)
    one.set_mode(Mode.GATED, reset_attempts=reset)
    assert (one.gate.stage, one.gate.attempt) == (Mode.SHADOW, attempt)
    assert one.view.control.reason == one.gate.events[0].reason == "by hand"


def test_an_unexposed_attempt_is_not_spent(domain: Make) -> None:
    """From shadow to gated again is the same attempt."""
    one = domain()
    one.traffic(5, BETTER)
    one.set_mode(Mode.GATED)
    assert one.gate.attempt == 1


# --- the coin inside a decision


def test_propensities_are_exact(domain: Make) -> None:
    """Each arm is executed as often as its answers say, with proposals drawn by chance and a coin on top."""
    one = domain(policy={"name": "random", "seed": 5}, gate={"share": 0.4})
    one.set_mode(Mode.CANARY)
    executed: Counter[str] = Counter()
    said: dict[str, set[float]] = {}
    runs = 6000
    for _ in range(runs):
        decision = one.recommend("base", "b", "c")
        executed[decision.arm] += 1
        if decision.sampled:
            said.setdefault(decision.arm, set()).add(round(decision.propensity, 12))
    # b and c are each proposed with 1/3 and then executed with 0.4; else it is the baseline
    assert said == {"base": {round(1 / 3 + 0.6 * 2 / 3, 12)}, "b": {round(0.4 / 3, 12)}, "c": {round(0.4 / 3, 12)}}
    for arm, share in (("base", 1 / 3 + 0.4), ("b", 0.4 / 3), ("c", 0.4 / 3)):
        assert abs(executed[arm] - runs * share) < 4.5 * (runs * share * (1 - share)) ** 0.5


def test_without_money_for_both_arms_there_is_no_coin(domain: Make) -> None:
    """Where only the baseline is affordable it is executed, and the decision is no sample, whatever its coin says."""
    one = domain(policy={"name": "random", "seed": 5}, budget={"limit_usd": 1.0})
    one.set_mode(Mode.CANARY)
    dear = [one.recommend(Candidate("base", 10_000), Candidate("new", 10**9 + 1)) for _ in range(200)]
    assert {(decision.arm, decision.sampled, decision.propensity) for decision in dear} == {("base", False, 1.0)}
    fair = [one.recommend(Candidate("base", 10_000), Candidate("new", 20_000)) for _ in range(200)]
    assert {decision.arm for decision in fair if decision.sampled} == {"base", "new"}


def test_where_the_baseline_is_not_affordable_the_shield_chooses(domain: Make) -> None:
    """Without money for the baseline the best affordable arm is executed, and the decision is no sample."""
    one = domain(budget={"limit_usd": 1.0})
    one.set_mode(Mode.CANARY)
    made = one.recommend(Candidate("base", 10**9 + 1), Candidate("new", 10_000))
    assert (made.arm, made.source, made.sampled) == ("new", Source.SHIELD, False)


def test_a_retry_gets_the_same_arm(domain: Make) -> None:
    """The same id gets the same answer, also after the gate moved."""
    one = domain(policy={"name": "random", "seed": 5})
    one.set_mode(Mode.CANARY)
    first = [one.recommend(decision_id=f"r{n}") for n in range(50)]
    one.set_mode(Mode.LIVE)
    again = [one.recommend(decision_id=f"r{n}") for n in range(50)]
    assert [decision.arm for decision in again] == [decision.arm for decision in first]


def test_rewards_of_an_old_phase_are_no_evidence(domain: Make) -> None:
    """What was issued before a move adds nothing to the sums after it, but its reward is learned."""
    one = domain(policy={"name": "random", "seed": 5})
    one.set_mode(Mode.CANARY)
    old = [one.recommend() for _ in range(8)]
    one.set_mode(Mode.LIVE)
    new = [one.recommend() for _ in range(8)]
    before = one.gate
    assert before.cells[1].open == sum(decision.sampled for decision in new) > 0
    for decision in old:
        one.reward(decision, 1.0)
    assert one.gate == before, "the open epoch has the same number, and is another"
    assert one.view.counters["applied"] == 8


def test_a_released_sample_is_a_missing_reward(domain: Make) -> None:
    """A release gives the money back, and leaves the charge of a missing reward in the evidence."""
    one = domain(policy={"name": "random", "seed": 5}, gate={"epoch_decisions": 5})
    one.set_mode(Mode.CANARY)
    while one.gate.folded < 3:
        decision = one.recommend()
        one.release(decision)
        one.sweep()
    tallies: Any = one.learner.phase.tallies(one.gate.totals)
    assert tallies.decisions == tallies.exposed_missing + tallies.held_missing == 15
