"""Certificates and tokens: what is sent and read, and what is refused at once."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from learning_client import LearningClient, Tls

from .conftest import Connect
from .drivers import Unchecked
from .scripted import ScriptedSidecar

SECRET = "of-the-app-0123456789"  # noqa: S105 - of nothing


def test_the_token_goes_with_every_call(connect: Connect, sidecar: ScriptedSidecar) -> None:
    """Before the app's own metadata, as a bearer token."""
    client = connect(sidecar.address, token=SECRET, metadata=[("x-team", "search")])
    client.recommend("route", ["small", "large"])

    sent = [pair for pair in sidecar.metadata if pair[0] in {"authorization", "x-team"}]
    assert sent == [("authorization", f"Bearer {SECRET}"), ("x-team", "search")]


@pytest.mark.parametrize("token", ["", f"{SECRET}\n", f"{SECRET} ", "schlüssel-0123456789"])
def test_a_token_that_cannot_be_sent_is_refused(token: str) -> None:
    """A file that was read with its line break is noticed at once, and the secret is not repeated."""
    with pytest.raises(ValueError, match="printable ASCII") as refused:
        LearningClient(token=token)

    assert not token.strip() or token.strip() not in str(refused.value)


def test_a_token_is_text() -> None:
    """Bytes, as a file may give them, would be sent as their representation."""
    bad: Unchecked = SECRET.encode()
    with pytest.raises(TypeError, match="not bytes"):
        LearningClient(token=bad)


@pytest.mark.parametrize("half", [{"cert": "client.pem"}, {"key": "client.key"}])
def test_half_a_pair_is_refused(half: dict[str, str]) -> None:
    """A certificate without its key, or a key without its certificate, proves nothing."""
    with pytest.raises(ValueError, match="belong together"):
        Tls(ca="ca.pem", **half)


def test_a_file_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """A wrong path would otherwise be a client that falls back for ever."""
    with pytest.raises(FileNotFoundError, match=r"no-ca\.pem"):
        LearningClient(tls=Tls(ca=tmp_path / "no-ca.pem"))


def test_tls_is_said_once() -> None:
    """Two ways at a time would leave open which one counts."""
    with pytest.raises(ValueError, match="tls and credentials"):
        LearningClient(tls=Tls(), credentials=grpc.ssl_channel_credentials())


def test_tls_does_not_fall_back_to_plain_text(connect: Connect, sidecar: ScriptedSidecar) -> None:
    """A client that wants TLS does not talk to one that speaks in clear, and so tells it no token."""
    client = connect(sidecar.address, tls=Tls(), token=SECRET)

    assert client.recommend("route", ["small", "large"]).source == "fallback"
    assert sidecar.metadata == []
