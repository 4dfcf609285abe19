"""A webhook that really listens, with certificates that were really signed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.ops.injecting.declared import Declared
from sidecar.ops.injecting.https import Https
from sidecar.ops.injecting.serving import Webhook, webhook
from tests.store.servers import certificates


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority and certificates of localhost and of another host, each with its key."""
    directory = tmp_path_factory.mktemp("tls") / "certificates"
    certificates(directory)
    return directory


@pytest.fixture
def trusting(signed: Path) -> ssl.SSLContext:
    """Trust that authority, as an API server with its bundle does."""
    return ssl.create_default_context(cafile=signed / "ca.pem")


def asked(signed: Path, name: str = "localhost") -> Webhook:
    """Say how to run a webhook for a test."""
    pair = signed / f"{name}.pem", signed / f"{name}.key"
    return Webhook("127.0.0.1", 0, "127.0.0.1:0", *pair, drain_s=0.0, grace_s=2.0)


@pytest.fixture
async def https(signed: Path) -> AsyncIterator[Https]:
    """Run a webhook."""
    async with webhook(Declared(), asked(signed)) as server:
        yield server
