"""The two ways a call is sent: blocking, or awaited. Both give back an answer or a `Failure`; neither raises.

A channel is made with the first call and then reused. A client may therefore be made while a module is imported:
before a server forks its workers, which gRPC does not survive once it is in use, and before an event loop runs.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from learning_client._calls import METHODS, Call, Failure, Method
from learning_client._endpoint import Endpoint
from learning_client._tracing import with_trace

T = TypeVar("T")

_CLOSED = Failure("CLOSED", "the client is closed")


class Transport(Protocol):
    """Sends a call and waits for what comes back."""

    def call(self, method: Method, request: Message) -> Message | Failure:
        """Send; return the answer, or why there is none."""

    def close(self) -> None:
        """Give up the connection; calls then fail."""


class AsyncTransport(Protocol):
    """Sends a call and awaits what comes back."""

    async def call(self, method: Method, request: Message) -> Message | Failure:
        """Send; return the answer, or why there is none."""

    async def close(self) -> None:
        """Give up the connection; calls then fail."""


def send(transport: Transport, call: Call[T]) -> T:
    """Send and read one call."""
    return call.read(transport.call(call.method, call.request))


async def send_async(transport: AsyncTransport, call: Call[T]) -> T:
    """Send and read one call."""
    return call.read(await transport.call(call.method, call.request))


class GrpcTransport:
    """Blocks the calling thread, for at most the endpoint's time-out. Safe to share between threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect to `endpoint`, with the first call."""
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._closed = False
        self._channel: grpc.Channel | None = None
        self._sends: dict[str, grpc.UnaryUnaryMultiCallable[Any, Any]] = {}

    def call(self, method: Method, request: Message) -> Message | Failure:
        """Send; return the answer, or why there is none."""
        try:
            if self._channel is None:
                self._open()
            if self._closed:
                return _CLOSED
            answer: Message = self._sends[method.name](
                request, timeout=self._endpoint.timeout_s, metadata=with_trace(self._endpoint.metadata)
            )
        except Exception as error:  # noqa: BLE001  # whatever happened in here, the app has its own work to do
            return Failure.of(error)
        return answer

    def close(self) -> None:
        """Give up the connection; calls that are under way are cancelled and later ones fail."""
        with self._lock:
            self._closed = True
            if self._channel is not None:
                self._channel.close()

    def _open(self) -> None:
        at = self._endpoint
        with self._lock:
            if self._closed or self._channel is not None:
                return
            if at.credentials is None:
                channel = grpc.insecure_channel(at.address, options=at.options)
            else:
                channel = grpc.secure_channel(at.address, at.credentials, options=at.options)
            self._sends = {method.name: channel.unary_unary(method.path, *_codec(method)) for method in METHODS}
            self._channel = channel


class AsyncGrpcTransport:
    """Awaits, for at most the endpoint's time-out. Belongs to the event loop of its first call."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Connect to `endpoint`, with the first call."""
        self._endpoint = endpoint
        self._closed = False
        self._channel: grpc.aio.Channel | None = None
        self._sends: dict[str, grpc.aio.UnaryUnaryMultiCallable[Any, Any]] = {}

    async def call(self, method: Method, request: Message) -> Message | Failure:
        """Send; return the answer, or why there is none."""
        if self._closed:
            return _CLOSED
        try:
            if self._channel is None:
                self._open()
            answer: Message = await self._sends[method.name](
                request, timeout=self._endpoint.timeout_s, metadata=with_trace(self._endpoint.metadata)
            )
        except asyncio.CancelledError:
            # grpc.aio also raises this when the channel is closed under a call, and that is no reason for a task
            # to stop that nobody has asked to.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _CLOSED
        except Exception as error:  # noqa: BLE001  # whatever happened in here, the app has its own work to do
            return Failure.of(error)
        return answer

    async def close(self) -> None:
        """Give up the connection; calls that are under way are cancelled and later ones fail."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    def _open(self) -> None:
        at = self._endpoint
        if at.credentials is None:
            channel = grpc.aio.insecure_channel(at.address, options=at.options)
        else:
            channel = grpc.aio.secure_channel(at.address, at.credentials, options=at.options)
        self._sends = {method.name: channel.unary_unary(method.path, *_codec(method)) for method in METHODS}
        self._channel = channel


def _codec(method: Method) -> tuple[Any, Any]:
    return method.request.SerializeToString, method.answer.FromString
