"""The one way in: every unary handler is wrapped once, when it is registered, whichever service it belongs to.

A wrapped handler takes the raw bytes and parses them itself, since the transports would answer malformed ones with
UNKNOWN or INTERNAL; it admits a bounded number of calls, and of those only whose token is good for the method, where
tokens are asked for; and it turns every error into a status.

It is no interceptor: grpc.aio asks those anew for each call, and a native server starts a second server for them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from sidecar.api.aborting import Context
from sidecar.api.admission import Admission
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
        in_flight_max: a queue of more that does not pass is answered RESOURCE_EXHAUSTED, see `Admission`.
        access: asks for tokens; None where everybody is let in.
    """

    def __init__(
        self, server: grpc.aio.Server, metrics: Metrics, in_flight_max: int, access: Access | None = None
    ) -> None:
        """Keep all four."""
        self._server = server
        self._metrics = metrics
        self._admission = Admission(in_flight_max, time.monotonic)
        self._access = access
        metrics.in_flight.read = lambda: self.in_flight

    @property
    def in_flight(self) -> int:
        """Calls being answered."""
        return self._admission.in_flight

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
        answer, parse, admission = handler.unary_unary, handler.request_deserializer, self._admission

        async def guarded(raw: bytes, context: Context) -> Any:  # noqa: ANN401 - a message of any service
            if not admission.admits():
                self._metrics.errors.add(method, Overloaded.reason)
                await _refuse_overload(context)
            try:
                if admit is not None:
                    admit(context.invocation_metadata() or ())
                return await answer(_parsed(parse, raw), context)
            except SidecarError as error:
                await self._refuse(method, error, context)
            except (grpc.aio.AbortError, asyncio.CancelledError):
                raise
            except Exception:  # noqa: BLE001 - whatever it is, the caller gets an answer
                self._metrics.errors.add(method, "INTERNAL")
                _log.exception("%s failed", method)
                await fail_internally(context)
            finally:
                admission.left()

        return grpc.unary_unary_rpc_method_handler(guarded, None, handler.response_serializer)

    async def _refuse(self, method: str, error: SidecarError, context: Context) -> NoReturn:
        self._metrics.errors.add(method, error.reason)
        _log.log(_level(error), "%s: %s%s", method, error, f" ({error.__cause__})" if error.__cause__ else "")
        await fail(context, error)


def _parsed(parse: Callable[[bytes], Any], raw: bytes) -> Any:  # noqa: ANN401 - a message of any service
    try:
        return parse(raw)
    except DecodeError as cause:
        raise InvalidInput("request", f"{len(raw)} bytes", "an encoded message of this method's request") from cause


def _level(error: SidecarError) -> int:
    """What callers can cause at will, and what an outage repeats for every call, is counted and not shouted."""
    return logging.WARNING if isinstance(error, StoreMisbehaved) else logging.DEBUG
