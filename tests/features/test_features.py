"""Goal: context is checked, averages say what they should. Method: properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import InvalidInput
from sidecar.features.averages import quantile, remembered, upper_estimate
from sidecar.features.context import numeric_context
from sidecar.model.arm import SlidingAverage

values = st.lists(st.integers(0, 10**12), min_size=1, max_size=64)


@given(values=values, level=st.floats(0.01, 1))
def test_a_quantile_covers_its_share(values: list[int], level: float) -> None:
    """At least that share of the values does not exceed it, and it is one of them."""
    found = quantile(values, level)

    assert found in values
    assert sum(value <= found for value in values) >= level * len(values) - 1e-9


@given(values=values)
def test_the_upper_estimate_is_never_below_the_mean(values: list[int]) -> None:
    """One slow call long ago still counts in the mean."""
    average = SlidingAverage(mean=max(values) + 1, recent=tuple(values), at_ms=0)
    assert upper_estimate(average, 0.5) == max(values) + 1


def test_nothing_known_is_zero() -> None:
    """Not an error: an empty sample is the usual start."""
    assert upper_estimate(SlidingAverage(), 0.95) == 0
    assert remembered(SlidingAverage(5, (5,), 0), 10, 9) == SlidingAverage()


@pytest.mark.parametrize(
    ("features", "field"),
    [
        ({"x": float("nan")}, "context[x]"),
        ({"x": 1e13}, "context[x]"),
        ({"": 1.0}, "context"),
        ({str(i): 1.0 for i in range(65)}, "context"),
    ],
)
def test_bad_context_is_refused(features: dict[str, float], field: str) -> None:
    """By the name of the feature."""
    with pytest.raises(InvalidInput) as caught:
        numeric_context(features)
    assert caught.value.field == field
