"""The seam: what the server asks of a transport."""

from __future__ import annotations

from typing import Protocol

import grpc

from sidecar.errors import InvalidSettings
from sidecar.settings.service import ServiceSettings

Options = list[tuple[str, int]]


class Transport(Protocol):
    """One server on one address."""

    server: grpc.aio.Server
    """Where handlers are registered, before `start`."""

    def bind(self) -> int:
        """Take the address and return its port (meaningless for a socket).

        Raises:
            InvalidSettings: the address is in use or not usable.
        """
        ...

    async def start(self) -> None:
        """Answer calls."""
        ...

    async def refresh(self) -> None:
        """Take up certificates that have changed."""
        ...

    async def stop(self, grace_s: float) -> bool:
        """Give calls in flight `grace_s` seconds; return whether all of it has ended."""
        ...


def common_options(settings: ServiceSettings) -> Options:
    """Options that every transport knows."""
    return [
        # Explicit, because defaults differ. A second sidecar on a port must fail, not share it in silence; workers of
        # one do share it, and then sidecar/ops/workers/reservation.py keeps others out.
        ("grpc.so_reuseport", int(settings.workers > 1)),
        ("grpc.max_receive_message_length", settings.message_bytes_max),
        ("grpc.max_send_message_length", settings.message_bytes_max),
    ]


def bound_port(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
    """Let the server take the address, with TLS if there are credentials.

    Raises:
        InvalidSettings: it cannot.
    """
    try:
        if credentials is not None:
            return server.add_secure_port(address, credentials)
        return server.add_insecure_port(address)
    except RuntimeError as error:
        allowed = "an address of this machine with a free port, or a usable path"
        raise InvalidSettings("LEARNING_ADDRESS", address, allowed) from error
