"""What the app feels when the sidecar is missing, late, failing or dying.

Goal: the first candidate within the deadline, nothing raised, no reward for a decision that does not exist. Method:
addresses where nobody listens, and a server that waits, fails or stops on command.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from learning_client import AsyncLearningClient, Decision, LearningClient, ReleaseOutcome, RewardOutcome, Source
from learning_client.v1 import learning_pb2 as pb

from .conftest import Connect
from .drivers import Driver
from .scripted import ScriptedSidecar, chosen

ARMS = ["small", "large"]
# What a busy machine may add to a deadline, in milliseconds.
SLACK_MS = 50


@pytest.fixture
def nowhere() -> str:
    """Return an address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def _elapsed_ms(action: Callable[[], object]) -> float:
    start = time.monotonic()
    action()
    return (time.monotonic() - start) * 1_000


def _nothing(decision: object) -> None:
    del decision


def _assert_fallback(decision: Decision) -> None:
    assert Source.FALLBACK is decision.source
    assert "small" == decision.arm == decision.baseline
    assert decision.propensity == 1.0
    assert decision.degraded
    assert not decision.recorded
    assert not decision.refused


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_without_a_sidecar_the_first_candidate_is_used(
    connect: Connect, nowhere: str, tmp_path: Path, kind: str
) -> None:
    """Nobody listens: the block runs with the first candidate, and nothing is reported."""
    client = connect(nowhere if kind == "tcp" else f"unix:{tmp_path}/none.sock")
    decision = client.block(lambda decision: decision.observe(quality=1.0), "route", ARMS)

    _assert_fallback(decision)
    assert decision.report is None


def test_an_absent_sidecar_is_noticed_at_once(connect: Connect, nowhere: str) -> None:
    """Nobody listens: a call fails without waiting for its deadline, seconds away here, or a retry."""
    client = connect(nowhere)
    client.recommend("route", ARMS)
    took_ms = [_elapsed_ms(lambda: client.recommend("route", ARMS)) for _ in range(20)]

    assert statistics.median(took_ms) < 5


def test_the_deadline_is_kept(connect: Connect, sidecar: ScriptedSidecar) -> None:
    """A sidecar that does not answer costs the app the time-out, and no more.

    The shortest of five waits: a machine that stands still lengthens one, a client that waits too long all.
    """
    client = connect(sidecar.address, timeout_ms=50)
    client.recommend("route", ARMS)
    sidecar.slow = True
    took_ms = [_elapsed_ms(lambda: _assert_fallback(client.recommend("route", ARMS))) for _ in range(5)]

    assert 45 <= min(took_ms) <= 50 + SLACK_MS


def test_a_missed_answer_is_released(connect: Connect, sidecar: ScriptedSidecar) -> None:
    """The late sidecar may have reserved money for a decision that nobody acts on: the block gives it back."""
    client = connect(sidecar.address, timeout_ms=1_000)
    sidecar.slow = True

    def body(decision: Decision) -> None:
        _assert_fallback(decision)
        sidecar.slow = False

    decision = client.block(body, "route", ARMS)

    assert decision.answer_missed
    assert [decision.decision_id] == [release.decision_id for release in sidecar.releases]
    assert not sidecar.rewards


def test_a_sidecar_that_dies_during_the_act_is_survived(client: Driver, sidecar: ScriptedSidecar) -> None:
    """The reward is lost, and says so; the app does not notice."""
    decision = client.block(lambda _: sidecar.stop(), "route", ARMS)

    assert decision.arm == "large"
    assert decision.report is not None
    assert RewardOutcome.UNSENT is decision.report.outcome
    assert decision.report.reason.startswith("UNAVAILABLE")


def test_an_exception_survives_a_dead_sidecar(client: Driver, sidecar: ScriptedSidecar) -> None:
    """The act's own exception is never masked by a report that fails."""
    error = LookupError("the model is gone")

    def body(_: Decision) -> None:
        sidecar.stop()
        raise error

    with pytest.raises(LookupError) as caught:
        client.block(body, "route", ARMS)

    assert error is caught.value
    assert error.__context__ is None


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_any_error_is_a_fallback(client: Driver, sidecar: ScriptedSidecar, code: grpc.StatusCode) -> None:
    """Whatever status the sidecar answers, the app goes on with the first candidate."""
    sidecar.failures.extend([code] * 3)

    _assert_fallback(client.recommend("route", ARMS))


def test_an_arm_out_of_nowhere_is_not_executed(client: Driver, sidecar: ScriptedSidecar) -> None:
    """An answer that is no candidate is no answer."""

    def astray(request: pb.RecommendRequest) -> pb.RecommendResponse:
        answer = chosen(request)
        answer.arm = "unheard-of"
        return answer

    sidecar.answer = astray

    _assert_fallback(client.recommend("route", ARMS))


def test_a_retry_is_the_same_decision(client: Driver, sidecar: ScriptedSidecar) -> None:
    """A connection that is lost once is tried again with the same id, for decisions and for rewards."""
    sidecar.failures.append(grpc.StatusCode.UNAVAILABLE)
    decision = client.recommend("route", ARMS)
    sidecar.failures.append(grpc.StatusCode.UNAVAILABLE)
    result = client.reward(decision, quality=1.0)

    assert decision.arm == "large"
    assert [decision.decision_id] * 2 == [request.decision_id for request in sidecar.recommends]
    assert [decision.decision_id] * 2 == [request.decision_id for request in sidecar.rewards]
    assert RewardOutcome.DUPLICATE is result.outcome


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL])
def test_only_a_lost_connection_is_retried(client: Driver, sidecar: ScriptedSidecar, code: grpc.StatusCode) -> None:
    """An overloaded or broken sidecar is not asked again."""
    sidecar.failures.append(code)
    client.recommend("route", ARMS)

    assert len(sidecar.recommends) == 1


def test_a_sidecar_that_comes_back_is_found(connect: Connect, tmp_path: Path) -> None:
    """After an absence, decisions resume within the longest back-off, about a second."""
    address = f"unix:{tmp_path}/sidecar.sock"
    client = connect(address)
    _assert_fallback(client.recommend("route", ARMS))
    sidecar = ScriptedSidecar()
    sidecar.start(address)
    give_up = time.monotonic() + 5
    while client.recommend("route", ARMS).source is Source.FALLBACK and time.monotonic() < give_up:
        time.sleep(0.01)
    decision = client.recommend("route", ARMS)
    sidecar.stop()

    assert Source.LEARNED is decision.source


def test_an_absence_is_logged_once_a_minute(connect: Connect, nowhere: str, caplog: pytest.LogCaptureFixture) -> None:
    """Many fallbacks are one warning, which names the domain, the arm and the cause."""
    client = connect(nowhere)
    with caplog.at_level(logging.WARNING, logger="learning_client"):
        for _ in range(5):
            client.recommend("route", ARMS)

    [record] = caplog.records
    assert "no decision for route, so the first candidate small is used: UNAVAILABLE" in record.getMessage()


def test_reports_for_a_fallback_go_nowhere(connect: Connect, nowhere: str) -> None:
    """There is no such decision, so neither a reward nor a release is sent for it."""
    client = connect(nowhere)
    decision = client.recommend("route", ARMS)

    assert RewardOutcome.UNSENT is client.reward(decision, quality=1.0).outcome
    assert ReleaseOutcome.UNSENT is client.release(decision).outcome


def test_reports_without_a_sidecar_are_unsent(connect: Connect, nowhere: str) -> None:
    """Reporting by id to nobody returns unsent, with the reason."""
    client = connect(nowhere)
    reward = client.reward("request-17", domain="route", quality=1.0)
    release = client.release("request-17", domain="route")

    assert RewardOutcome.UNSENT is reward.outcome
    assert ReleaseOutcome.UNSENT is release.outcome
    assert "UNAVAILABLE" in reward.reason
    assert "UNAVAILABLE" in release.reason


def test_a_closed_client_falls_back(client: Driver) -> None:
    """An app that shuts down in the wrong order gets first candidates, not exceptions."""
    client.recommend("route", ARMS)
    client.close()

    _assert_fallback(client.block(_nothing, "route", ARMS))


def test_a_client_closed_before_use_falls_back(connect: Connect, nowhere: str) -> None:
    """Closing a client that never connected is fine, and so is asking it."""
    client = connect(nowhere)
    client.close()

    _assert_fallback(client.recommend("route", ARMS))


async def test_closing_under_a_call_does_not_cancel_the_task(sidecar: ScriptedSidecar) -> None:
    """A task that waits for a decision while another closes the client falls back and lives."""
    client = AsyncLearningClient(sidecar.address, timeout_ms=5_000)
    await client.recommend("route", ARMS)
    sidecar.slow = True
    waiting = asyncio.create_task(client.recommend("route", ARMS))
    await asyncio.to_thread(sidecar.holding.wait, 5)
    await client.close()

    _assert_fallback(await waiting)


async def test_cancelling_during_the_question_stops_the_task(sidecar: ScriptedSidecar) -> None:
    """A task that is cancelled while it waits for the sidecar is cancelled, not given a fallback."""
    sidecar.slow = True
    async with AsyncLearningClient(sidecar.address, timeout_ms=5_000) as client:
        waiting = asyncio.create_task(client.recommend("route", ARMS))
        await asyncio.to_thread(sidecar.holding.wait, 5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_cancelling_during_the_question_gives_the_decision_back(sidecar: ScriptedSidecar) -> None:
    """The sidecar may have decided all the same, and then holds money that nobody will spend."""
    sidecar.slow = True
    async with AsyncLearningClient(sidecar.address, timeout_ms=5_000) as client:

        async def decide() -> None:
            async with client.decide("route", ARMS):
                pytest.fail("the block ran")

        asking = asyncio.create_task(decide())
        await asyncio.to_thread(sidecar.holding.wait, 5)
        sidecar.slow = False
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    assert len(sidecar.releases) == 1


def test_an_interrupt_during_the_question_propagates(monkeypatch: pytest.MonkeyPatch, sidecar: ScriptedSidecar) -> None:
    """A KeyboardInterrupt while the sync client waits is the user's, and goes through."""
    with LearningClient(sidecar.address, timeout_ms=5_000) as client:

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(client._transport, "call", interrupted)
        with pytest.raises(KeyboardInterrupt), client.decide("route", ARMS):
            pytest.fail("the block ran")
