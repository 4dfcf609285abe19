"""Goal: a burst is served, a standing queue is refused. Method: queues simulated on a clock that the test moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.api.admission import BURST_FACTOR, BURST_S, QUIET_S, Admission
from tests.conftest import FakeClock

LIMIT = 16


def queue(clock: FakeClock, arrivals: int, served: int, ticks: int) -> tuple[Admission, list[int]]:
    """Let so many calls arrive and be answered in each of `ticks` milliseconds; how many each tick refused."""
    admission = Admission(LIMIT, clock.monotonic)
    refused = []
    for _ in range(ticks):
        refused.append(sum(not admission.admits() for _ in range(arrivals)))
        for _ in range(min(served, admission.in_flight)):
            admission.left()
        clock.ms += 1
    return admission, refused


@given(st.integers(1, LIMIT * BURST_FACTOR))
def test_a_burst_that_passes_is_served_whole(size: int) -> None:
    """However often it comes, as long as the queue is gone within the time of a burst."""
    clock = FakeClock()
    admission = Admission(LIMIT, clock.monotonic)
    for _ in range(3):
        assert all(admission.admits() for _ in range(size))
        clock.ms += int(BURST_S * 1000) - 1
        for _ in range(size):
            admission.left()
        clock.ms += 1_000


def test_a_standing_queue_is_refused_down_to_the_limit() -> None:
    """More than can be answered: after the time of a burst, only as many wait as the limit says."""
    admission, refused = queue(FakeClock(), arrivals=3, served=2, ticks=1_000)

    burst = int(BURST_S * 1000)
    assert not any(refused[:burst])
    assert sum(refused[-100:]) == 100
    assert admission.in_flight <= LIMIT


def test_a_queue_at_the_limit_is_none() -> None:
    """As many calls at once as the limit, for ever: that is what it allows."""
    _, refused = queue(FakeClock(), arrivals=LIMIT, served=LIMIT, ticks=1_000)

    assert not any(refused)


def test_a_burst_has_an_end() -> None:
    """Not even for a moment are more in flight than a burst may have."""
    clock = FakeClock()
    admission = Admission(LIMIT, clock.monotonic)

    assert sum(admission.admits() for _ in range(100 * LIMIT)) == LIMIT * BURST_FACTOR


def test_after_an_overload_a_burst_is_served_again() -> None:
    """What was refused once is not held against anybody."""
    clock = FakeClock()
    admission, _ = queue(clock, arrivals=3, served=2, ticks=1_000)
    while admission.in_flight:
        admission.left()

    assert all(admission.admits() for _ in range(LIMIT * BURST_FACTOR))


def test_a_burst_long_ago_is_forgotten_under_steady_load() -> None:
    """A queue that never shrinks to half of the limit, because the store is slow, is no queue that stands."""
    clock = FakeClock()
    admission = Admission(LIMIT, clock.monotonic)
    assert all(admission.admits() for _ in range(LIMIT + 1))
    for _ in range(4):
        admission.left()
    clock.ms += int(QUIET_S * 1000) + 1

    assert all(admission.admits() for _ in range(2 * LIMIT))
