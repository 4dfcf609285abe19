"""One table from errors to gRPC statuses, and the one function that answers with them.

The client gets a sentence, google.rpc.ErrorInfo with a stable reason, and what belongs to the error:
BadRequest with the field, or RetryInfo. What a driver said stays in the log.
"""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from sidecar import errors

DOMAIN = "learning.v1"

STATUSES: dict[type[errors.SidecarError], grpc.StatusCode] = {
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidSettings: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownDomain: grpc.StatusCode.NOT_FOUND,
    errors.RestoreConflict: grpc.StatusCode.ABORTED,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.StoreUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.StoreMisbehaved: grpc.StatusCode.INTERNAL,
}
"""By exact class: a new error without a line here fails a test."""

STORE_RETRY_AFTER_S = 1.0


def status_of(error: errors.SidecarError) -> grpc.StatusCode:
    """The status of an error."""
    return STATUSES[type(error)]


def rich_status(error: errors.SidecarError) -> status_pb2.Status:
    """The error as google.rpc.Status with its details."""
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)]
    if isinstance(error, errors.InvalidInput):
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=str(error))
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    retry_after_s = STORE_RETRY_AFTER_S if isinstance(error, errors.StoreUnavailable) else None
    if isinstance(error, errors.Overloaded):
        retry_after_s = error.retry_after_s
    if retry_after_s is not None:
        delay = Duration()
        delay.FromNanoseconds(round(retry_after_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(status_of(error), str(error), details)


async def fail(context: grpc.aio.ServicerContext[Any, Any], error: errors.SidecarError) -> NoReturn:
    """End the call with an error's status."""
    status = rich_status(error)
    await _abort(context, status_of(error), status)


async def fail_internally(context: grpc.aio.ServicerContext[Any, Any]) -> NoReturn:
    """End the call after a fault of our own; what it was is in the log only."""
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN)
    status = _status(grpc.StatusCode.INTERNAL, "a fault in the sidecar; its log says more", [info])
    await _abort(context, grpc.StatusCode.INTERNAL, status)


def _status(code: grpc.StatusCode, message: str, details: list[Message]) -> status_pb2.Status:
    packed = []
    for detail in details:
        one = AnyMessage()
        one.Pack(detail)
        packed.append(one)
    number: int = code.value[0]
    return status_pb2.Status(code=number, message=message, details=packed)


async def _abort(
    context: grpc.aio.ServicerContext[Any, Any], code: grpc.StatusCode, status: status_pb2.Status
) -> NoReturn:
    trailers = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(code, status.message, trailing_metadata=trailers)
    raise AssertionError("abort returned")
