"""`learning-sidecar health`: for a container's health check."""

from __future__ import annotations

import argparse
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sidecar.ops.calling import add_options, reach_of, reaching

_TIMEOUT_S = 2.0


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "health",
        help="ask a running sidecar whether it serves",
        description="Ask a running sidecar by grpc.health.v1 whether it serves. Exits 0 if it does, 1 if not.",
    )
    add_options(one)
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Ask, and print the answer."""
    async with reaching(reach_of(asked)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            print(error.code().name)
            return 1
    serving: bool = answer.status == health_pb2.HealthCheckResponse.SERVING
    print(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
    return 0 if serving else 1
