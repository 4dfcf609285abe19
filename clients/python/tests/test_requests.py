"""The line between a mistake in the program, which raises, and bad data, which is left out."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from learning_client._log import SparseLog
from learning_client._requests import RequestBuilder

from .drivers import Unchecked

ARMS = ["small", "large"]


@pytest.fixture
def build() -> RequestBuilder:
    """Build requests for the default workspace."""
    return RequestBuilder("default", "main", SparseLog())


@pytest.mark.parametrize(
    ("domain", "candidates", "error", "says"),
    [
        ("route", [], ValueError, "1 to 1000 arms, got 0"),
        ("route", ["a"] * 1_001, ValueError, "1 to 1000 arms, got 1001"),
        ("route", ["a", "b", "a"], ValueError, "each arm once"),
        ("route", ["a", ""], ValueError, "arm must have 1 to 128 printable characters"),
        ("route", ["a" * 129], ValueError, "arm must have"),
        ("route", ["a\n"], ValueError, "arm must have"),
        ("route", ["\ud800"], ValueError, "arm must have"),
        ("route", ["a", 7], TypeError, "arm must be a string, not int"),
        ("route", "small", TypeError, "candidates must be a list or tuple of arms, not str"),
        ("route", {"a", "b"}, TypeError, "not set"),
        ("route", None, TypeError, "not NoneType"),
        ("", ["a"], ValueError, "domain must have"),
        (None, ["a"], TypeError, "domain must be a string"),
    ],
)
def test_a_wrong_name_raises(
    build: RequestBuilder, domain: Unchecked, candidates: Unchecked, error: type[Exception], says: str
) -> None:
    """Domains and candidates come from the program, so it is told at once what is wrong with them."""
    with pytest.raises(error, match=says):
        build.recommend(domain, candidates)


@pytest.mark.parametrize("decision_id", ["", "a b", "é", "a" * 129, "a\t"])
def test_a_wrong_id_raises(build: RequestBuilder, decision_id: str) -> None:
    """An id that the API would refuse is refused here, before the app relies on it."""
    with pytest.raises(ValueError, match="decision_id must have"):
        build.recommend("route", ARMS, decision_id=decision_id)


def test_an_unknown_option_raises(build: RequestBuilder) -> None:
    """A misspelt option is a TypeError, as for any function."""
    options: dict[str, Unchecked] = {"max_latency": 5}
    with pytest.raises(TypeError, match="max_latency"):
        build.recommend("route", ARMS, **options)


def test_every_decision_has_its_own_id(build: RequestBuilder) -> None:
    """The client makes the id, so that a retried request is the same decision."""
    ids = {build.recommend("route", ARMS).decision_id for _ in range(100)}

    assert len(ids) == 100
    assert all(len(decision_id) == 32 for decision_id in ids)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", None, [1], object(), 10**400])
def test_a_bad_feature_is_left_out(build: RequestBuilder, value: Unchecked, caplog: pytest.LogCaptureFixture) -> None:
    """What is not a finite number is logged and left out; the other features are sent."""
    request = build.recommend("route", ARMS, context={"bad": value, "good": 1})

    assert dict(request.context) == {"good": 1.0}
    assert "left out context['bad']" in caplog.text


@pytest.mark.parametrize("value", [1, 1.0, True, Decimal(1)])
def test_whatever_is_a_number_is_sent(build: RequestBuilder, value: Unchecked) -> None:
    """A feature may be any type that converts to float."""
    assert dict(build.recommend("route", ARMS, context={"x": value}).context) == {"x": 1.0}


def test_a_feature_needs_a_name(build: RequestBuilder) -> None:
    """A feature whose name the API would refuse is left out too."""
    context: dict[Unchecked, float] = {"": 1.0, "\ud800": 1.0, 7: 1.0, "x": 1.0}

    assert dict(build.recommend("route", ARMS, context=context).context) == {"x": 1.0}


def test_a_context_has_64_features(build: RequestBuilder, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond 64, features are logged and left out instead of having the request refused."""
    request = build.recommend("route", ARMS, context={f"f{index}": float(index) for index in range(70)})

    assert {f"f{index}" for index in range(64)} == set(request.context)
    assert "a context has 70 features; only 64 were sent" in caplog.text


@pytest.mark.parametrize("ceiling_usd", [-0.01, 1e6 + 1, math.nan, "1"])
def test_a_bad_ceiling_is_left_out(build: RequestBuilder, ceiling_usd: Unchecked) -> None:
    """Without a usable ceiling, the domain's own applies."""
    request = build.recommend("route", ARMS, cost_ceilings_usd={"small": ceiling_usd, "large": 0})

    assert [candidate.HasField("cost_ceiling_usd") for candidate in request.candidates] == [False, True]


@pytest.mark.parametrize(("given_ms", "sent_ms"), [(1_500, 1_500.0), (0, 0.001), (-20.0, 0.001), (0.5, 0.5)])
def test_when_time_is_up_the_fastest_is_asked_for(build: RequestBuilder, given_ms: float, sent_ms: float) -> None:
    """A remaining time of 0 or less is sent as the smallest one, not as no limit."""
    assert sent_ms == build.recommend("route", ARMS, max_latency_ms=given_ms).max_latency_ms


@pytest.mark.parametrize("given_ms", [None, math.nan, math.inf, "soon"])
def test_no_limit_is_no_field(build: RequestBuilder, given_ms: Unchecked) -> None:
    """What is no time leaves the domain's limit in force."""
    assert not build.recommend("route", ARMS, max_latency_ms=given_ms).HasField("max_latency_ms")


@pytest.mark.parametrize("given_ms", [None, 0, -1, 604_800_001, math.nan])
def test_a_bad_deadline_is_left_out(build: RequestBuilder, given_ms: Unchecked) -> None:
    """What is no deadline leaves the domain's deadline in force."""
    assert not build.recommend("route", ARMS, reward_deadline_ms=given_ms).HasField("reward_deadline_ms")
