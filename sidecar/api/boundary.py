"""The one way in: every unary handler is wrapped once, when it is registered, whichever service it belongs to.

A wrapped handler takes the raw bytes and parses them itself, since the transports would answer malformed ones with
UNKNOWN or INTERNAL; it admits a bounded number of calls, and of those only whose token is good for the method, where
tokens are asked for; and it turns every error into a status.

It is no interceptor: grpc.aio asks those anew for each call, and a native server starts a second server for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from sidecar.api.aborting import Context
from sidecar.api.authorization import Access, Admit
from sidecar.api.statuses import fail, fail_internally, prepared
from sidecar.errors import InvalidInput, Overloaded, SidecarError, StoreMisbehaved
from sidecar.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_RETRY_AFTER_S = 1.0  # with grpcio a refusal costs almost as much as an answer: who is refused must not be back at once
_refuse_overload = prepared(Overloaded("the sidecar", _RETRY_AFTER_S))

Handler = Any  # grpc's own types of handlers differ between versions of its stubs


class Boundary:
    """Stands for the server when generated code registers a service: `add_XServicer_to_server(servicer, boundary)`.

    Args:
        server: gets the wrapped handlers.
        metrics: counts errors, and reads from here how many calls are in flight.
        in_flight_max: calls beyond it are answered RESOURCE_EXHAUSTED.
        access: asks for tokens; None where everybody is let in.
    """

    def __init__(
        self, server: grpc.aio.Server, metrics: Metrics, in_flight_max: int, access: Access | None = None
    ) -> None:
        """Keep all four."""
        self._server = server
        self._metrics = metrics
        self._in_flight_max = in_flight_max
        self._access = access
        self.in_flight = 0
        metrics.in_flight.read = lambda: self.in_flight

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Drop them: generated code registers the same methods by name as well, and those win wherever both are."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Wrap the unary handlers of a service; leave its streams alone."""
        admissions = {name: self._access.admission(service, name) if self._access else None for name in handlers}
        guarded = {name: self._guarded(name, handler, admissions[name]) for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, guarded)

    def _guarded(self, method: str, handler: Handler, admit: Admit | None) -> Handler:
        if handler.unary_unary is None:
            if admit is not None:
                raise ValueError(f"{method} is a stream, which nobody asks for a token")
            return handler
        answer, parse = handler.unary_unary, handler.request_deserializer

        async def guarded(raw: bytes, context: Context) -> Any:  # noqa: ANN401 - a message of any service
            if self.in_flight >= self._in_flight_max:
                self._metrics.errors.add(method, Overloaded.reason)
                await _refuse_overload(context)
            try:
                if admit is not None:
                    admit(context.invocation_metadata() or ())
                request = parse(raw)
            except (DecodeError, SidecarError) as error:
                refusal = _malformed(raw, error) if isinstance(error, DecodeError) else error
                await self._refuse(method, refusal, context)
            self.in_flight += 1
            try:
                return await answer(request, context)
            except SidecarError as error:
                await self._refuse(method, error, context)
            except (grpc.aio.AbortError, asyncio.CancelledError):
                raise
            except Exception:  # noqa: BLE001 - whatever it is, the caller gets an answer
                self._metrics.errors.add(method, "INTERNAL")
                _log.exception("%s failed", method)
                await fail_internally(context)
            finally:
                self.in_flight -= 1

        return grpc.unary_unary_rpc_method_handler(guarded, None, handler.response_serializer)

    async def _refuse(self, method: str, error: SidecarError, context: Context) -> NoReturn:
        self._metrics.errors.add(method, error.reason)
        _log.log(_level(error), "%s: %s%s", method, error, f" ({error.__cause__})" if error.__cause__ else "")
        await fail(context, error)


def _malformed(raw: bytes, cause: DecodeError) -> InvalidInput:
    error = InvalidInput("request", f"{len(raw)} bytes", "an encoded message of this method's request")
    error.__cause__ = cause
    return error


def _level(error: SidecarError) -> int:
    """What callers can cause at will, and what an outage repeats for every call, is counted and not shouted."""
    return logging.WARNING if isinstance(error, StoreMisbehaved) else logging.DEBUG
