"""The one outer interceptor: what every unary call passes through, whichever service it is for.

It takes the raw bytes and parses them itself, since grpc.aio would answer malformed ones with UNKNOWN
and the exception's text; it admits a bounded number of calls; and it turns every error into a status.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from sidecar.api.statuses import fail, fail_internally
from sidecar.errors import InvalidInput, Overloaded, SidecarError, StoreMisbehaved
from sidecar.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_RETRY_AFTER_S = 0.1

Context = grpc.aio.ServicerContext[Any, Any]


class Boundary(grpc.aio.ServerInterceptor):
    """Guards unary calls.

    Args:
        metrics: counts errors and calls in flight.
        in_flight_max: calls beyond it are answered RESOURCE_EXHAUSTED.
    """

    def __init__(self, metrics: Metrics, in_flight_max: int) -> None:
        """Keep both."""
        self._metrics = metrics
        self._in_flight_max = in_flight_max
        self.in_flight = 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:  # noqa: ANN401 - a handler of any service
        """Wrap the handler of a unary call; leave streams, such as reflection, alone."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        method = str(handler_call_details.method).rpartition("/")[2]

        async def guarded(raw: bytes, context: Context) -> Any:  # noqa: ANN401 - a message of any service
            return await self._guarded(method, handler, raw, context)

        return grpc.unary_unary_rpc_method_handler(guarded, None, handler.response_serializer)

    async def _guarded(self, method: str, handler: Any, raw: bytes, context: Context) -> Any:  # noqa: ANN401
        self.in_flight += 1
        self._metrics.in_flight.set(self.in_flight)
        try:
            if self.in_flight > self._in_flight_max:
                raise Overloaded("the sidecar", _RETRY_AFTER_S)
            return await handler.unary_unary(_parsed(handler.request_deserializer, raw), context)
        except SidecarError as error:
            self._metrics.errors.labels(method, error.reason).inc()
            _log.log(_level(error), "%s: %s%s", method, error, f" ({error.__cause__})" if error.__cause__ else "")
            await fail(context, error)
        except (grpc.aio.AbortError, asyncio.CancelledError):
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets an answer
            self._metrics.errors.labels(method, "INTERNAL").inc()
            _log.exception("%s failed", method)
            await fail_internally(context)
        finally:
            self.in_flight -= 1
            self._metrics.in_flight.set(self.in_flight)


def _parsed(deserialize: Callable[[bytes], Any] | None, raw: bytes) -> Any:  # noqa: ANN401 - any message
    if deserialize is None:
        return raw
    try:
        return deserialize(raw)
    except DecodeError as error:
        raise InvalidInput("request", f"{len(raw)} bytes", "an encoded message of this method's request") from error


def _level(error: SidecarError) -> int:
    """What callers can cause at will, and what an outage repeats for every call, is counted and not shouted."""
    return logging.WARNING if isinstance(error, StoreMisbehaved) else logging.DEBUG
