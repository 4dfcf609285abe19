"""Servers with one method that takes and returns raw bytes, and clients of it: what tests of transports are made of."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pygrpc_native.aio as native

Handler = Callable[[bytes, Any], Awaitable[bytes]]

PATH = "/bare.Bare/Call"


def register(server: Any, handler: Handler) -> None:
    """Let a server, or a boundary before it, answer `PATH`."""
    method = grpc.unary_unary_rpc_method_handler(handler, bytes, bytes)
    server.add_registered_method_handlers("bare.Bare", {"Call": method})


@asynccontextmanager
async def bare_native(handler: Handler) -> AsyncIterator[tuple[Any, grpc.aio.Channel]]:
    """Run a native server as its makers made it; whoever takes it stops it."""
    server = native.server(options=[("grpc.so_reuseport", 0)])
    register(server, handler)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield server, channel


async def echo(raw: bytes, _: Any) -> bytes:
    """Answer with what was asked."""
    return raw


class Stubborn:
    """Its handler `answer` swallows its cancellation until it is released."""

    def __init__(self) -> None:
        """Hold on."""
        self.entered = asyncio.Event()
        self.released = asyncio.Event()

    async def answer(self, raw: bytes, _: Any) -> bytes:
        """Wait, whatever is said."""
        self.entered.set()
        while not self.released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.released.wait()
        return raw


async def leave_early(port: int, calls: int) -> None:
    """Give up calls while the loop of the server is blocked, so that none of them has begun."""
    ready, go = threading.Event(), threading.Event()

    def client() -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(PATH)
            call(b"")
            ready.set()
            go.wait()
            for one in [call.future(b"", timeout=0.2) for _ in range(calls)]:
                one.exception()

    thread = threading.Thread(target=client)
    thread.start()
    await asyncio.to_thread(ready.wait)
    go.set()
    time.sleep(0.6)  # noqa: ASYNC251 - that is the point
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0.2)
