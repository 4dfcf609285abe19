"""Policies are found by name, with clear words when they are not."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from sidecar.errors import InvalidInput
from sidecar.policies import catalogue
from sidecar.policies.catalogue import make_policy, policy_class, policy_names

SHIPPED = {"first", "random", "epsilon_greedy", "ucb1", "thompson", "gaussian_thompson"}


@pytest.fixture
def third_party(monkeypatch: pytest.MonkeyPatch) -> dict[str, EntryPoint]:
    """A catalogue to which entry points can be added."""
    entries = dict(catalogue._entries())
    monkeypatch.setattr(catalogue, "_entries", lambda: entries)
    return entries


def test_all_shipped_policies_are_installed() -> None:
    """Every policy that this package ships has an entry point."""
    assert set(policy_names()) >= SHIPPED


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """The refusal lists what would be allowed."""
    with pytest.raises(InvalidInput, match=r"policy\.name: got 'tomson'; allowed: one of epsilon_greedy, first"):
        make_policy("tomson", {})


def test_an_unknown_parameter_is_answered_with_the_known_ones() -> None:
    """The refusal names the parameter and lists those that the policy has."""
    with pytest.raises(InvalidInput, match=r"policy\.temperature: .* ucb1 has exploration"):
        make_policy("ucb1", {"temperature": 0.5})


def test_the_generator_is_no_parameter() -> None:
    """A settings file cannot put a number in place of the generator."""
    with pytest.raises(InvalidInput, match=r"policy\.rng"):
        make_policy("first", {"rng": 42})


def test_a_third_party_adds_a_policy(third_party: dict[str, EntryPoint]) -> None:
    """An entry point is all it takes."""
    third_party["mine"] = EntryPoint("mine", "sidecar.policies.first:FirstCandidate", catalogue.GROUP)

    assert make_policy("mine", {}).name == "first"


@pytest.mark.parametrize(
    ("value", "why"),
    [("no_such_package:Policy", "cannot be imported"), ("sidecar.errors:InvalidInput", "a subclass of Policy")],
)
def test_a_broken_entry_point_is_said(third_party: dict[str, EntryPoint], value: str, why: str) -> None:
    """An entry point that leads nowhere, or to something else, is an InvalidInput that says so."""
    third_party["broken"] = EntryPoint("broken", value, catalogue.GROUP)

    with pytest.raises(InvalidInput, match=why):
        policy_class("broken")


def test_numpy_is_imported_only_for_thompson() -> None:
    """A sidecar that decides nothing by Thompson sampling does not pay for numpy."""
    program = (
        "import sys; from sidecar.model.arm import Arm; from sidecar.policies.catalogue import make_policy\n"
        "arms = [Arm('a'), Arm('b')]\n"
        "for name in ('first', 'random', 'epsilon_greedy', 'ucb1'): make_policy(name, {}).choice(arms, {})\n"
        "made = make_policy('thompson', {}); assert 'numpy' not in sys.modules\n"
        "made.choice(arms, {}); assert 'numpy' in sys.modules\n"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
