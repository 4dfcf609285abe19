"""Goal: a soak says what grows. Method: rows of figures whose growth is known, and this process's own figures."""

from __future__ import annotations

import os

import pytest

from .soak import FLAT_PER_HOUR, judged
from .usage import SETTLE_SENT, Memory, descriptors, rss_kb, slope


def rows(minutes: float, **per_hour: float) -> list[dict[str, float]]:
    """One row every ten seconds; what is named grows by so much an hour, with a wiggle on everything."""
    times = [10.0 * number for number in range(int(minutes * 6) + 1)]
    return [
        {"at_s": at} | {name: 1000 + per_hour.get(name, 0.0) * at / 3600 + (at % 20) / 20 for name in FLAT_PER_HOUR}
        for at in times
    ]


def test_what_is_flat_is_said_to_be() -> None:
    """A wiggle is no growth."""
    assert judged(rows(30))["verdict"] == "flat"


@pytest.mark.parametrize("name", FLAT_PER_HOUR)
def test_what_grows_is_named(name: str) -> None:
    """Each figure that grows much is found, alone, with its slope."""
    found = judged(rows(30, **{name: 20 * FLAT_PER_HOUR[name]}))
    assert found["verdict"] == f"grows: {name}"
    assert found["slopes_per_hour"][name] == pytest.approx(20 * FLAT_PER_HOUR[name], rel=0.05)


def test_a_short_run_says_nothing() -> None:
    """Neither two minutes nor nothing at all is a verdict, whatever grows."""
    assert judged(rows(2, rss_kb=1e6))["verdict"] == judged([])["verdict"] == "too short to tell"


def test_growth_while_it_warms_up_does_not_count() -> None:
    """What has levelled off by the second half is flat."""
    warm = [row | {"rss_kb": 10_000 * min(1.0, row["at_s"] / 300)} for row in rows(30)]
    assert judged(warm)["verdict"] == "flat"


def test_slopes_are_those_of_a_line() -> None:
    """Of a line its own, of one point or of none, none."""
    assert slope([(x, 3 * x + 1) for x in range(10)]) == pytest.approx(3)
    assert slope([(1, 1)]) == slope([]) == slope([(1, 1), (1, 5)]) == 0.0


def test_figures_are_of_the_process() -> None:
    """An open file is one descriptor more, and there is some memory."""
    before = descriptors(os.getpid())
    with open(os.devnull):  # noqa: PTH123 - a descriptor is the point
        assert descriptors(os.getpid()) == before + 1
    assert rss_kb(os.getpid()) > 1000


@pytest.mark.parametrize(
    ("last", "kb_each", "flat"), [(3 * SETTLE_SENT, 0.0, True), (3 * SETTLE_SENT, 1.0, False), (SETTLE_SENT, 1.0, None)]
)
def test_memory_by_requests(last: int, kb_each: float, flat: bool | None) -> None:
    """It is flat if it levels off, it is not if it goes on growing, and a short run says nothing."""
    samples = [(float(sent), 50_000 + 5 * min(sent, last / 3) + kb_each * sent) for sent in range(0, last + 1, 500)]
    assert Memory(samples).plain()["memory_flat"] is flat
