"""HTTP as an API server speaks it, and as nobody should."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.injector.patching import review
from tests.injector.pods import pod

REVIEW = json.dumps(review(pod())).encode()


class Line:
    """A connection to a webhook."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep both ends."""
        self.reader, self.writer = reader, writer

    async def send(self, *pieces: bytes) -> None:
        """Write pieces one by one."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """Read one answer: status, headers and JSON."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        if status.startswith("HTTP/1.1 100"):
            return 100, headers, None
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(status.split()[1]), headers, json.loads(body)

    async def post(self, body: bytes = REVIEW, path: str = "/inject?timeout=5s", **headers: str) -> tuple[int, Any]:
        """Ask as an API server does."""
        await self.send(request(body, path, **headers))
        status, _, answer = await self.answer()
        return status, answer

    async def is_closed(self) -> bool:
        """Whether the other end has hung up."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True


def request(body: bytes = REVIEW, path: str = "/inject?timeout=5s", **headers: str) -> bytes:
    """Write a request; headers by name with underscores, empty ones are left out."""
    whole = {"host": "localhost", "content_type": "application/json", "content_length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in whole.items() if value]
    return f"POST {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode() + body


@asynccontextmanager
async def line_to(port: int, trusting: ssl.SSLContext, name: str | None = "localhost") -> AsyncIterator[Line]:
    """Connect, and see that the certificate is good for the name."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()
