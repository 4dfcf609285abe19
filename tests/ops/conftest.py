"""A server to be examined, which tests may spoil."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.store.servers import free_port, valkey


@pytest.fixture(scope="session")
def port() -> int:
    """Where the patient listens besides its socket."""
    return free_port()


@pytest.fixture(scope="session")
def patient(short_dir: Path, port: int) -> Iterator[str]:
    """Run a server that these tests may change as they like, as long as they change it back; gives its socket."""
    options = ("--port", str(port), "--bind", "127.0.0.1", "--appendonly", "yes", "--enable-debug-command", "local")
    with valkey(short_dir / "patient", *options) as path:
        yield str(path)


@pytest.fixture
async def admin(patient: str) -> AsyncIterator[Any]:
    """Talk to it."""
    client: Any = Redis.from_url(f"unix://{patient}")
    yield client
    await client.aclose()
