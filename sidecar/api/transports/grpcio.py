"""grpcio's own server: the default, and the reference for what the other transport must do."""

from __future__ import annotations

import grpc

from sidecar.api.transports.base import bound_port, common_options
from sidecar.api.transports.credentials import TlsCredentials
from sidecar.settings.service import ServiceSettings

_PING_INTERVAL_MS = 10_000  # apps on loopback may ping so often; grpc's own default ends their connection
_PENDING_MAX = 100_000
"""So many calls may wait until their handler starts. Beyond 1,000, its default, gRPC would end some of them as
CANCELLED, without a word of why; the boundary says RESOURCE_EXHAUSTED, and when to come again."""


class GrpcioTransport:
    """`grpc.aio.server`.

    Args:
        settings: the address, the limits, and the certificate for TLS.

    Raises:
        InvalidSettings: the certificate cannot be used.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        """Prepare; nothing listens yet."""
        self._address = settings.address
        self._tls = TlsCredentials(settings) if settings.tls_certificate else None
        self.server = grpc.aio.server(
            options=[
                *common_options(settings),
                ("grpc.http2.min_ping_interval_without_data_ms", _PING_INTERVAL_MS),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", _PING_INTERVAL_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.server.max_pending_requests", _PENDING_MAX),
                ("grpc.server.max_pending_requests_hard_limit", _PENDING_MAX),
            ]
        )

    def bind(self) -> int:
        """Take the address and return its port.

        Raises:
            InvalidSettings: the address is in use or not usable.
        """
        return bound_port(self.server, self._address, self._tls.credentials() if self._tls else None)

    async def start(self) -> None:
        """Answer calls."""
        await self.server.start()

    async def refresh(self) -> None:
        """Take up certificates that have changed."""
        if self._tls is not None:
            await self._tls.refresh()

    async def stop(self, grace_s: float) -> bool:
        """Give calls in flight `grace_s` seconds; grpcio always ends in time."""
        await self.server.stop(grace_s)
        return True
