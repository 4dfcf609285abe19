"""Goal: who is refused is told why, and when to come again. Method: many more calls at once than are admitted."""

from __future__ import annotations

import asyncio

import grpc
from google.rpc import error_details_pb2, status_pb2

from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub
from tests.conftest import Sidecars

CALLS = 4000
"""More than gRPC itself lets wait for a handler unless it is told: 1,000, and 3,000 for certain."""


def refusal(error: grpc.aio.AioRpcError) -> tuple[grpc.StatusCode, str, bool]:
    """Give the status of a refusal, its reason, and whether it says when to come again."""
    [raw] = [value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"]
    reason, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    first, second = status_pb2.Status.FromString(bytes(raw)).details  # type: ignore[arg-type]  # bytes, by its key
    assert first.Unpack(reason)
    assert second.Unpack(retry)
    return error.code(), reason.reason, retry.retry_delay.ToNanoseconds() > 0


def ask(number: int) -> pb.RecommendRequest:
    """Ask for a decision."""
    return pb.RecommendRequest(domain="route", decision_id=f"d{number}", candidates=[pb.Candidate(arm="a")])


async def test_a_flood_is_answered_or_refused_in_so_many_words(sidecars: Sidecars, workspace: str) -> None:
    """None is CANCELLED without a reason; who is refused has decided nothing, and is served when the flood is over."""
    environment = {"LEARNING_IN_FLIGHT_MAX": "8", "LEARNING_STORE_TIMEOUT_MS": "60000"}
    address = sidecars(environment=environment).address
    async with grpc.aio.insecure_channel(address) as channel:
        stub = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        requests = [ask(number) for number in range(CALLS)]
        for one in requests:
            one.workspace = workspace
        ended = await asyncio.gather(*(stub.Recommend(one) for one in requests), return_exceptions=True)
        refused = [one for one in ended if isinstance(one, grpc.aio.AioRpcError)]
        answered = [one for one in ended if isinstance(one, pb.RecommendResponse)]
        again = await stub.Recommend(ask(CALLS))
        status = await stub.Status(pb.StatusRequest(workspace=workspace))

    assert len(answered) + len(refused) == CALLS
    assert answered
    assert {*map(refusal, refused)} == {(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", True)}
    assert again.arm == "a"
    assert status.domains[0].decisions == len(answered)
