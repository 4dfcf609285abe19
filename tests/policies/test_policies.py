"""What holds for every policy of the catalogue, those of third parties included."""

from __future__ import annotations

import copy
import json
import math
import random
from collections import Counter
from typing import Any

import pytest
from scipy import stats

from sidecar.errors import InvalidInput
from sidecar.model.arm import Arm
from sidecar.policies.base import Policy
from sidecar.policies.catalogue import make_policy, policy_class, policy_names

DRAWS = 100_000
# Of a right implementation, one seed in a million would fail a test; the seeds are fixed.
ERROR_RATE = 1e-6

every_policy = pytest.mark.parametrize("name", policy_names())


def arm(name: str, rewards: list[float]) -> Arm:
    """An arm that has had these rewards."""
    micro = [round(reward * 1e6) for reward in rewards]
    return Arm(name, count=len(micro), reward_micro=sum(micro), reward_sq_nano=sum(m * m // 1000 for m in micro))


ARMS = [arm("a", [0.4, 0.6, 0.5, 0.3]), arm("b", [0.7, 0.5, 0.6]), arm("c", [1.0, 0.0]), arm("d", [0.5])]


def seeded(name: str, seed: int = 42) -> Policy:
    """A reproducible policy with its default parameters."""
    return make_policy(name, {}, random.Random(seed))


def draws(policy: Policy, count: int = 50) -> list[list[int]]:
    """Orders drawn one after the other."""
    return [policy.choice(ARMS, {}).rank(policy.rng) for _ in range(count)]


@every_policy
def test_probabilities_are_exact_and_complete(name: str) -> None:
    """Each candidate has a probability from 0 to 1, and together they have 1."""
    probabilities = seeded(name).choice(ARMS, {}).probabilities

    assert len(probabilities) == len(ARMS)
    assert all(0.0 <= p <= 1.0 for p in probabilities)
    assert pytest.approx(1.0, abs=1e-12) == math.fsum(probabilities)


@every_policy
def test_the_first_drawn_has_the_stated_probability(name: str) -> None:
    """The first of 100,000 drawn orders is distributed as the policy states."""
    policy = seeded(name)
    choice = policy.choice(ARMS, {})
    firsts = Counter(choice.rank(policy.rng)[0] for _ in range(DRAWS))
    possible = [k for k, p in enumerate(choice.probabilities) if p > 0]
    expected = [DRAWS * choice.probabilities[k] for k in possible]

    assert set(firsts) <= set(possible)
    assert len(possible) == 1 or stats.chisquare([firsts[k] for k in possible], expected).pvalue > ERROR_RATE


@every_policy
def test_arms_without_data_are_treated_alike(name: str) -> None:
    """Three new arms are equally likely, unless the place in the list is all that counts."""
    probabilities = seeded(name).choice([Arm("x"), Arm("y"), Arm("z")], {}).probabilities

    expected = (1.0, 0.0, 0.0) if name == "first" else (1 / 3, 1 / 3, 1 / 3)
    assert pytest.approx(expected, abs=1e-12) == probabilities


@every_policy
def test_a_single_arm_is_chosen(name: str) -> None:
    """One candidate has probability 1, with data and without."""
    policy = seeded(name)

    assert policy.choice([Arm("new")], {}).probabilities == (1.0,)
    assert policy.choice(ARMS[:1], {}).probabilities == (1.0,)


@every_policy
def test_changed_candidates(name: str) -> None:
    """A candidate may leave and another come between two requests; each answer is about its own."""
    policy = seeded(name)

    for candidates in (ARMS, ARMS[1:], [*ARMS[:2], Arm("new")], [Arm("new"), ARMS[3]]):
        choice = policy.choice(candidates, {})
        assert sorted(choice.rank(policy.rng)) == list(range(len(candidates)))


@every_policy
def test_a_choice_draws_nothing(name: str) -> None:
    """Asking for the probabilities leaves the generator where it was, so they can be cached or not."""
    policy = seeded(name)
    before = policy.rng.getstate()

    policy.choice(ARMS, {"prompt_tokens": 120.0})

    assert policy.rng.getstate() == before


@every_policy
def test_the_same_seed_makes_the_same_choices(name: str) -> None:
    """Two policies with the same seed draw the same orders."""
    assert draws(seeded(name)) == draws(seeded(name))


@every_policy
def test_saved_state_continues_the_same_draws(name: str) -> None:
    """A policy restored from JSON draws what the saved one draws next."""
    saved = seeded(name)
    draws(saved, 7)
    restored = seeded(name, seed=1)

    restored.load_state(json.loads(json.dumps(saved.state_dict())))

    assert draws(restored) == draws(saved)


@every_policy
def test_reseeding_keeps_the_own_generator(name: str) -> None:
    """With `reseed` the parameters are taken over and the generator is not: replicas must not explore alike."""
    restored, own = seeded(name, seed=1), seeded(name, seed=1)

    restored.load_state(seeded(name).state_dict(), reseed=True)

    assert restored.rng.getstate() == own.rng.getstate()


@every_policy
def test_an_unseeded_policy_keeps_its_generator_to_itself(name: str) -> None:
    """Without a given generator no generator state is saved."""
    assert "rng" not in make_policy(name, {}).state_dict()


@every_policy
def test_parameters_are_the_constructor_arguments(name: str) -> None:
    """What `parameters` returns builds the same policy again."""
    parameters = seeded(name).parameters()

    assert make_policy(name, parameters).parameters() == parameters


def broken(state: dict[str, Any]) -> list[dict[str, Any]]:
    """States that must not be loaded."""
    parameters: dict[str, Any] = state["parameters"]
    wrong_values = [math.nan, math.inf, -1.0, "0.5", None, True, [0.5]]
    return [
        {**state, "version": state["version"] + 1},
        {**state, "name": "another"},
        {**state, "parameters": {**parameters, "surprise": 1.0}},
        {**state, "rng": {**state["rng"], "words_base64": "AAAA"}},
        *({**state, "parameters": {**parameters, key: value}} for key in parameters for value in wrong_values),
        *({**state, "parameters": {k: v for k, v in parameters.items() if k != key}} for key in parameters),
    ]


@every_policy
def test_a_broken_state_changes_nothing(name: str) -> None:
    """A wrong version, name, parameter, value or generator is refused, and the policy stays what it was."""
    policy = seeded(name)
    good = policy.state_dict()

    for state in broken(copy.deepcopy(good)):
        with pytest.raises(InvalidInput):
            policy.load_state(state)
        assert policy.state_dict() == good


@every_policy
def test_wrong_parameters_name_their_field(name: str) -> None:
    """Every parameter refuses what is not a finite number in range, by its own name."""
    for parameter in seeded(name).parameters():
        for value in (math.nan, math.inf, -1.0, 1e30):
            with pytest.raises(InvalidInput) as refusal:
                make_policy(name, {parameter: value})
            assert refusal.value.field == f"policy.{parameter}"


@every_policy
def test_the_class_says_who_it_is(name: str) -> None:
    """A policy's own name is the one it is found by."""
    assert policy_class(name).name == name
    assert policy_class(name).version >= 1
