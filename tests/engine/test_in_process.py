"""Goal: the engine inside an app learns like the server. Method: the mission's example, and a known best arm."""

from __future__ import annotations

import json
import random

import pytest

from sidecar.engine.in_process import LearningEngine
from sidecar.engine.workspace import RestoreAction
from sidecar.errors import InvalidInput, UnknownDomain
from sidecar.policies.registry import PolicyRegistry
from sidecar.policies.thompson import ThompsonSamplingBandit


def engine(seed: int = 1, mode: str = "ungated") -> LearningEngine:
    """An engine with one seeded domain."""
    made = LearningEngine(PolicyRegistry())
    made.register_domain("route", ThompsonSamplingBandit(rng=random.Random(seed)), mode=mode)
    return made


def taught(seed: int = 1) -> LearningEngine:
    """An engine that saw 50 rewards."""
    made = engine(seed)
    for at in range(50):
        made.reward("route", made.recommend("route", {}, ["a", "b", "c"]), reward=(at % 5) / 4)
    return made


def test_the_example_of_the_mission() -> None:
    """As it stands."""
    rng = random.Random(42)
    reg = PolicyRegistry()
    eng = LearningEngine(reg)
    eng.register_domain("route", policy=ThompsonSamplingBandit(rng=rng))
    snap = eng.snapshot()
    eng2 = LearningEngine(PolicyRegistry())
    eng2.register_domain("route", policy=ThompsonSamplingBandit(rng=random.Random(42)))
    eng2.restore(snap)
    assert eng2.recommend("route", {}, ["a", "b"]) in ("a", "b")


def test_a_restored_engine_goes_on_alike() -> None:
    """Same statistics, and the same next 100 recommendations, through JSON."""
    one, other = taught(), engine(seed=99)
    other.restore(json.loads(json.dumps(one.snapshot())))

    assert one.status().domains["route"].arms == other.status().domains["route"].arms
    assert [one.recommend("route", {}, ["a", "b", "c"]) for _ in range(100)] == [
        other.recommend("route", {}, ["a", "b", "c"]) for _ in range(100)
    ]


def test_reseeding_keeps_the_own_generator() -> None:
    """Replicas that share a snapshot must not explore alike."""
    one, other = taught(), engine(seed=99)
    other.restore(one.snapshot(), reseed=True)
    ours, theirs = ([e.recommend("route", {}, ["a", "b", "c"]) for _ in range(100)] for e in (one, other))

    assert ours != theirs


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("domains", "route", "policy", "parameters", "prior_weight"), 0),
        (("domains", "route", "arms", "a", "count"), -1),
        (("domains", "route", "arms", "a", "reward_micro"), 10**12),
        (("domains", "route", "arms", "a", "count"), 1.5),
        (("version",), 2),
        (("format",), "other"),
        (("domains", "route", "policy", "rng", "words_base64"), "AAAA"),
    ],
)
def test_a_bad_snapshot_changes_nothing(path: tuple[str, ...], value: object) -> None:
    """It is refused as a whole, before anything is written."""
    snapshot = taught().snapshot()
    target = snapshot
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    fresh = engine()
    before = fresh.snapshot()
    with pytest.raises(InvalidInput):
        fresh.restore(snapshot)

    assert fresh.snapshot()["domains"] == before["domains"]


def test_unknown_domains_and_other_versions_are_said() -> None:
    """Ignored, and skipped; what is missing keeps its fresh start."""
    snapshot = taught().snapshot()
    snapshot["domains"]["mine"] = snapshot["domains"]["route"]
    snapshot["domains"]["route"] = json.loads(json.dumps(snapshot["domains"]["route"]))
    snapshot["domains"]["route"]["policy"]["version"] = 7
    fresh = engine()
    actions = {one.domain: one.action for one in fresh.restore(snapshot)}

    assert actions == {
        "mine": RestoreAction.IGNORED_UNKNOWN_DOMAIN,
        "route": RestoreAction.SKIPPED_POLICY_MISMATCH,
    }
    assert fresh.status().domains == {}


def test_shadow_is_the_default() -> None:
    """Without a word about modes the first candidate is returned, and what would have been is counted."""
    made = LearningEngine(PolicyRegistry())
    made.register_domain("route", ThompsonSamplingBandit(rng=random.Random(3)))
    assert {made.recommend("route", {}, ["a", "b"]) for _ in range(50)} == {"a"}

    counters = made.status().domains["route"].counters
    assert counters["shadowed"] == 50
    assert 10 < counters["agreed"] < 40


def test_learn_recommends_acts_and_reports() -> None:
    """One call; the act is timed."""
    made = engine()
    result = made.learn("route", {}, ["a"], lambda arm: (arm + "!", {"reward": 1.0}))
    arm = made.status().domains["route"].arms["a"]

    assert (result, arm.count, arm.reward_micro) == ("a!", 1, 1_000_000)
    assert len(arm.latency.recent) == 1


def test_learn_releases_when_the_act_fails() -> None:
    """The app's own error goes on to the app."""
    made = engine()

    def act(arm: str) -> tuple[str, dict[str, float]]:
        raise RuntimeError(arm)

    with pytest.raises(RuntimeError, match="a"):
        made.learn("route", {}, ["a"], act)
    assert made.status().domains["route"].counters["released"] == 1


def test_mistakes_are_named() -> None:
    """A domain that was not registered, an arm without a name."""
    with pytest.raises(UnknownDomain):
        engine().recommend("nowhere", {}, ["a"])
    with pytest.raises(InvalidInput, match=r"candidates\[1\]"):
        engine().recommend("route", {}, ["a", ""])
