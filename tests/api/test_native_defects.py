"""Goal: know when a new pygrpc-native mends what is worked around here. Method: bare servers that show each defect.

The tests of defects pass while the defect is there; when one fails, its message says what can go. The others show that
the sidecar's own protection holds.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from sidecar.api.transports import native as transport_file
from sidecar.api.transports.native import NativeTransport
from sidecar.api.transports.native_calls import CallsTable
from sidecar.settings.service import ServiceSettings
from sidecar.telemetry.metrics import Metrics

from .bare import PATH, Handler, Stubborn, bare_native, echo, leave_early, register

MIB = 1 << 20
ABANDONED = 50
SETTINGS = ServiceSettings(address="127.0.0.1:0", transport="native")
MEASURED = """
import asyncio, sys, grpc, pygrpc_native.aio as native
def peak_kib():  # of this program alone: getrusage would begin with that of the process which started it
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
async def main():
    server = native.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 1 << 20)])
    method = grpc.unary_unary_rpc_method_handler(main)
    server.add_registered_method_handlers("bare.Bare", {"Call": method})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    before = peak_kib()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(peak_kib() - before)
    await server.stop(None)
asyncio.run(main())
"""


@asynccontextmanager
async def ours(handler: Handler) -> AsyncIterator[tuple[NativeTransport, Metrics, int]]:
    """Run a server of the sidecar's own transport; whoever takes it stops it."""
    metrics = Metrics(())
    transport = NativeTransport(SETTINGS, metrics)
    register(transport.server, handler)
    port = transport.bind()
    await transport.start()
    yield transport, metrics, port


async def ends_soon(task: asyncio.Task[Any], within_s: float = 0.7) -> bool:
    """Whether a task ends; it is left alone if it does not."""
    done, _ = await asyncio.wait({task}, timeout=within_s)
    return bool(done)


async def test_defect_a_long_message_is_held_before_it_is_refused() -> None:
    """64 MiB raise the memory of a server whose limit is 1 MiB by as much."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MEASURED, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    port = int((await process.stdout.readline()).decode())  # type: ignore[union-attr]  # it is a pipe
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(PATH)(bytes(64 * MIB), timeout=20)
    said, _ = await process.communicate(b"\n")

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert int(said) * 1024 > 48 * MIB, (
        "pygrpc-native refuses long messages before they are in memory: drop the warning about it in "
        "sidecar/api/transports/native.py and docs/transport.md"
    )


async def test_defect_calls_given_up_early_stay_for_ever() -> None:
    """Calls that are cancelled before their first step stay in the table, and a sweep takes them out."""
    async with bare_native(echo) as (server, _):
        await leave_early(server._front.bound_port, ABANDONED)
        leaked = len(server._calls)
        table = CallsTable(server)
        table.sweep()
        await server.stop(None)

    assert leaked == ABANDONED, "pygrpc-native no longer leaks calls: drop sidecar/api/transports/native_calls.py"
    assert table.size() == 0


async def test_our_transport_keeps_no_call_that_ended() -> None:
    """Within two seconds the table is empty again, and the metric says so."""
    async with ours(echo) as (transport, metrics, port):
        await leave_early(port, ABANDONED)
        async with asyncio.timeout(3):
            while transport._calls.size():  # noqa: ASYNC110 - a number to reach, not an event
                await asyncio.sleep(0.05)
        shown = metrics.native_calls.read()
        await transport.stop(0)

    assert shown == 0


async def test_a_call_that_is_under_way_is_not_swept() -> None:
    """The sweep takes out what has ended, and nothing else."""
    stubborn = Stubborn()
    async with bare_native(stubborn.answer) as (server, channel):
        call = asyncio.ensure_future(channel.unary_unary(PATH)(b"x"))
        await stubborn.entered.wait()
        table = CallsTable(server)
        table.sweep()
        held = table.size()
        stubborn.released.set()
        answer = await call
        await server.stop(None)

    assert (held, answer) == (1, b"x")


@pytest.mark.parametrize(
    ("code", "trailers"),
    [
        (grpc.StatusCode.INTERNAL, (("Upper", "case"),)),
        (grpc.StatusCode.INTERNAL, (("key", "two\nlines"),)),
        (grpc.StatusCode.INTERNAL, (("key", b"bytes"),)),
        (13, ()),
    ],
)
async def test_defect_what_cannot_be_encoded_is_never_answered(code: Any, trailers: Any) -> None:
    """The client waits until its own deadline."""

    async def bad(_: bytes, context: Any) -> bytes:
        await context.abort(code, "bad", trailing_metadata=trailers)
        return b""

    async with bare_native(bad) as (server, channel):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(PATH)(b"", timeout=0.4)
        await server.stop(None)

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED, (
        "pygrpc-native answers what it cannot encode: sidecar/api/aborting.py need no longer be so strict"
    )


async def test_defect_stop_waits_for_what_swallows_cancellation() -> None:
    """The grace is long over, and stop is still waiting."""
    stubborn = Stubborn()
    async with bare_native(stubborn.answer) as (server, channel):
        call = asyncio.ensure_future(channel.unary_unary(PATH)(b""))
        await stubborn.entered.wait()
        stopping = asyncio.create_task(server.stop(0.1))
        ended = await ends_soon(stopping)
        stubborn.released.set()
        await stopping
        await asyncio.wait({call})

    assert not ended, "pygrpc-native's stop has an end: drop the limit in NativeTransport.stop and Server.stuck"
    assert call.exception() is None or isinstance(call.exception(), grpc.aio.AioRpcError)


async def test_defect_a_cancelled_stop_can_never_be_finished() -> None:
    """Once a stop was cancelled, later ones wait for ever."""
    stubborn = Stubborn()
    async with bare_native(stubborn.answer) as (server, channel):
        call = asyncio.ensure_future(channel.unary_unary(PATH)(b""))
        await stubborn.entered.wait()
        first = asyncio.create_task(server.stop(5))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.wait({first})
        second = asyncio.create_task(server.stop(0))
        ended = await ends_soon(second)
        stubborn.released.set()
        await asyncio.to_thread(server._front.close)
        server._terminated.set()
        await asyncio.wait({call, second})

    assert not ended, "pygrpc-native's stop may be cancelled: NativeTransport.stop needs no task of its own"
    assert call.exception() is None or isinstance(call.exception(), grpc.aio.AioRpcError)


async def test_our_stop_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that something is left, and a later stop finds it ended."""
    monkeypatch.setattr(transport_file, "_STOP_MARGIN_S", 0.2)
    stubborn = Stubborn()
    async with ours(stubborn.answer) as (transport, _, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = asyncio.ensure_future(channel.unary_unary(PATH)(b""))
        await stubborn.entered.wait()
        first = await transport.stop(0.1)
        stubborn.released.set()
        second = await transport.stop(0.1)
        await asyncio.wait({call})

    assert (first, second) == (False, True)
    assert call.exception() is None or isinstance(call.exception(), grpc.aio.AioRpcError)


async def test_our_stop_may_be_cancelled() -> None:
    """Who waits for it may be cancelled; it goes on, and the next one who waits sees it end."""
    async with ours(echo) as (transport, _, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await channel.unary_unary(PATH)(b"")
        first = asyncio.create_task(transport.stop(1))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})

        assert first.cancelled()
        assert await transport.stop(1)
