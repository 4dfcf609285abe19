"""As much of an HTTPS server as a webhook needs: POST of one JSON document, with a bound on everything.

An API server keeps connections and may open many of them; whoever else can reach the port may be slow or hostile. So a
connection costs little, everything has a time limit, and what all clients announce together is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import NamedTuple

from sidecar.errors import InvalidSettings

HEAD_BYTES_MAX = 16 << 10
BODY_BYTES_MAX = 4 << 20  # an API server takes requests of 3 MiB
BODIES_BYTES_MAX = 64 << 20
CONNECTIONS_MAX = 512

IDLE_S = 120.0  # longer than Go's client keeps a connection, so that it is the one who lets go
HANDSHAKE_S = HEAD_S = 5.0
BODY_S = WRITE_S = 10.0

_REQUEST = re.compile(r"([A-Z]{1,16}) (/[!-~]{0,2047}) HTTP/1\.([01])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")

Answers = Callable[[bytes], tuple[HTTPStatus, bytes]]
"""Answers a body with JSON."""


class Refused(Exception):
    """A request is answered with an error, and its connection closed."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        """Keep both."""
        self.status = status
        super().__init__(why)


class Head(NamedTuple):
    """What precedes a body."""

    length: int
    keeps: bool
    asks_first: bool


class Https:
    """Listens on one address.

    Args:
        host: of an interface.
        port: 0 takes a free one.
        routes: what answers a POST to which path.
        refused: is told of each request that is answered with an error.
    """

    def __init__(
        self, host: str, port: int, routes: Mapping[str, Answers], refused: Callable[[HTTPStatus, str], None]
    ) -> None:
        """Prepare; nothing listens yet."""
        self._host, self.port = host, port
        self._routes = routes
        self._refused = refused
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._busy: set[asyncio.Task[None]] = set()
        self._announced = 0
        self._stopping = False

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    async def start(self, context: ssl.SSLContext) -> None:
        """Listen; `port` then is the real one.

        Raises:
            InvalidSettings: the address is not usable.
        """
        try:
            self._server = await asyncio.start_server(
                self._accepted, self._host, self.port, limit=HEAD_BYTES_MAX, ssl=context,
                ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=1.0,
            )  # fmt: skip
        except (OSError, OverflowError) as error:
            raise InvalidSettings("--address", f"{self._host}:{self.port}", "HOST:PORT with a free port") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self, grace_s: float) -> None:
        """Accept nothing new, answer what is being asked, and close the rest."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        for task in set(self._connections) - self._busy:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=grace_s)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._stopping or len(self._connections) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._connections[task] = writer
        try:
            while await self._one(reader, writer, task) and not self._stopping:
                pass
            writer.close()
            async with asyncio.timeout(WRITE_S):
                await writer.wait_closed()
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # whoever is gone, too slow, or still here while this ends
        finally:
            self._busy.discard(task)
            del self._connections[task]

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> bool:
        """Answer one request; whether the connection may have another."""
        async with asyncio.timeout(IDLE_S):
            first = await reader.readexactly(1)
        self._busy.add(task)
        keeps = False
        try:
            answers, head = await self._head(first, reader)
            with self._room(head.length):
                body = await self._body(head, reader, writer)
                status, answer = answers(body)
            keeps = head.keeps and not self._stopping
        except Refused as error:
            status, answer = error.status, json.dumps({"error": str(error)}).encode()
        if status >= HTTPStatus.BAD_REQUEST:
            self._refused(status, answer.decode())
        async with asyncio.timeout(WRITE_S):
            writer.write(_response(status, answer, keeps=keeps))
            await writer.drain()
        self._busy.discard(task)
        return keeps

    async def _head(self, first: bytes, reader: asyncio.StreamReader) -> tuple[Answers, Head]:
        try:
            async with asyncio.timeout(HEAD_S):
                rest = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError as error:
            raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"at most {HEAD_BYTES_MAX} bytes") from error
        line, *lines = (first + rest).decode("latin-1")[:-4].split("\r\n")
        found = _REQUEST.fullmatch(line)
        if found is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1.1")
        method, target, minor = found.groups()
        answers = self._routes.get(target.partition("?")[0])
        if answers is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is only {', '.join(self._routes)}")
        if method != "POST":
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only POST")
        return answers, _checked(_headers(lines), is_1_1=minor == "1")

    @contextlib.contextmanager
    def _room(self, length: int) -> Iterator[None]:
        """Count what is announced, so that all clients together cannot fill the memory."""
        if self._announced + length > BODIES_BYTES_MAX:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "too much at once")
        self._announced += length
        try:
            yield
        finally:
            self._announced -= length

    async def _body(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        if head.asks_first:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            async with asyncio.timeout(BODY_S):
                return await reader.readexactly(head.length)
        except TimeoutError as error:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"the body took longer than {BODY_S:g} s") from error


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "a header is malformed")
        name, value = found[1].lower(), found[2].strip()
        if headers.get(name, value) != value and name in ("content-length", "host", "transfer-encoding"):
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name} comes twice")
        headers[name] = value
    return headers


def _checked(headers: Mapping[str, str], *, is_1_1: bool) -> Head:
    """The head of a request that can be read: one whose length is beyond doubt."""
    if "transfer-encoding" in headers:
        raise Refused(HTTPStatus.NOT_IMPLEMENTED, "transfer-encoding: send content-length")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-type: only application/json")
    length = headers.get("content-length")
    if length is None:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "content-length is missing")
    if not re.fullmatch("[0-9]{1,18}", length):
        raise Refused(HTTPStatus.BAD_REQUEST, "content-length is no number")
    if int(length) > BODY_BYTES_MAX:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_BYTES_MAX} bytes")
    keeps = is_1_1 and headers.get("connection", "").lower() != "close"
    return Head(int(length), keeps, headers.get("expect", "").lower() == "100-continue")


def _response(status: HTTPStatus, body: bytes, *, keeps: bool) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    allow = "Allow: POST\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else ""
    close = "" if keeps else "Connection: close\r\n"
    return f"{head}{allow}{close}\r\n".encode() + body
