"""Goal: whoever speaks to the port, the next pod is answered. Method: real TLS, good and bad clients side by side."""

from __future__ import annotations

import asyncio
import http.client
import ssl
from collections.abc import Callable

import pytest

from sidecar.ops.injecting import https as limits
from sidecar.ops.injecting.https import BODY_BYTES_MAX, Https
from tests.injector.speaking import REVIEW, line_to, request


async def test_a_connection_is_kept_for_many_reviews(https: Https, trusting: ssl.SSLContext) -> None:
    """One handshake for all, as API servers do it."""
    async with line_to(https.port, trusting) as line:
        for _ in range(50):
            status, answer = await line.post()
            assert (status, answer["response"]["allowed"]) == (200, True)
        assert https.connections == 1


async def test_a_client_of_the_library_is_served(https: Https, trusting: ssl.SSLContext) -> None:
    """Not only one that the tests wrote."""

    def ask() -> int:
        connection = http.client.HTTPSConnection("localhost", https.port, context=trusting, timeout=5)
        connection.request("POST", "/inject?timeout=5s", REVIEW, {"Content-Type": "application/json"})
        with connection.getresponse() as response:
            response.read()
            connection.close()
            return response.status

    assert await asyncio.to_thread(ask) == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(path="/"), 404),
        (request(path="/inject/"), 404),
        (request().replace(b"POST", b"GET", 1), 405),
        (request(content_length=""), 411),
        (request(content_length=str(BODY_BYTES_MAX + 1)), 413),
        (request(b"", content_length=str(10 << 20)), 413),
        (request(content_length="-1"), 400),
        (request(content_length="1e3"), 400),
        (request(content_length="9" * 30), 400),
        (request(content_length="5, 6"), 400),
        (request().replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n", 1), 400),
        (request(transfer_encoding="chunked"), 501),
        (request(content_type="text/plain"), 415),
        (request(content_type=""), 415),
        (request(x="y" * 20_000), 431),
        (request().replace(b"HTTP/1.1", b"HTTP/2.0", 1), 400),
        (request().replace(b"host: localhost", b"host localhost", 1), 400),
        (request().replace(b"host: localhost", b"host: a\x00b", 1), 400),
        (request().replace(b"host: localhost\r\n", b"host: a\r\n b\r\n", 1), 400),
        (b"\x16\x03\x01 not http\r\n\r\n", 400),
        (request(b"{"), 400),
        (request(b'{"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"}'), 400),
    ],
)
async def test_what_is_wrong_is_refused(https: Https, trusting: ssl.SSLContext, sent: bytes, status: int) -> None:
    """With the status that says so, and a line of JSON; the next connection is served."""
    async with line_to(https.port, trusting) as line:
        await line.send(sent)
        found, headers, answer = await line.answer()

        assert found == status
        assert answer["error"]
        assert ("allow" in headers) == (status == 405)
        if status != 400:
            assert headers["connection"] == "close"
            assert await line.is_closed()
    async with line_to(https.port, trusting) as line:
        assert (await line.post())[0] == 200


async def test_ten_megabytes_are_not_read(https: Https, trusting: ssl.SSLContext) -> None:
    """They are refused by their announcement, before a byte of them is taken."""
    async with line_to(https.port, trusting) as line:
        await line.send(request(b"", content_length=str(10 << 20), expect="100-continue"))
        assert (await line.answer())[0] == 413


async def test_a_large_review_is_answered(https: Https, trusting: ssl.SSLContext) -> None:
    """Up to what an API server takes itself, in many pieces, and only once it was asked for."""
    body = REVIEW[:-1] + b', "filler": "' + b"x" * (3 << 20) + b'"}'
    async with line_to(https.port, trusting) as line:
        await line.send(request(b"", content_length=str(len(body)), expect="100-continue"))
        assert (await line.answer())[0] == 100
        await line.send(*(body[at : at + 100_000] for at in range(0, len(body), 100_000)))
        assert (await line.answer())[0] == 200


async def test_two_requests_at_once_are_answered_in_order(https: Https, trusting: ssl.SSLContext) -> None:
    """Pipelining: the second waits."""
    async with line_to(https.port, trusting) as line:
        await line.send(request() + request(b"{"))
        assert [(await line.answer())[0] for _ in range(2)] == [200, 400]


async def test_a_client_that_wants_to_hang_up_may(https: Https, trusting: ssl.SSLContext) -> None:
    """`Connection: close`, and HTTP/1.0."""
    for sent in (request(connection="close"), request().replace(b"HTTP/1.1", b"HTTP/1.0", 1)):
        async with line_to(https.port, trusting) as line:
            await line.send(sent)
            assert (await line.answer())[0] == 200
            assert await line.is_closed()


async def test_hundreds_of_connections_are_served(https: Https, trusting: ssl.SSLContext) -> None:
    """A rollout makes many pods at once: 200 connections at a time, each with three pods."""

    async def one() -> list[int]:
        async with line_to(https.port, trusting) as line:
            return [(await line.post())[0] for _ in range(3)]

    assert await asyncio.gather(*(one() for _ in range(200))) == [[200] * 3] * 200


@pytest.mark.parametrize(
    ("limit", "begin"),
    [("IDLE_S", b""), ("HEAD_S", b"POST /inj"), ("BODY_S", request(REVIEW[:-5], content_length=str(len(REVIEW))))],
)
async def test_a_slow_client_is_let_go(
    https: Https, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, limit: str, begin: bytes
) -> None:
    """Whether it says nothing, half a head or half a body; meanwhile others are served."""
    monkeypatch.setattr(limits, limit, 0.3)
    async with line_to(https.port, trusting) as slow, line_to(https.port, trusting) as other:
        await slow.send(begin)
        assert (await other.post())[0] == 200
        async with asyncio.timeout(10):
            if limit == "BODY_S":
                assert (await slow.answer())[0] == 408
            assert await slow.is_closed()


async def test_a_client_that_never_shakes_hands_is_let_go(https: Https, trusting: ssl.SSLContext) -> None:
    """Plain bytes and silence do not keep others from being served."""
    _, writer = await asyncio.open_connection("127.0.0.1", https.port)
    _, rude = await asyncio.open_connection("127.0.0.1", https.port)
    rude.write(b"GET / HTTP/1.1\r\n\r\n")
    try:
        async with line_to(https.port, trusting) as line:
            assert (await line.post())[0] == 200
            assert https.connections == 1
    finally:
        writer.transport.abort()
        rude.transport.abort()


async def test_there_is_a_last_connection(
    https: Https, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is hung up on; when one is free again the next is served."""
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 1)
    async with line_to(https.port, trusting) as first:
        assert (await first.post())[0] == 200
        async with line_to(https.port, trusting) as second:
            assert await second.is_closed()
    await _until(lambda: https.connections == 0)
    async with line_to(https.port, trusting) as third:
        assert (await third.post())[0] == 200


async def test_all_bodies_together_are_bounded(
    https: Https, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was announced and never sent counts, until its sender is gone."""
    monkeypatch.setattr(limits, "BODIES_BYTES_MAX", len(REVIEW) + 10)
    async with line_to(https.port, trusting) as greedy, line_to(https.port, trusting) as other:
        await greedy.send(request(b"", content_length=str(len(REVIEW))))
        await asyncio.sleep(0.1)
        assert (await other.post())[0] == 503
    await _until(lambda: https.connections == 0)
    async with line_to(https.port, trusting) as line:
        assert (await line.post())[0] == 200


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - a number to reach
            await asyncio.sleep(0.01)
