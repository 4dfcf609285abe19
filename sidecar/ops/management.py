"""Plain HTTP on a port of its own, from a thread of its own, so that it answers when the event loop is blocked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from sidecar.errors import InvalidSettings

JSON, TEXT, HTML = "application/json", "text/plain; charset=utf-8", "text/html; charset=utf-8"

Answer = tuple[str, str, bytes]
"""Status, content type and body."""

Route = Callable[[dict[str, str]], Answer]
"""Answers a path, given the query."""


class Management:
    """Serves pages on a port of their own.

    Args:
        address: `HOST:PORT`, or `off`.
        routes: what answers which path.
    """

    def __init__(self, address: str, routes: Mapping[str, Route]) -> None:
        """Prepare; nothing listens yet."""
        self.address = address
        self._routes = routes
        self._http: WSGIServer | None = None

    def start(self) -> None:
        """Listen; `address` then has the real port.

        Raises:
            InvalidSettings: the address is not usable.
        """
        if self.address == "off":
            return
        host, _, port = self.address.rpartition(":")
        try:
            self._http = make_server(host.strip("[]"), int(port), self._answer, _Threads, _Quiet)
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
        status, kind, body = route(asked) if route else ("404 Not Found", TEXT, b"not found\n")
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]


class _Threads(ThreadingMixIn, WSGIServer):
    """A thread for each connection: one that says nothing must keep neither a probe nor the end waiting."""

    daemon_threads = True
    block_on_close = False


class _Quiet(WSGIRequestHandler):
    """Probes come every few seconds; a line for each would drown the log."""

    timeout = 5.0  # of each read and write

    def handle(self) -> None:
        """Answer; whoever is too slow, or gone, gets nothing."""
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def verdict(good: bool) -> Answer:
    """What a probe is answered."""
    return ("200 OK", TEXT, b"ok\n") if good else ("503 Service Unavailable", TEXT, b"no\n")
