"""The gRPC server: the service, health and reflection behind one boundary, on either transport."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import IO

from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from sidecar.api.authorization import Access
from sidecar.api.boundary import Boundary
from sidecar.api.servicer import Servicer
from sidecar.api.transports import transport_of
from sidecar.errors import InvalidSettings
from sidecar.settings.service import ServiceSettings
from sidecar.telemetry.metrics import Metrics
from sidecar.v1 import learning_pb2
from sidecar.v1.learning_pb2_grpc import add_LearningServicer_to_server

SERVICE: str = learning_pb2.DESCRIPTOR.services_by_name["Learning"].full_name
_QUIET_S, _QUIET_TURNS = 0.1, 10
_CANCELLED_S = 2.0
_REFRESH_INTERVAL_S = 1.0


class Server:
    """Listens on one address.

    Args:
        settings: the address, the transport and the limits.
        servicer: answers the calls.
        metrics: counts errors.
        access: asks for tokens; None where everybody is let in.

    Raises:
        InvalidSettings: the transport is not installed, or not to be used with these settings.
    """

    def __init__(
        self, settings: ServiceSettings, servicer: Servicer, metrics: Metrics, access: Access | None = None
    ) -> None:
        """Prepare; nothing listens yet."""
        self._transport = transport_of(settings, metrics)
        self.boundary = Boundary(self._transport.server, metrics, settings.in_flight_max, access)
        self._health = health_aio.HealthServicer()
        add_LearningServicer_to_server(servicer, self.boundary)  # type: ignore[no-untyped-call]  # generated
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.boundary)
        names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._transport.server)
        is_socket = settings.address.startswith("unix:")
        self._socket = Path(settings.address.removeprefix("unix:")) if is_socket else None
        self._socket_mode = int(settings.socket_mode, 8) if settings.socket_mode else None
        self._socket_lock: IO[str] | None = None
        self.address = settings.address
        self._access = access
        self._has_files = access is not None or bool(settings.tls_certificate)
        self._refreshing: asyncio.Task[None] | None = None
        self.stuck = False
        """Whether something did not end when the server stopped, so that the process cannot end by itself."""

    async def start(self) -> None:
        """Listen; `address` then has the real port.

        Raises:
            InvalidSettings: the address is in use or not usable.
        """
        if self._socket is not None:
            self._claim_socket(self._socket)
        port = self._transport.bind()
        if self._socket is None:
            self.address = f"{self.address.rpartition(':')[0]}:{port}"
        elif self._socket_mode is not None:
            self._socket.chmod(self._socket_mode)
        await self._transport.start()
        if self._has_files:
            self._refreshing = asyncio.create_task(self._refresh_forever())
        await self._serving(health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Say NOT_SERVING, keep serving until it is quiet, then refuse; all within `grace_s` seconds.

        Stopping at once would cancel calls that have arrived and were not begun.
        """
        await self._serving(health_pb2.HealthCheckResponse.NOT_SERVING)
        if self._refreshing is not None:
            self._refreshing.cancel()
        deadline = time.monotonic() + grace_s
        quiet = 0  # counted in turns of the loop: while the process gets no processor, time passes and no call does
        while time.monotonic() < deadline and quiet < _QUIET_TURNS:
            await asyncio.sleep(_QUIET_S / _QUIET_TURNS)
            quiet = 0 if self.boundary.in_flight else quiet + 1
        self._unlink_socket()  # first: a transport may accept connections until it has stopped
        ended = await self._transport.stop(max(0.0, deadline - time.monotonic()))
        self.stuck = not (ended and await self._handlers_end())
        if self._socket_lock is not None:
            self._socket_lock.close()

    async def _handlers_end(self) -> bool:
        """Whether handlers that were cancelled have ended, or do so soon."""
        deadline = time.monotonic() + _CANCELLED_S
        while self.boundary.in_flight and time.monotonic() < deadline:  # noqa: ASYNC110 - a number to reach
            await asyncio.sleep(_QUIET_S / 10)
        return not self.boundary.in_flight

    async def _serving(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", SERVICE):
            await self._health.set(name, status)

    async def _refresh_forever(self) -> None:
        """Take up certificates and tokens that have changed, within a second or so."""
        while True:
            await asyncio.sleep(_REFRESH_INTERVAL_S)
            await self._transport.refresh()
            if self._access is not None:
                await self._access.refresh()

    def _claim_socket(self, path: Path) -> None:
        """Take the lock file beside the socket: grpc itself lets a second server take the path over in silence."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = path.with_name(path.name + ".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise InvalidSettings("LEARNING_ADDRESS", f"unix:{path}", "a socket that no other sidecar uses") from error
        self._socket_lock = lock

    def _unlink_socket(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._socket)  # noqa: PTH108 - it may be gone
