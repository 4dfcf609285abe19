"""The gRPC server: the service, health and reflection behind one boundary."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import IO

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from sidecar.api.boundary import Boundary
from sidecar.api.servicer import Servicer
from sidecar.errors import InvalidSettings
from sidecar.settings.service import ServiceSettings
from sidecar.telemetry.metrics import Metrics
from sidecar.v1 import learning_pb2
from sidecar.v1.learning_pb2_grpc import add_LearningServicer_to_server

SERVICE: str = learning_pb2.DESCRIPTOR.services_by_name["Learning"].full_name
_QUIET_S = 0.1
_PING_INTERVAL_MS = 10_000  # apps on loopback may ping so often; grpc's own default ends their connection


class Server:
    """Listens on one address.

    Args:
        settings: the address and the limits.
        servicer: answers the calls.
        metrics: counts errors.
    """

    def __init__(self, settings: ServiceSettings, servicer: Servicer, metrics: Metrics) -> None:
        """Prepare; nothing listens yet."""
        self._settings = settings
        self.boundary = Boundary(metrics, settings.in_flight_max)
        self._server = grpc.aio.server(
            interceptors=[self.boundary],
            options=[
                ("grpc.so_reuseport", 0),  # a second sidecar on the port must fail, not share it silently
                ("grpc.max_receive_message_length", settings.message_bytes_max),
                ("grpc.max_send_message_length", settings.message_bytes_max),
                ("grpc.http2.min_ping_interval_without_data_ms", _PING_INTERVAL_MS),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", _PING_INTERVAL_MS),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
        )
        self._health = health_aio.HealthServicer()
        add_LearningServicer_to_server(servicer, self._server)  # type: ignore[no-untyped-call]  # generated
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self._socket_lock: IO[str] | None = None
        self.address = settings.address

    async def start(self) -> None:
        """Listen; `address` then has the real port.

        Raises:
            InvalidSettings: the address is in use or not usable.
        """
        if self._settings.address.startswith("unix:"):
            self._claim_socket(Path(self._settings.address.removeprefix("unix:")))
        try:
            port = self._server.add_insecure_port(self._settings.address)
        except RuntimeError as error:
            allowed = "a loopback address with a free port"
            raise InvalidSettings("LEARNING_ADDRESS", self._settings.address, allowed) from error
        if not self._settings.address.startswith("unix:"):
            self.address = f"{self._settings.address.rpartition(':')[0]}:{port}"
        await self._server.start()
        await self._serving(health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace_s: float) -> None:
        """Say NOT_SERVING, keep serving until it is quiet, then refuse; all within `grace_s` seconds.

        Stopping at once would cancel calls that have arrived and were not begun.
        """
        await self._serving(health_pb2.HealthCheckResponse.NOT_SERVING)
        deadline = time.monotonic() + grace_s
        quiet_since = time.monotonic()
        while (now := time.monotonic()) < deadline and now - quiet_since < _QUIET_S:
            await asyncio.sleep(_QUIET_S / 10)
            if self.boundary.in_flight:
                quiet_since = time.monotonic()
        await self._server.stop(max(0.0, deadline - time.monotonic()))
        if self._socket_lock is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._settings.address.removeprefix("unix:"))  # noqa: PTH108 - it may be gone
            self._socket_lock.close()

    async def _serving(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", SERVICE):
            await self._health.set(name, status)

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
