"""Passes the app's trace on to the sidecar, when the app has OpenTelemetry; costs nothing when it has not.

The app's own propagators decide what is sent: by default W3C `traceparent` and `tracestate`, and baggage.
"""

from __future__ import annotations

from collections.abc import Callable

from learning_client._log import LOGGER

Sent = tuple[tuple[str, str | bytes], ...]


def _injector() -> Callable[[dict[str, str]], None] | None:
    try:
        from opentelemetry.propagate import inject  # noqa: PLC0415  # optional
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001  # such as an unknown name in OTEL_PROPAGATORS; no reason to fail an app
        LOGGER.warning("traces are not passed on to the sidecar: OpenTelemetry cannot be imported: %s", error)
        return None
    return inject


_inject = _injector()


def with_trace(metadata: Sent) -> Sent:
    """Add the current trace context, if there is one, to what is sent with a call."""
    if _inject is None:
        return metadata
    carrier: dict[str, str] = {}
    _inject(carrier)
    # Keys in lower case, as gRPC demands: some propagators write headers as HTTP/1 does, such as X-B3-TraceId.
    return (*metadata, *((key.lower(), value) for key, value in carrier.items()))
