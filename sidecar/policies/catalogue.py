"""Policies by name. A third party adds one by an entry point, without touching this package.

    [project.entry-points."learning_sidecar.policies"]
    my_policy = "my_package.my_module:MyPolicy"

A class is imported when it is first asked for: numpy costs memory that only the Thompson policies need.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from random import Random

from sidecar.errors import InvalidInput
from sidecar.policies.base import Policy

GROUP = "learning_sidecar.policies"


def policy_names() -> list[str]:
    """Every name that `make_policy` knows, sorted."""
    return sorted(_entries())


def policy_class(name: str) -> type[Policy]:
    """The class of a policy.

    Raises:
        InvalidInput: there is none of that name, or what the entry point names is not a policy.
    """
    entry = _entries().get(name)
    if entry is None:
        raise InvalidInput("policy.name", name, f"one of {', '.join(policy_names())}")
    try:
        found = entry.load()
    except (ImportError, AttributeError) as error:
        raise InvalidInput("policy.name", name, f"an installed policy; {entry.value} cannot be imported") from error
    if isinstance(found, type) and issubclass(found, Policy):
        return found
    raise InvalidInput("policy.name", name, f"a subclass of Policy; {entry.value} is none")


def make_policy(name: str, parameters: Mapping[str, float], rng: Random | None = None) -> Policy:
    """A policy with declared parameters; those not given keep their defaults.

    >>> make_policy("epsilon_greedy", {"epsilon": 0.05}).parameters()
    {'epsilon': 0.05, 'prior_mean': 0.5, 'prior_weight': 1.0}
    >>> make_policy("ucb1", {"epsilon": 0.05})
    Traceback (most recent call last):
        ...
    sidecar.errors.InvalidInput: policy.epsilon: got 0.05; allowed: no such parameter; ucb1 has exploration

    Raises:
        InvalidInput: no such policy, no such parameter, or a value that is not allowed.
    """
    found = policy_class(name)
    known = [parameter for parameter in inspect.signature(found).parameters if parameter != "rng"]
    for parameter, value in parameters.items():
        if parameter not in known:
            raise InvalidInput(
                f"policy.{parameter}", value, f"no such parameter; {name} has {', '.join(known) or 'none'}"
            )
    return found(**parameters, rng=rng)


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
