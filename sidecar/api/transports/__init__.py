"""What speaks HTTP/2: one file a transport, chosen by `LEARNING_TRANSPORT`."""

from __future__ import annotations

from sidecar.api.transports.base import Transport
from sidecar.api.transports.grpcio import GrpcioTransport
from sidecar.api.transports.native import NativeTransport
from sidecar.settings.service import ServiceSettings
from sidecar.telemetry.metrics import Metrics

__all__ = ["Transport", "transport_of"]


def transport_of(settings: ServiceSettings, metrics: Metrics) -> Transport:
    """The transport that the settings name.

    Raises:
        InvalidSettings: it is not installed, or cannot be used with these settings.
    """
    if settings.transport == "native":
        return NativeTransport(settings, metrics)
    return GrpcioTransport(settings)
