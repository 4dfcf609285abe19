"""The small parts: enums, sparse log, stopwatch, answers of a newer sidecar, and the package itself."""

from __future__ import annotations

import logging
from enum import StrEnum
from importlib.resources import files

import grpc
import learning_client
import pytest
from learning_client import Mode, ReleaseOutcome, RewardOutcome, Shield, ShieldEffect, Source, _answers
from learning_client._calls import METHODS, Failure
from learning_client._log import SparseLog
from learning_client._observations import Observations
from learning_client._terms import SOURCES
from learning_client.v1 import learning_pb2 as pb

from .drivers import Unchecked


class _Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("terms", "wire", "prefix", "own"),
    [
        (Source, pb.Source, "SOURCE_", {"fallback"}),
        (Mode, pb.Mode, "MODE_", set()),
        (Shield, pb.Shield, "SHIELD_", set()),
        (ShieldEffect, pb.ShieldEffect, "SHIELD_EFFECT_", set()),
        (RewardOutcome, pb.RewardOutcome, "REWARD_OUTCOME_", {"unsent"}),
        (ReleaseOutcome, pb.ReleaseOutcome, "RELEASE_OUTCOME_", {"unsent"}),
    ],
)
def test_every_value_of_the_api_has_a_name_here(
    terms: type[StrEnum], wire: Unchecked, prefix: str, own: set[str]
) -> None:
    """The enums are those of the API, plus the client's own words."""
    assert {name.removeprefix(prefix).lower() for name, _ in wire.items()} | own == {term.value for term in terms}


def test_a_value_of_a_newer_sidecar_is_unspecified() -> None:
    """A number that this client does not know is no error."""
    assert Source.UNSPECIFIED is SOURCES[99]


def test_a_warning_is_repeated_after_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Each kind is logged at most once a minute, and the next one counts those that were held back."""
    clock = _Clock()
    log = SparseLog(clock)
    caplog.set_level(logging.WARNING, logger="learning_client")
    for _ in range(3):
        log.note("away", "gone: %s", "why")
    log.note("other", "another matter")
    for _ in range(2):
        clock.now += 60
        log.note("away", "gone: %s", "why")

    assert [record.getMessage() for record in caplog.records] == [
        "gone: why",
        "another matter",
        "gone: why (2 more like this since the last such message)",
        "gone: why",
    ]


def test_the_stopwatch_measures_from_start_to_the_first_stop() -> None:
    """Latency is in milliseconds, and a second stop does not move it."""
    clock = _Clock()
    observed = Observations(SparseLog(), clock)
    observed.start()
    clock.now += 0.25
    observed.stop()
    clock.now += 1
    observed.stop()

    assert observed.values() == {"latency_ms": 250.0}


def test_a_stopwatch_that_never_started_measures_nothing() -> None:
    """Without a block there is no latency to report."""
    observed = Observations(SparseLog())
    observed.stop()

    assert observed.values() == {}


def test_an_act_of_days_is_reported_as_a_day() -> None:
    """The API takes latencies up to a day, and a longer one must not cost the whole report."""
    clock = _Clock()
    observed = Observations(SparseLog(), clock)
    observed.start()
    clock.now += 200_000
    observed.stop()

    assert observed.values() == {"latency_ms": 86_400_000.0}


def test_a_foreign_number_that_raises_is_dropped() -> None:
    """Some types raise whatever they like when asked for a float; the app does not see it."""

    class Tensor:
        def __float__(self) -> float:
            raise RuntimeError

    observed = Observations(SparseLog())
    observed.add({"quality": Tensor(), "safety": 1})

    assert observed.values() == {"safety": 1.0}


@pytest.mark.parametrize("outcome", [pb.REWARD_OUTCOME_LATE, pb.REWARD_OUTCOME_UNKNOWN])
def test_a_reward_that_does_not_count_is_logged(outcome: pb.RewardOutcome, caplog: pytest.LogCaptureFixture) -> None:
    """Feedback that silently does not count is the hardest fault to find, so it is said."""
    request = pb.RewardRequest(domain="route", decision_id="request-17")
    result = _answers.reward(request, pb.RewardResponse(outcome=outcome), SparseLog())

    assert f"the reward of decision request-17 (route) came {result.outcome}" in caplog.text
    assert result.reward is None


def test_an_answer_of_the_wrong_kind_is_no_answer() -> None:
    """A transport that mixes up its answers is treated as one that failed."""
    ask = pb.RecommendRequest(domain="route", candidates=[pb.Candidate(arm="a")])
    log = SparseLog()

    assert Source.FALLBACK is _answers.decision(ask, pb.RewardResponse(), log).source
    assert _answers.reward(pb.RewardRequest(), pb.RecommendResponse(), log).reason == "BAD_ANSWER: RecommendResponse"
    assert _answers.release(pb.ReleaseRequest(), pb.RewardResponse(), log).reason == "BAD_ANSWER: RewardResponse"


def test_a_failure_says_what_is_known() -> None:
    """A failure reads as its code and its details, whatever raised it."""
    assert str(Failure.of(KeyError("x"))) == "KeyError: 'x'"
    assert str(Failure.of(grpc.RpcError())) == "RpcError"


def test_the_methods_are_those_of_the_service() -> None:
    """Path, request and answer of each method are what the API declares."""
    service = pb.DESCRIPTOR.services_by_name["Learning"]
    for method in METHODS:
        declared = service.methods_by_name[method.name]
        assert f"/{service.full_name}/{declared.name}" == method.path
        assert declared.input_type is method.request.DESCRIPTOR
        assert declared.output_type is method.answer.DESCRIPTOR


def test_the_public_names_are_sorted_and_there() -> None:
    """`__all__` is the API: in order, importable, and free of private names."""
    names = learning_client.__all__

    assert sorted(names) == names
    assert all(hasattr(learning_client, name) and not name.startswith("_") for name in names)


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers read the annotations only beside a py.typed."""
    assert files(learning_client).joinpath("py.typed").is_file()
