"""Policies are injected by domain."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.errors import InvalidInput, UnknownDomain
from sidecar.policies.first import FirstCandidate
from sidecar.policies.random import UniformRandom
from sidecar.policies.registry import PolicyRegistry


def test_a_registered_policy_is_found() -> None:
    """The very instance that was registered comes back."""
    registry, policy = PolicyRegistry(), FirstCandidate()

    registry.register("route", policy)

    assert registry.get("route") is policy
    assert registry.domains() == ["route"]
    assert "route" in registry
    assert len(registry) == 1


def test_the_last_registered_policy_decides() -> None:
    """Registering again replaces."""
    registry = PolicyRegistry()
    registry.register("route", FirstCandidate())

    registry.register("route", UniformRandom())

    assert registry.get("route").name == "random"
    assert len(registry) == 1


def test_an_unknown_domain_is_said() -> None:
    """Not a KeyError, but an error that names the domain."""
    with pytest.raises(UnknownDomain, match="'prompt'"):
        PolicyRegistry().get("prompt")


@pytest.mark.parametrize("policy", [FirstCandidate, "first", None], ids=repr)
def test_what_is_no_policy_is_refused(policy: Any) -> None:
    """A class, a name or nothing is not an instance of a policy."""
    with pytest.raises(InvalidInput, match="an instance of Policy"):
        PolicyRegistry().register("route", policy)


def test_an_empty_name_is_refused() -> None:
    """A domain has a name."""
    with pytest.raises(InvalidInput, match="domain"):
        PolicyRegistry().register("", FirstCandidate())
