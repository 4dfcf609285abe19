"""Where the sidecar is, and how gRPC is told to behave on the way there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from learning_client._calls import METHODS, SERVICE
from learning_client._signals import number

ADDRESS_VARIABLE = "LEARNING_ADDRESS"
ADDRESS_DEFAULT = "127.0.0.1:50051"
TIMEOUT_MS_DEFAULT = 50.0

Metadata = Sequence[tuple[str, str | bytes]]

# Only calls that are idempotent by their decision_id are listed, and only a lost connection is tried again: the
# app's deadline ends the attempts anyway. The throttle stops them after two failures in a row, so that while
# nobody listens a call fails at once instead of after a second attempt.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": SERVICE, "method": method.name} for method in METHODS],
            "retryPolicy": {
                "maxAttempts": 2,
                "initialBackoff": "0.005s",
                "maxBackoff": "0.02s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 4, "tokenRatio": 0.5},
}

_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # While a connection cannot be made, calls fail at once; how soon a sidecar that came back is found is up to
    # these: at most a second. The middle one is also how long one attempt may hang.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Finds a peer that vanished without closing its connection: the time-out also bounds how long the kernel
    # retransmits. Not without calls in flight, because servers hang up on those who ping an idle connection.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # A sidecar is next door; http_proxy is meant for the world outside.
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call, and how."""

    address: str
    timeout_s: float
    credentials: grpc.ChannelCredentials | None
    metadata: tuple[tuple[str, str | bytes], ...]
    options: tuple[tuple[str, int | str], ...]


def endpoint(
    address: str | None,
    timeout_ms: float,
    credentials: grpc.ChannelCredentials | None,
    metadata: Metadata,
    channel_options: Sequence[tuple[str, int | str]],
) -> Endpoint:
    """Check and complete what the app says about the sidecar.

    Raises:
        ValueError: `timeout_ms` is not a finite number above 0, or the address is empty.
    """
    found = os.environ.get(ADDRESS_VARIABLE, ADDRESS_DEFAULT) if address is None else address
    if not found:
        message = f"the address of the sidecar is empty; give host:port or unix:/path, or set {ADDRESS_VARIABLE}"
        raise ValueError(message)
    allowed_ms = number(timeout_ms)
    if allowed_ms is None or allowed_ms <= 0:
        message = f"timeout_ms must be a finite number above 0, got {timeout_ms!r}"
        raise ValueError(message)
    return Endpoint(
        address=found,
        timeout_s=allowed_ms / 1_000,
        credentials=credentials,
        metadata=tuple(metadata),
        options=(*_OPTIONS, *channel_options),
    )
