"""One table from errors to gRPC statuses, and the one function that answers with them.

The client gets a sentence, google.rpc.ErrorInfo with a stable reason, and what belongs to the error:
BadRequest with the field, or RetryInfo. What a driver said stays in the log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from sidecar import errors
from sidecar.api.aborting import RICH_STATUS, Context, abort, abort_checked, check_sendable

DOMAIN = "learning.v1"

STATUSES: dict[type[errors.SidecarError], grpc.StatusCode] = {
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidSettings: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownDomain: grpc.StatusCode.NOT_FOUND,
    errors.RestoreConflict: grpc.StatusCode.ABORTED,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.RateExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.StoreMisbehaved: grpc.StatusCode.INTERNAL,
}
"""By exact class: a new error without a line here fails a test."""

STORE_RETRY_AFTER_S = 1.0


def status_of(error: errors.SidecarError) -> grpc.StatusCode:
    """The status of an error."""
    return STATUSES[type(error)]


_SENTENCE_BYTES_MAX = 1000
_FIELD_BYTES_MAX = 500
"""A sentence travels percent-encoded and twice in base64, a field once: together they stay below what a call may carry.
"""


def rich_status(error: errors.SidecarError) -> status_pb2.Status:
    """The error as google.rpc.Status with its details."""
    sentence = _shortened(str(error), _SENTENCE_BYTES_MAX)
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)]
    if isinstance(error, errors.InvalidInput):
        field = _shortened(error.field, _FIELD_BYTES_MAX)
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=sentence)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    retry_after_s = STORE_RETRY_AFTER_S if isinstance(error, errors.StoreUnavailable) else None
    if isinstance(error, (errors.Overloaded, errors.RateExceeded)):
        retry_after_s = error.retry_after_s
    if retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(round(retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(status_of(error), sentence, details)


async def fail(context: Context, error: errors.SidecarError) -> NoReturn:
    """End the call with an error's status."""
    await _end(context, status_of(error), rich_status(error))


def prepared(error: errors.SidecarError) -> Callable[[Context], Awaitable[NoReturn]]:
    """What ends any call with this error's status: made and checked once, for a flood of refusals must cost little."""
    code, status = status_of(error), rich_status(error)
    details, trailers = status.message, ((RICH_STATUS, status.SerializeToString()),)
    check_sendable(code, details, trailers)

    return partial(abort_checked, code=code, details=details, trailers=trailers)


async def fail_internally(context: Context) -> NoReturn:
    """End the call after a fault of our own; what it was is in the log only."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN)
    status = _status(grpc.StatusCode.INTERNAL, "a fault in the sidecar; its log says more", [info])
    await _end(context, grpc.StatusCode.INTERNAL, status)


def _status(code: grpc.StatusCode, sentence: str, details: list[Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        one = AnyMessage()
        one.Pack(detail)
        packed.append(one)
    number: int = code.value[0]
    return status_pb2.Status(code=number, message=sentence, details=packed)


async def _end(context: Context, code: grpc.StatusCode, status: status_pb2.Status) -> NoReturn:
    await abort(context, code, status.message, ((RICH_STATUS, status.SerializeToString()),))


def _shortened(text: str, bytes_max: int) -> str:
    """The text, or as much of it as fits: what a caller sent may be in it, and may be long."""
    raw = text.encode(errors="replace")
    if len(raw) <= bytes_max:
        return raw.decode()
    return raw[: bytes_max - 3].decode(errors="ignore") + "..."
