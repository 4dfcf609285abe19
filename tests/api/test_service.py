"""Goal: the service as a client sees it. Method: a real sidecar process, a real server, real gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub
from tests.conftest import Sidecars

METHODS = (
    "Recommend",
    "RecommendBatch",
    "Reward",
    "RewardBatch",
    "Release",
    "Snapshot",
    "Restore",
    "Status",
    "SetMode",
)


@pytest.fixture
async def channel(sidecars: Sidecars) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a fresh sidecar."""
    async with grpc.aio.insecure_channel(sidecars().address) as one:
        yield one


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    """A stub of a fresh sidecar."""
    return LearningStub(channel)


def ask(workspace: str, *arms: str, **more: Any) -> pb.RecommendRequest:
    """A request for a decision in domain route."""
    candidates = [pb.Candidate(arm=arm) for arm in arms or ("a", "b")]
    return pb.RecommendRequest(workspace=workspace, domain=more.pop("domain", "route"), candidates=candidates, **more)


def bad_request(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str]:
    """The status, and the field that BadRequest names."""
    raw = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(bytes(raw))
    bad = error_details_pb2.BadRequest()
    status.details[1].Unpack(bad)
    return error.code(), bad.field_violations[0].field


async def test_a_new_domain_shadows(stub: Any, workspace: str) -> None:
    """Nothing learned is executed before somebody asks for it."""
    decisions = [await stub.Recommend(ask(workspace)) for _ in range(20)]

    assert {one.arm for one in decisions} == {"a"}
    assert {one.mode for one in decisions} == {pb.MODE_SHADOW}
    assert {one.proposal for one in decisions} == {"a", "b"}


async def test_a_retry_gets_the_same_answer(stub: Any, workspace: str) -> None:
    """The same decision_id replays arm and propensity, and records nothing more."""
    first = await stub.Recommend(ask(workspace, decision_id="one"))
    again = await stub.Recommend(ask(workspace, decision_id="one"))
    status = await stub.Status(pb.StatusRequest(workspace=workspace, domain="route"))

    assert again.source == pb.SOURCE_REPLAY
    assert (again.arm, again.propensity, again.proposal) == (first.arm, first.propensity, first.proposal)
    assert status.domains[0].decisions == 1


async def test_a_reward_counts_once(stub: Any, workspace: str) -> None:
    """Applied, then duplicate; an id that nobody knows is unknown."""
    await stub.Recommend(ask(workspace, decision_id="one"))
    report = pb.RewardRequest(
        workspace=workspace, domain="route", decision_id="one", signals=pb.Signals(quality=0.5, safety=1.0)
    )
    first, again = await stub.Reward(report), await stub.Reward(report)
    report.decision_id = "nobody"

    assert (first.outcome, first.reward, first.arm) == (pb.REWARD_OUTCOME_APPLIED, 0.75, "a")
    assert list(first.missing) == ["groundedness"]
    assert again.outcome == pb.REWARD_OUTCOME_DUPLICATE
    assert (await stub.Reward(report)).outcome == pb.REWARD_OUTCOME_UNKNOWN


async def test_partial_reports_join(stub: Any, workspace: str) -> None:
    """Cost now, quality later: one reward, one cost, and the first value of a signal stays."""
    await stub.Recommend(ask(workspace, decision_id="one"))
    part = pb.RewardRequest(
        workspace=workspace, domain="route", decision_id="one", more_to_come=True,
        signals=pb.Signals(cost_usd=0.25),
    )  # fmt: skip
    rest = pb.RewardRequest(
        workspace=workspace, domain="route", decision_id="one", signals=pb.Signals(quality=0.5, cost_usd=9.0)
    )
    collected, applied = await stub.Reward(part), await stub.Reward(rest)
    status = await stub.Status(pb.StatusRequest(workspace=workspace, domain="route"))

    assert (collected.outcome, applied.outcome) == (pb.REWARD_OUTCOME_COLLECTED, pb.REWARD_OUTCOME_APPLIED)
    assert applied.reward == 0.5
    assert status.budget.spent_usd == 0.25


async def test_a_release_gives_the_money_back(stub: Any, workspace: str) -> None:
    """What was reserved is free again, and a second release says so."""
    request = ask(workspace, decision_id="one")
    request.candidates[0].cost_ceiling_usd = 0.5
    decision = await stub.Recommend(request)
    release = pb.ReleaseRequest(workspace=workspace, domain="route", decision_id="one")
    outcomes = [(await stub.Release(release)).outcome for _ in range(2)]
    status = await stub.Status(pb.StatusRequest(workspace=workspace))

    assert decision.reserved_usd == 0.5
    assert outcomes == [pb.RELEASE_OUTCOME_RELEASED, pb.RELEASE_OUTCOME_ALREADY_CLOSED]
    assert status.budget.reserved_usd == 0


async def test_batches_answer_in_order(stub: Any, workspace: str) -> None:
    """A bad item fails alone, with the field that is wrong."""
    good, bad = ask(workspace, "x", "y"), ask(workspace, "x", "x")
    answer = await stub.RecommendBatch(pb.RecommendBatchRequest(requests=[good, bad, good]))
    rewards = [
        pb.RewardRequest(workspace=workspace, domain="route", decision_id=one.response.decision_id or "none")
        for one in answer.results
    ]
    for one in rewards:
        one.signals.reward = 1.0
    settled = await stub.RewardBatch(pb.RewardBatchRequest(requests=rewards))

    assert [one.WhichOneof("result") for one in answer.results] == ["response", "error", "response"]
    assert (answer.results[1].error.code, answer.results[1].error.field) == (3, "candidates")
    assert [one.response.outcome for one in settled.results] == [
        pb.REWARD_OUTCOME_APPLIED,
        pb.REWARD_OUTCOME_UNKNOWN,
        pb.REWARD_OUTCOME_APPLIED,
    ]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RecommendRequest(candidates=[pb.Candidate(arm="a")]), "domain"),
        (pb.RecommendRequest(domain="d"), "candidates"),
        (pb.RecommendRequest(domain="d", candidates=[pb.Candidate(arm="\x00")]), "candidates[0].arm"),
        (pb.RecommendRequest(domain="d", candidates=[pb.Candidate(arm="a" * 129)]), "candidates[0].arm"),
        (pb.RecommendRequest(tenant="\n", domain="d", candidates=[pb.Candidate(arm="a")]), "tenant"),
        (
            pb.RecommendRequest(domain="d", candidates=[pb.Candidate(arm="a", cost_ceiling_usd=-1)]),
            "candidates[0].cost_ceiling_usd",
        ),
        (
            pb.RecommendRequest(domain="d", candidates=[pb.Candidate(arm="a")], context={"x": float("nan")}),
            "context[x]",
        ),
        (pb.RecommendRequest(domain="d", candidates=[pb.Candidate(arm="a")], max_latency_ms=0), "max_latency_ms"),
        (pb.RecommendRequest(domain="d", candidates=[pb.Candidate(arm="a")], decision_id="a b"), "decision_id"),
        (
            pb.RecommendRequest(domain="d", candidates=[pb.Candidate(arm="a")], reward_deadline_ms=-5),
            "reward_deadline_ms",
        ),
    ],
)
async def test_invalid_fields_are_named(stub: Any, request_: pb.RecommendRequest, field: str) -> None:
    """INVALID_ARGUMENT with BadRequest that names the field."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Recommend(request_)

    assert bad_request(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, field)


@pytest.mark.parametrize(
    ("signals", "field"),
    [
        (pb.Signals(quality=1.5), "signals.quality"),
        (pb.Signals(reward=float("inf")), "signals.reward"),
        (pb.Signals(cost_usd=-1), "signals.cost_usd"),
        (pb.Signals(latency_ms=float("nan")), "signals.latency_ms"),
        (pb.Signals(), "signals"),
    ],
)
async def test_invalid_signals_lose_nothing(stub: Any, workspace: str, signals: pb.Signals, field: str) -> None:
    """A refused report leaves the decision open, so that a good one still counts."""
    await stub.Recommend(ask(workspace, decision_id="one"))
    report = pb.RewardRequest(workspace=workspace, domain="route", decision_id="one", signals=signals)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Reward(report)
    report.signals.CopyFrom(pb.Signals(reward=1))

    assert bad_request(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert (await stub.Reward(report)).outcome == pb.REWARD_OUTCOME_APPLIED


@pytest.mark.parametrize("method", METHODS)
async def test_malformed_bytes_are_invalid(channel: grpc.aio.Channel, method: str) -> None:
    """grpc.aio's own answer would be UNKNOWN with the exception's text."""
    call = channel.unary_unary(f"/learning.v1.Learning/{method}")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"\xff\xff\xff\xff")

    assert bad_request(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "request")


async def test_admin_calls_know_their_domains(stub: Any, workspace: str) -> None:
    """A domain that is neither configured nor in the store is NOT_FOUND; one that was used is found."""
    for call, request in (
        (stub.Status, pb.StatusRequest(workspace=workspace, domain="mine")),
        (stub.SetMode, pb.SetModeRequest(workspace=workspace, domain="mine", mode=pb.MODE_SHADOW)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(request)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    await stub.Recommend(ask(workspace, domain="mine"))
    assert (await stub.Status(pb.StatusRequest(workspace=workspace, domain="mine"))).domains[0].decisions == 1


async def test_set_mode_reaches_every_sidecar(sidecars: Sidecars, workspace: str) -> None:
    """The other sidecar obeys with its next decision, and status keeps the reason."""
    async with (
        grpc.aio.insecure_channel(sidecars().address) as one,
        grpc.aio.insecure_channel(sidecars().address) as other,
    ):
        here, there = LearningStub(one), LearningStub(other)
        before = await there.Recommend(ask(workspace))
        await here.SetMode(
            pb.SetModeRequest(
                workspace=workspace,
                domain="route",
                mode=pb.MODE_UNGATED,
                reason="because",
                settings={"policy": {"name": "epsilon_greedy", "parameters": {"epsilon": 1.0}}},
            )
        )
        after = await there.Recommend(ask(workspace))
        status = await there.Status(pb.StatusRequest(workspace=workspace, domain="route"))

    assert (before.mode, after.mode, after.policy) == (pb.MODE_SHADOW, pb.MODE_UNGATED, "epsilon_greedy")
    assert after.propensity == 0.5
    assert status.domains[0].mode_reason == "because"


async def test_set_mode_refuses_bad_settings(stub: Any, workspace: str) -> None:
    """The key is named, and nothing is in force."""
    request = pb.SetModeRequest(
        workspace=workspace, domain="route", mode=pb.MODE_UNGATED, settings={"budget": {"limit_usd": -1}}
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.SetMode(request)

    assert bad_request(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "settings.budget.limit_usd")
    assert (await stub.Recommend(ask(workspace))).mode == pb.MODE_SHADOW


async def test_refusal_is_an_answer(stub: Any, workspace: str) -> None:
    """With nothing affordable and `refuse` declared: OK, no arm, and the shield says why."""
    settings = {"budget": {"limit_usd": 0.001, "when_exhausted": "refuse"}}
    await stub.SetMode(pb.SetModeRequest(workspace=workspace, domain="route", mode=pb.MODE_UNGATED, settings=settings))
    request = ask(workspace)
    for candidate in request.candidates:
        candidate.cost_ceiling_usd = 1.0
    answer = await stub.Recommend(request)

    assert (answer.arm, answer.outcome) == ("", pb.RECOMMEND_OUTCOME_REFUSED)
    assert answer.shields[-1].effect == pb.SHIELD_EFFECT_REFUSED


async def test_a_seeded_snapshot_replays(stub: Any, workspace: str) -> None:
    """Restored into another workspace, exploration goes on as it would have."""
    settings = {"policy": {"name": "thompson", "seed": 5}, "posterior_refresh_ms": 0}
    for name in (workspace, workspace + "2"):
        await stub.SetMode(pb.SetModeRequest(workspace=name, domain="route", mode=pb.MODE_UNGATED, settings=settings))
    for _ in range(10):
        decision = await stub.Recommend(ask(workspace, "a", "b", "c"))
        signals = pb.Signals(reward=0.5)
        await stub.Reward(
            pb.RewardRequest(workspace=workspace, domain="route", decision_id=decision.decision_id, signals=signals)
        )
    document = (await stub.Snapshot(pb.SnapshotRequest(workspace=workspace))).document_json
    await stub.Restore(pb.RestoreRequest(workspace=workspace + "2", document_json=document))
    here = [(await stub.Recommend(ask(workspace, "a", "b", "c"))).arm for _ in range(50)]
    there = [(await stub.Recommend(ask(workspace + "2", "a", "b", "c"))).arm for _ in range(50)]

    assert here == there
    assert len(set(here)) == 3
