"""Runs the webhook: its certificate, its port, its probes, and its end."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from sidecar import __version__
from sidecar.errors import InvalidInput, InvalidSettings
from sidecar.ops.injecting.certificate import Certificate
from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.https import Https
from sidecar.ops.injecting.instruments import InjectorMetrics
from sidecar.ops.injecting.review import reviewed
from sidecar.ops.management import Management, Route, verdict
from sidecar.telemetry.exposition import CONTENT_TYPE, exposition

PATH = "/inject"

_log = logging.getLogger(__name__)

_REFRESH_INTERVAL_S = 1.0
_STALL_S = 5.0


class Webhook(NamedTuple):
    """How the injector is run."""

    host: str
    port: int
    management_address: str
    certificate: Path
    key: Path
    drain_s: float
    grace_s: float


class Injector:
    """Answers reviews.

    Args:
        declared: what the platform says of all pods.
        metrics: counts what happens.
    """

    def __init__(self, declared: Declared, metrics: InjectorMetrics) -> None:
        """Keep both."""
        self._declared = declared
        self._metrics = metrics

    def answer(self, body: bytes) -> tuple[HTTPStatus, bytes]:
        """Answer one."""
        began = time.perf_counter()
        try:
            found = reviewed(body, self._declared)
        except InvalidInput as error:
            return HTTPStatus.BAD_REQUEST, json.dumps({"error": str(error)}).encode()
        except Exception:  # noqa: BLE001 - a mistake of ours shall cost one pod its sidecar, and not the connection
            _log.exception("a pod could not be looked at")
            return HTTPStatus.INTERNAL_SERVER_ERROR, b'{"error": "internal"}'
        self._metrics.seconds.observe(time.perf_counter() - began)
        self._metrics.reviews.add(str(found.injection.outcome))
        level = logging.WARNING if found.injection.warnings else logging.INFO
        _log.log(level, "reviewed", extra={"facts": found.facts})
        return HTTPStatus.OK, found.answer

    def refused(self, status: HTTPStatus, why: str) -> None:
        """Count a request that was answered with an error."""
        self._metrics.refused.add(str(status.value))
        _log.warning("refused", extra={"facts": {"status": status.value, "why": why}})


@asynccontextmanager
async def webhook(declared: Declared, asked: Webhook) -> AsyncIterator[Https]:
    """Run the webhook for as long as the context lasts.

    On the way out: not ready, so that Kubernetes sends nobody here any more, then what is being asked, then the end.

    Raises:
        InvalidSettings: an address, or the certificate, is not usable.
    """
    metrics = InjectorMetrics()
    injector = Injector(declared, metrics)
    certificate = Certificate(asked.certificate, asked.key)
    server = Https(asked.host, asked.port, {PATH: injector.answer}, injector.refused)
    metrics.connections.read = lambda: server.connections
    metrics.certificate_ends.read = lambda: certificate.ends_unix_s
    ready = threading.Event()
    management = Management(asked.management_address, _routes(asyncio.get_running_loop(), ready, metrics))
    await asyncio.to_thread(management.start)
    refreshing = asyncio.create_task(_refresh_forever(certificate))
    try:
        await server.start(certificate.context)
        _log.info("management on %s", management.address)
        _log.info("learning-sidecar %s injects on https://%s:%s%s", __version__, asked.host, server.port, PATH)
        ready.set()
        yield server
        ready.clear()
        await asyncio.sleep(asked.drain_s)
    finally:
        await server.stop(asked.grace_s)
        refreshing.cancel()
        with suppress(asyncio.CancelledError):
            await refreshing
        await asyncio.to_thread(management.stop)


async def serve(declared: Declared, asked: Webhook) -> None:
    """Run the webhook until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with webhook(declared, asked):
        await stopping.wait()
        _log.info("stopping")
    _log.info("stopped")


def _routes(loop: asyncio.AbstractEventLoop, ready: threading.Event, metrics: InjectorMetrics) -> Mapping[str, Route]:
    return {
        "/livez": lambda _: verdict(_turns(loop)),
        "/readyz": lambda _: verdict(ready.is_set()),
        "/metrics": lambda _: ("200 OK", CONTENT_TYPE, exposition(metrics.instruments).encode()),
    }


def _turns(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the event loop answers soon."""
    turned = threading.Event()
    loop.call_soon_threadsafe(turned.set)
    return turned.wait(_STALL_S)


async def _refresh_forever(certificate: Certificate) -> None:
    """Take up a new certificate within a second or so."""
    while True:
        await asyncio.sleep(_REFRESH_INTERVAL_S)
        await asyncio.to_thread(certificate.refresh)


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of an address.

    Raises:
        InvalidSettings: it has not these two.

    >>> host_and_port("[::]:8443")
    ('::', 8443)
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the last port
        raise InvalidSettings("--address", address, "HOST:PORT")
    return host.strip("[]"), int(port)
