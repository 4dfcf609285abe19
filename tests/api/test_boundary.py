"""Goal: whatever a handler does, its caller gets the right answer. Method: a bare method behind the real boundary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from sidecar import errors
from sidecar.api.aborting import BYTES_MAX, abort, check_sendable
from sidecar.api.admission import BURST_S
from sidecar.api.boundary import Boundary
from sidecar.api.statuses import rich_status
from sidecar.api.transports import transport_of
from sidecar.settings.service import ServiceSettings
from sidecar.telemetry.metrics import Metrics

from .bare import PATH, Handler, register

CODE = grpc.StatusCode
Fails = grpc.aio.AioRpcError


@asynccontextmanager
async def guarded(
    transport: str, handler: Handler, in_flight_max: int = 10
) -> AsyncIterator[tuple[Boundary, Metrics, grpc.aio.Channel]]:
    """Run a server whose one method is behind a boundary."""
    settings = ServiceSettings(address="127.0.0.1:0", transport=transport)  # type: ignore[arg-type]  # one of two
    metrics = Metrics(())
    running = transport_of(settings, metrics)
    boundary = Boundary(running.server, metrics, in_flight_max)
    register(boundary, handler)
    port = running.bind()
    await running.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield boundary, metrics, channel
    await running.stop(0)


async def failure(channel: grpc.aio.Channel, raw: bytes = b"") -> grpc.aio.AioRpcError:
    """How a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(PATH)(raw, timeout=5)
    return caught.value


@pytest.mark.parametrize(
    ("raised", "code", "reason"),
    [
        (errors.InvalidInput("f", 1, "2"), CODE.INVALID_ARGUMENT, "INVALID_INPUT"),
        (errors.StoreUnavailable("it"), CODE.UNAVAILABLE, "STORE_UNAVAILABLE"),
        (errors.StoreMisbehaved("it", b"?"), CODE.INTERNAL, "STORE_MISBEHAVED"),
        (KeyError("secret"), CODE.INTERNAL, "INTERNAL"),
        (DecodeError("not of the request"), CODE.INTERNAL, "INTERNAL"),
    ],
)
async def test_what_is_raised_has_a_status(transport: str, raised: Exception, code: CODE, reason: str) -> None:
    """The table's status with its reason for errors on purpose; INTERNAL, and no word of it, for all others."""

    async def bad(_: bytes, __: Any) -> bytes:
        raise raised

    async with guarded(transport, bad) as (boundary, metrics, channel):
        answer = await failure(channel)
        counted = metrics.errors.counts["Call", reason]

    assert answer.code() is code
    assert "secret" not in str(answer.details())
    assert (counted, boundary.in_flight) == (1, 0)


async def test_an_abort_of_the_handler_stays(transport: str) -> None:
    """Health answers NOT_FOUND itself, and so it is."""

    async def bad(_: bytes, context: Any) -> bytes:
        await context.abort(CODE.NOT_FOUND, "none")
        return b""

    async with guarded(transport, bad) as (_, __, channel):
        answer = await failure(channel)

    assert (answer.code(), answer.details()) == (CODE.NOT_FOUND, "none")


async def test_what_no_transport_can_send_is_answered(transport: str) -> None:
    """A fault of ours in an answer is INTERNAL at once, not silence until the deadline."""

    async def bad(_: bytes, context: Any) -> bytes:
        await abort(context, CODE.NOT_FOUND, "none", (("Upper", "case"),))
        return b""

    async with guarded(transport, bad) as (_, __, channel):
        answer = await failure(channel)

    assert answer.code() is CODE.INTERNAL


async def test_the_longest_error_arrives(transport: str) -> None:
    """A field and a sentence that are far too long, of characters that travel badly, arrive shortened with details."""

    async def bad(_: bytes, __: Any) -> bytes:
        raise errors.InvalidInput("ü" * 100_000, "\n" * 100_000, "ä\n" * 100_000)

    async with guarded(transport, bad) as (_, __, channel):
        answer = await failure(channel)
    status = status_pb2.Status.FromString(dict(answer.trailing_metadata() or ())["grpc-status-details-bin"])
    found = error_details_pb2.BadRequest()

    assert answer.code() is CODE.INVALID_ARGUMENT
    assert status.details[1].Unpack(found)
    assert found.field_violations[0].field.startswith("üü")
    assert found.field_violations[0].field.endswith("...")


async def test_in_flight_calls_are_counted_and_bounded(transport: str) -> None:
    """Two are admitted, and a third as a burst; when that stands, a fourth is refused; the gauge shows what is so."""
    gate = asyncio.Event()

    async def waiting(raw: bytes, _: Any) -> bytes:
        await gate.wait()
        return raw

    async with guarded(transport, waiting, in_flight_max=2) as (boundary, metrics, channel):
        calls = [asyncio.ensure_future(channel.unary_unary(PATH)(b"x")) for _ in range(3)]
        while boundary.in_flight < 3:  # noqa: ASYNC110 - a number to reach, not an event
            await asyncio.sleep(0.01)
        shown = metrics.in_flight.read()
        await asyncio.sleep(BURST_S)
        fourth = await failure(channel)
        gate.set()
        answers = await asyncio.gather(*calls)
        after = metrics.in_flight.read()

    assert fourth.code() is CODE.RESOURCE_EXHAUSTED
    assert (shown, answers, after) == (3, [b"x", b"x", b"x"], 0)


async def test_cancellation_goes_through(transport: str) -> None:
    """A handler whose client has left is cancelled, and counts no longer."""
    ended = asyncio.Event()
    entered = asyncio.Event()

    async def waiting(raw: bytes, _: Any) -> bytes:
        entered.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return raw

    async with guarded(transport, waiting) as (boundary, _, channel):
        call = channel.unary_unary(PATH)(b"")
        await entered.wait()
        call.cancel()
        await asyncio.wait_for(ended.wait(), timeout=5)
        while boundary.in_flight:  # noqa: ASYNC110 - a number to reach, not an event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "details", "trailers", "said"),
    [
        (13, "number", (), "not the status of a failure"),
        (CODE.OK, "no failure", (), "not the status of a failure"),
        (CODE.INTERNAL, b"bytes", (), "details must be text"),
        (CODE.INTERNAL, "", (("Upper", "x"),), "not a key"),
        (CODE.INTERNAL, "", (("a key", "x"),), "not a key"),
        (CODE.INTERNAL, "", ((":path", "x"),), "not a key"),
        (CODE.INTERNAL, "", (("grpc-message", "x"),), "not a key"),
        (CODE.INTERNAL, "", (("key", "x\n"),), "does not travel"),
        (CODE.INTERNAL, "", (("key", "ü"),), "does not travel"),
        (CODE.INTERNAL, "", (("key", b"x"),), "key must be text"),
        (CODE.INTERNAL, "", (("key", 1),), "neither text nor bytes"),
        (CODE.INTERNAL, "", (("key-bin", "x"),), "key-bin must be bytes"),
        (CODE.INTERNAL, "x" * 9000, (), "more than 8192"),
        (CODE.INTERNAL, "\n" * 3000, (), "more than 8192"),
        (CODE.INTERNAL, "", (("key-bin", b"x" * 6200),), "more than 8192"),
    ],
)
def test_only_what_every_transport_can_send_passes(code: Any, details: Any, trailers: Any, said: str) -> None:
    """A code that is a number, keys and values that HTTP/2 has no place for, and too much of all."""
    with pytest.raises(ValueError, match=said):
        check_sendable(code, details, trailers)


def test_the_longest_rich_status_fits() -> None:
    """Whatever the error says, details and trailers stay below what a call may carry."""
    status = rich_status(errors.InvalidInput("\N{FACE WITH TEARS OF JOY}" * 1000, "v", "\N{SNOWMAN}" * 5000))
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    check_sendable(CODE.INVALID_ARGUMENT, status.message, trailers)

    assert 3 * len(status.message.encode()) + 4 * len(trailers[0][1]) // 3 < BYTES_MAX
