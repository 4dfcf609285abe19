"""Which scenarios share a sidecar: starting one for each would take most of the time.

Sidecars that are started alike but for their domains are one sidecar with all of these domains. So a domain with
settings of its own needs a name of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from acting.errors import BadScenario
from acting.orders import Asking
from acting.scenario import Scenario, Setting


def sharing(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Give scenarios that can share a sidecar the same setting, and put them next to each other.

    Raises:
        BadScenario: two of them mean different things by one domain.
    """
    return [scenario for group in _groups(scenarios) for scenario in _alike(group)]


def _groups(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    groups: list[tuple[object, list[Scenario]]] = []
    for scenario in scenarios:
        sort = _sort(scenario)
        for other, group in groups:
            if other == sort:
                group.append(scenario)
                break
        else:
            groups.append((sort, [scenario]))
    return [group for _, group in groups]


def _sort(scenario: Scenario) -> object:
    """What must be equal for a sidecar to be shared."""
    if scenario.faults or not scenario.has_sidecar:
        return scenario.name
    return msgspec.structs.replace(scenario.setting, domains={})


def _alike(group: Sequence[Scenario]) -> Iterator[Scenario]:
    if len(group) == 1:
        yield group[0]
        return
    domains: dict[str, Any] = {}
    for scenario in group:
        domains |= scenario.setting.domains
    for scenario in group:
        for name in sorted(_used(scenario) | scenario.setting.domains.keys()):
            if scenario.setting.domains.get(name) != domains.get(name):
                raise BadScenario(f"{scenario.name}.yaml: another scenario declares the domain {name} differently")
        yield msgspec.structs.replace(scenario, sidecar=_with(scenario.setting, domains))


def _used(scenario: Scenario) -> set[str]:
    asked = (step.order for step in scenario.steps if step.order is not UNSET)
    return {order.domain for order in asked if isinstance(order, Asking) and isinstance(order.domain, str)}


def _with(setting: Setting, domains: dict[str, Any]) -> Setting:
    return msgspec.structs.replace(setting, domains=domains)
