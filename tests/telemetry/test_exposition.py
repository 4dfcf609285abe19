"""What Prometheus is given is read back with Prometheus' own parser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from sidecar.telemetry.exposition import exposition, merged
from sidecar.telemetry.instruments import Durations, Gauge, Instrument, States, Tally

Sample = tuple[str, tuple[tuple[str, str], ...], float]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(['"', "\\", "\n", '\\n"'])


def read(*instruments: Instrument) -> tuple[dict[str, str], list[Sample]]:
    """Read an exposition: the kind of each family, and all samples."""
    families = list(text_string_to_metric_families(exposition(instruments)))
    samples = [(one.name, tuple(one.labels.items()), one.value) for family in families for one in family.samples]
    return {family.name: family.type for family in families}, samples


@given(counts=st.dictionaries(st.tuples(TEXTS, TEXTS), st.integers(0, 2**53), max_size=5))
def test_counts_arrive_whatever_their_labels_hold(counts: dict[tuple[str, str], int]) -> None:
    """Each count comes with its labels, to the last character and the last unit."""
    tally = Tally("spins", "Turns of the wheel", "colour", "wheel")
    for labels, count in counts.items():
        tally.add(*labels, count=count)
    kinds, samples = read(tally)
    assert kinds == {"spins": "counter"}
    assert samples == [("spins_total", (("colour", c), ("wheel", w)), float(n)) for (c, w), n in counts.items()]


def test_a_count_without_labels_begins_at_nothing() -> None:
    """What never happened shows as 0, so that a rate can be taken from the first time on."""
    assert read(Tally("swept", "Closed")) == ({"swept": "counter"}, [("swept_total", (), 0.0)])


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    """The value is that of the moment; a truth is 1."""
    gauge = Gauge("up", "Whether it is up")
    assert read(gauge) == ({"up": "gauge"}, [("up", (), 0.0)])
    gauge.read = lambda: True
    assert read(gauge)[1] == [("up", (), 1.0)]


def test_of_several_states_one_is_true() -> None:
    """All are named at any time, so that none is missing from a graph."""
    door = States("door", "How the door is", ("closed", "open"))
    shut = ("door", (("state", "closed"),), 1.0), ("door", (("state", "open"),), 0.0)
    assert read(door) == ({"door": "gauge"}, list(shut))
    door.read = lambda: "open"
    assert [value for _, _, value in read(door)[1]] == [0.0, 1.0]


@given(seconds=st.lists(st.floats(0, 10), max_size=20))
def test_durations_are_a_histogram(seconds: list[float]) -> None:
    """Buckets are cumulative and hold what is not above their bound; count and sum are those of all."""
    durations = Durations("wait_seconds", "Time in the queue", (0.1, 1.0))
    for one in seconds:
        durations.observe(one)
    kinds, samples = read(durations)
    assert kinds == {"wait_seconds": "histogram"}
    assert samples == [
        ("wait_seconds_bucket", (("le", "0.1"),), sum(one <= 0.1 for one in seconds)),
        ("wait_seconds_bucket", (("le", "1.0"),), sum(one <= 1.0 for one in seconds)),
        ("wait_seconds_bucket", (("le", "+Inf"),), len(seconds)),
        ("wait_seconds_count", (), len(seconds)),
        ("wait_seconds_sum", (), durations.total),
    ]


@given(counts=st.lists(st.dictionaries(st.tuples(TEXTS), st.integers(0, 99), max_size=3), min_size=1, max_size=3))
def test_several_processes_are_told_apart(counts: list[dict[tuple[str], int]]) -> None:
    """Each sample of each process is there once, with whose it is, in one family."""
    texts = {}
    for number, one in enumerate(counts):
        tally, swept = Tally("spins", "Turns of the wheel", "colour"), Tally("swept", "Closed")
        for labels, count in one.items():
            tally.add(*labels, count=count)
        texts[str(number)] = exposition([tally, swept])
    families = list(text_string_to_metric_families(merged(texts, "worker")))
    assert [family.name for family in families] == ["spins", "swept"]
    samples = [(one.labels["worker"], one.labels["colour"], one.value) for one in families[0].samples]
    assert samples == [(str(at), *labels, float(n)) for at, one in enumerate(counts) for labels, n in one.items()]
    assert [one.labels for one in families[1].samples] == [{"worker": number} for number in texts]
