"""Health, metrics and the page, over plain HTTP on a port of their own, from a thread of their own.

A thread, so that `/livez` can tell when the event loop is blocked. Readiness does not follow the store: when Redis
fails over, pods must not all be taken out; how the store is shows in the body of `/readyz?verbose`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from google.protobuf.json_format import MessageToDict
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sidecar.api.servicer import Servicer
from sidecar.errors import InvalidSettings, SidecarError
from sidecar.ops.page import PAGE
from sidecar.telemetry.metrics import Metrics
from sidecar.v1 import learning_pb2 as pb

_LOOP_STALL_S = 5.0
_JSON, _TEXT, _HTML = "application/json", "text/plain; charset=utf-8", "text/html; charset=utf-8"

Answer = tuple[str, str, bytes]


class Vitals:
    """What probes ask: whether the loop turns, whether the server serves, and how the store is.

    Args:
        loop: the one that answers calls.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start neither ready nor with a store."""
        self.loop = loop
        self.ready = False
        self.store: str | None = None  # not asked yet; empty while it is away

    def alive(self) -> bool:
        """Whether the loop answers within 5 seconds."""
        turned = threading.Event()
        self.loop.call_soon_threadsafe(turned.set)
        return turned.wait(_LOOP_STALL_S)


class Management:
    """Serves `/livez`, `/readyz`, `/startupz`, `/metrics`, `/status.json` and the page.

    Args:
        address: `HOST:PORT`, or `off`.
        vitals: for the probes.
        metrics: for `/metrics`.
        servicer: for the page, which shows what the Status call answers.
    """

    def __init__(self, address: str, vitals: Vitals, metrics: Metrics, servicer: Servicer) -> None:
        """Prepare; nothing listens yet."""
        self.address = address
        self._vitals = vitals
        self._servicer = servicer
        self._http: WSGIServer | None = None
        self._routes: dict[str, Callable[[dict[str, str]], Answer]] = {
            "/livez": lambda _: _verdict(vitals.alive()),
            "/readyz": self._readiness,
            "/startupz": lambda _: _verdict(vitals.ready),
            "/metrics": lambda _: ("200 OK", CONTENT_TYPE_LATEST, metrics.exposition()),
            "/status.json": self._status,
            "/": lambda _: ("200 OK", _HTML, PAGE.encode()),
        }

    def start(self) -> None:
        """Listen; `address` then has the real port.

        Raises:
            InvalidSettings: the address is not usable.
        """
        if self.address == "off":
            return
        host, _, port = self.address.rpartition(":")
        try:
            self._http = make_server(host.strip("[]"), int(port), self._answer, WSGIServer, _Quiet)
        except (OSError, ValueError, OverflowError) as error:
            allowed = "HOST:PORT with a free port, or off"
            raise InvalidSettings("LEARNING_MANAGEMENT_ADDRESS", self.address, allowed) from error
        self.address = f"{host}:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, name="management", daemon=True).start()

    def stop(self) -> None:
        """Stop listening."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        query = str(environ.get("QUERY_STRING", ""))
        asked = dict(parse_qsl(query, keep_blank_values=True))
        route = self._routes.get(str(environ.get("PATH_INFO")))
        status, kind, body = route(asked) if route else ("404 Not Found", _TEXT, b"not found\n")
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    def _readiness(self, asked: dict[str, str]) -> Answer:
        if "verbose" not in asked:
            return _verdict(self._vitals.ready)
        facts = {"ready": self._vitals.ready, "store": self._vitals.store or "away"}
        status = "200 OK" if self._vitals.ready else "503 Service Unavailable"
        return status, _JSON, json.dumps(facts).encode()

    def _status(self, asked: dict[str, str]) -> Answer:
        request = pb.StatusRequest(tenant=asked.get("tenant", ""), workspace=asked.get("workspace", ""))
        answering = asyncio.run_coroutine_threadsafe(self._servicer.status(request), self._vitals.loop)
        try:
            message = answering.result(_LOOP_STALL_S)
        except (SidecarError, TimeoutError) as error:
            return "503 Service Unavailable", _JSON, json.dumps({"error": str(error)}).encode()
        plain = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        return "200 OK", _JSON, json.dumps(plain).encode()


class _Quiet(WSGIRequestHandler):
    """Probes come every few seconds; a line for each would drown the log."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _verdict(good: bool) -> Answer:
    return ("200 OK", _TEXT, b"ok\n") if good else ("503 Service Unavailable", _TEXT, b"no\n")
