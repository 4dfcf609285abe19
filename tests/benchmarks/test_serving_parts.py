"""The parts of the benchmark of serving that need no server: arithmetic, what h2load says, frames, bodies."""

from __future__ import annotations

import doctest
import importlib
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
from serving import bodies, http2
from serving.arithmetic import percentile, ratios, spread
from serving.errors import CannotMeasure
from serving.figures import FIGURES, Figure
from serving.load import INSTALL, H2load, Shape, logged, parsed
from serving.paced import arrivals

from sidecar.v1 import learning_pb2 as pb

H2LOAD = """\
finished in {finished}, {rate} req/s, 783.27KB/s
requests: 2000 total, 2000 started, 2000 done, {good} succeeded, {bad} failed, 0 errored, 0 timeout
status codes: {good} 2xx, 0 3xx, 0 4xx, {bad} 5xx
"""


@pytest.mark.parametrize("module", ["arithmetic", "bodies", "charts", "http2", "tables"])
def test_examples_in_docstrings_are_true(module: str) -> None:
    """Benchmarks are no package that pytest collects, so their examples are run here."""
    result = doctest.testmod(importlib.import_module(f"serving.{module}"))

    assert result.attempted > 0
    assert result.failed == 0


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """The nearest rank: no value is made up between two."""
    values = [float(k) for k in range(1000, 0, -1)]

    assert percentile(values, 0.5) == 500
    assert percentile(values, 0.99) == 990
    assert percentile([3.0, 4.0], 0.99) == 4


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that becomes three times as slow changes no ratio."""
    found = ratios([200.0, 100.0, 66.0], [100.0, 50.0, 33.0])

    assert found is not None
    assert found.rounds == (2.0, 2.0, 2.0)


def test_a_round_without_one_side_has_no_ratio() -> None:
    """What was not measured is left out, and nothing is compared with 0."""
    assert ratios([None, 1.0, 3.0], [1.0, 0.0, 2.0]) == spread([1.5])
    assert ratios([None], [1.0]) is None


@pytest.mark.parametrize(
    ("finished", "rate", "expected"),
    [("439.11ms", "4554.70", 4554.7), ("1.54s", "1299.76", 1299.76), ("750us", "0.00", 2000 / 750e-6)],
)
def test_what_h2load_prints_is_understood(finished: str, rate: str, expected: float) -> None:
    """Requests, failures, and the rate, whatever the unit of the time."""
    total, failed, found = parsed(H2LOAD.format(finished=finished, rate=rate, good=1990, bad=10))

    assert (total, failed) == (2000, 10)
    assert math.isclose(found, expected)


def test_a_load_that_did_not_finish_is_no_result() -> None:
    """The end of what it said is in the error."""
    with pytest.raises(CannotMeasure, match="connection refused"):
        parsed("starting benchmark...\nconnection refused\n")


def test_only_answers_with_status_200_have_a_latency() -> None:
    """Failed streams are counted, not timed."""
    assert logged(["1700000000000000\t200\t180", "1700000000000100\t-1\t9", "1700000000000200\t503\t7"]) == ((180,), 2)


def test_a_missing_load_generator_is_said_with_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """People see one sentence that they can act on."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CannotMeasure, match=re.escape(INSTALL)):
        H2load(tmp_path)


def test_shapes_are_named_by_what_is_in_flight() -> None:
    """Connections times streams."""
    assert str(Shape(8, 8)) == "64 in flight"


def test_frames_are_taken_as_they_become_whole() -> None:
    """A frame that arrives byte by byte is one frame, and what follows stays."""
    wire, buffer, found = http2.frame(http2.DATA, http2.END_STREAM, 7, b"abc") + b"\0", bytearray(), []
    for byte in wire:
        buffer.append(byte)
        found += list(http2.taken(buffer))

    assert found == [http2.Frame(http2.DATA, http2.END_STREAM, 7, b"abc")]
    assert buffer == b"\0"


def test_a_header_is_a_literal_without_indexing() -> None:
    """Each is 0, a length, a name, a length, a value: the same bytes in every request."""
    block = http2.header_block("/a.B/C", "127.0.0.1:1")

    assert block.startswith(b"\0\x07:method\x04POST")
    assert b"\0\x05:path\x06/a.B/C" in block
    with pytest.raises(ValueError, match="too long"):
        http2.header_block("/" * 200, "a")


def test_arrivals_are_as_many_as_asked_for_and_not_regular() -> None:
    """A Poisson process: within five standard deviations, with exponential gaps, and the same for the same seed."""
    due = arrivals(1000.0, 4.0, 1)
    gaps = [after - before for before, after in pairwise(due)]

    assert abs(len(due) - 4000) < 5 * math.sqrt(4000)
    assert 0.3 < sum(gap > 0.001 for gap in gaps) / len(gaps) < 0.43  # 1/e
    assert due == sorted(due) == arrivals(1000.0, 4.0, 1)


def test_the_request_to_ratelimit_is_the_protocol_s() -> None:
    """Field by field: domain, descriptors, entries, key and value."""
    entry = b"\x0a\x06tenant\x12\x04acme"

    assert bodies.should_rate_limit() == b"\x0a\x05bench\x12\x10\x0a\x0e" + entry
    assert bodies.is_ok(b"\x08\x01\x12\x00")
    assert not bodies.is_ok(b"\x08\x02")


def test_the_load_names_no_decision() -> None:
    """One body is sent again and again, and each time it must be a new decision, with money to reserve."""
    request = pb.RecommendRequest.FromString(bodies.recommend().SerializeToString())

    assert request.decision_id == ""
    assert len({one.cost_ceiling_usd for one in request.candidates}) == len(request.candidates) == 3


@pytest.mark.parametrize(
    ("better", "value", "expected"), [("higher", 2.0, True), ("higher", 0.5, False), ("lower", 0.5, True)]
)
def test_a_target_is_a_bound_on_the_better_side(better: str, value: float, expected: bool) -> None:
    """At least so much where more is better, else at most."""
    one = Figure("x", "x", better, 1.0)

    assert one.meets("grpcio", value) is expected
    assert one.meets("native", value) is None
    assert one.meets("grpcio", None) is None


def test_every_figure_is_named_once() -> None:
    """A name is a key of the document."""
    names = [one.name for one in FIGURES]

    assert len(names) == len(set(names))
    assert {one.better for one in FIGURES} == {"higher", "lower"}
