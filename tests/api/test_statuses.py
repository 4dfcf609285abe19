"""Goal: every error has one status and a stable reason. Method: walk the tree of classes."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2

from sidecar import errors
from sidecar.api.statuses import STATUSES, rich_status, status_of


def raised_classes(base: type[errors.SidecarError] = errors.SidecarError) -> Iterator[type[errors.SidecarError]]:
    """Every class in `sidecar.errors` that is raised itself."""
    for one in base.__subclasses__():
        if one.__module__ == errors.__name__:
            if one is not errors.StoreError:
                yield one
            yield from raised_classes(one)


def test_every_error_has_a_status() -> None:
    """A class that is missing in the table would be answered as a fault of ours."""
    assert set(STATUSES) == set(raised_classes())


def test_reasons_are_unique() -> None:
    """Clients tell errors apart by their reason."""
    reasons = [one.reason for one in raised_classes()]
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (errors.InvalidInput("domain", "", "a name"), grpc.StatusCode.INVALID_ARGUMENT, error_details_pb2.BadRequest),
        (errors.Overloaded("it", 0.25), grpc.StatusCode.RESOURCE_EXHAUSTED, error_details_pb2.RetryInfo),
        (errors.StoreUnavailable("settle"), grpc.StatusCode.UNAVAILABLE, error_details_pb2.RetryInfo),
    ],
)
def test_details_come_with_the_status(
    error: errors.SidecarError, status: grpc.StatusCode, detail: type[error_details_pb2.BadRequest]
) -> None:
    """ErrorInfo is always there, and what belongs to the error beside it."""
    answered = rich_status(error)
    found = detail()

    assert status_of(error) is status
    assert answered.details[0].Is(error_details_pb2.ErrorInfo.DESCRIPTOR)
    assert answered.details[1].Unpack(found)


def test_values_are_shortened() -> None:
    """A megabyte of input does not come back in the message, whose size is limited."""
    error = errors.InvalidInput("domain", "x" * 1_000_000, "a name")
    assert len(str(error)) < 300
