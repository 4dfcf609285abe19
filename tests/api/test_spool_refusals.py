"""Goal: no report is acknowledged that cannot be kept or used. Method: the store away, and no room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect, Sidecars

from .telling import QUICK, deserted, release, report, reports, settled, told


async def refused(stub: Any, requests: Sequence[pb.RewardRequest]) -> tuple[int, grpc.aio.AioRpcError]:
    """Report until one is refused; return how many were spooled, and the refusal."""
    for taken, one in enumerate(requests):
        try:
            assert (await stub.Reward(one)).outcome == pb.REWARD_OUTCOME_SPOOLED
        except grpc.aio.AioRpcError as error:
            return taken, error
    pytest.fail("there was room for all")


async def test_full_spool_says_so(sidecars: Sidecars, connect: Connect, data_dir: Path) -> None:
    """RESOURCE_EXHAUSTED with a hint when to try again; what was acknowledged before is applied."""
    environment = QUICK | {"LEARNING_SPOOL_BYTES_MAX": "4096"}
    async with deserted(sidecars, connect, data_dir, environment) as (server, _, stub):
        taken, error = await refused(stub, reports())
        assert taken > 10
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        [rich] = [value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"]
        details = status_pb2.Status.FromString(rich).details
        assert [one for one in details if one.Is(error_details_pb2.RetryInfo.DESCRIPTOR)]
        answer = await stub.RewardBatch(pb.RewardBatchRequest(requests=reports()[taken:][:2]))
        assert {one.error.reason for one in answer.results} == {"OVERLOADED"}
        assert (await stub.Status(pb.StatusRequest())).store.spooled == taken
        server.start()
        await settled(stub)
        again = await told(stub, reports()[:taken])
        assert pb.REWARD_OUTCOME_APPLIED not in again


async def test_unusable_reports_are_not_acknowledged(sidecars: Sidecars, connect: Connect, data_dir: Path) -> None:
    """Whether the store is there or not, and also behind others of the same decision."""
    async with deserted(sidecars, connect, data_dir) as (_, _, stub):
        wrong = pb.RewardRequest(domain="route", decision_id="d5", signals=pb.Signals(cost_usd=-1))
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Reward(wrong)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert (await stub.Reward(report("d5", more=True))).outcome == pb.REWARD_OUTCOME_SPOOLED


async def test_switched_off(sidecars: Sidecars, connect: Connect, data_dir: Path) -> None:
    """Then reports are UNAVAILABLE while the store is."""
    async with deserted(sidecars, connect, data_dir, QUICK | {"LEARNING_SPOOL_DIR": "off"}) as (_, _, stub):
        for call, request in ((stub.Reward, report("d1")), (stub.Release, release("d2"))):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(request)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
