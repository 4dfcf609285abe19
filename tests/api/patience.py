"""Calls as a patient client makes them."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc


async def persistently(call: Any, request: Any) -> Any:
    """Call until it is answered, as an app does whose sidecar, or the store behind it, is being restarted."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await call(request, timeout=20)
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.UNAVAILABLE, error  # noqa: PT017
                await asyncio.sleep(0.02)
