"""How commands reach a running sidecar."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from sidecar.errors import SidecarError
from sidecar.settings.service import ServiceSettings
from sidecar.v1.learning_pb2_grpc import LearningStub

MESSAGE_BYTES_MAX = 64 << 20


class CallFailed(SidecarError):
    """A running sidecar answered a command's call with an error."""

    reason = "CALL_FAILED"


def default_address() -> str:
    """`LEARNING_ADDRESS`, or where a sidecar listens by default."""
    return os.environ.get("LEARNING_ADDRESS") or ServiceSettings().address


@asynccontextmanager
async def calling(address: str) -> AsyncIterator[Any]:
    """A stub of the service at `address`; errors of calls become CallFailed with the server's sentence."""
    options = [(f"grpc.max_{way}_message_length", MESSAGE_BYTES_MAX) for way in ("receive", "send")]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        try:
            yield LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        except grpc.aio.AioRpcError as error:
            raise CallFailed(f"{address} answered {error.code().name}: {error.details()}") from error
