"""A value that is not allowed is named by its key, however deep it lies and whatever the tables are called."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import InvalidSettings
from sidecar.settings.domain import DomainSettings
from sidecar.settings.file import converted, domain_settings

NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("values", "key", "value"),
    [
        ({"arms": {"x": {}, "y": {"cost_ceiling_usd": -1}}}, "p.arms.y.cost_ceiling_usd", -1),
        ({"policy": {"parameters": {"a": 1, "b": "x"}}}, "p.policy.parameters.b", "x"),
        ({"reward": {"signals": {"quality": {}, "safety": {"weight": -1}}}}, "p.reward.signals.safety.weight", -1),
        ({"reward": {"signals": {"quality": {"weigt": 1}}}}, "p.reward.signals.quality", {"weigt": 1}),
        ({"arms": {3: {}}}, "p.arms", {3: {}}),
        ([], "p", []),
    ],
)
def test_key_and_value_are_those_at_fault(values: Any, key: str, value: object) -> None:
    """Of several entries of a table the one at fault is named, with its value."""
    with pytest.raises(InvalidSettings) as refused:
        converted(values, DomainSettings, path="p")
    assert (refused.value.field, refused.value.value) == (key, value)


def test_unknown_key_of_a_table_is_named() -> None:
    """A table whose keys are known ones only says which key is not."""
    with pytest.raises(InvalidSettings, match=r"^p\.reward\.signals: .*; allowed: Invalid enum value 'qualty'$"):
        converted({"reward": {"signals": {"qualty": {}}}}, DomainSettings, path="p")


@given(good=st.sets(NAMES, max_size=4), bad=NAMES, price=st.floats(max_value=-1e-9))
def test_any_arm_is_named(good: set[str], bad: str, price: float) -> None:
    """Whatever arms are called, the one with the impossible price is named."""
    arms = {name: {"cost_ceiling_usd": 1.0} for name in good} | {bad: {"cost_ceiling_usd": price}}
    with pytest.raises(InvalidSettings) as refused:
        domain_settings({"arms": arms}, path="p")
    assert (refused.value.field, refused.value.value) == (f"p.arms.{bad}.cost_ceiling_usd", price)
