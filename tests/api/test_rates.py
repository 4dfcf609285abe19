"""Goal: a rate holds. Method: a clock that is told the time."""

from __future__ import annotations

import pytest

from sidecar.api.rates import Rate
from sidecar.errors import RateExceeded
from tests.conftest import FakeClock


def test_a_rate_fills_evenly() -> None:
    """Ten at once, then ten a second, and never more than a second's worth."""
    clock = FakeClock()
    rate = Rate("rewards", 10, clock.monotonic)
    waits: list[float] = []

    def taken() -> int:
        for count in range(1000):
            try:
                rate.take()
            except RateExceeded as error:
                waits.append(error.retry_after_s)
                return count
        return 1000

    assert taken() == 10
    clock.ms += 500
    assert taken() == 5
    clock.ms += 3_600_000
    assert taken() == 10
    assert waits == pytest.approx([0.1, 0.1, 0.1])
