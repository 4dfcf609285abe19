"""A scripted sidecar that listens, and either client connected to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import grpc
import pygrpc_native
import pytest
from learning_client import AsyncLearningClient, LearningClient
from learning_client.testing import AsyncFakeLearning, FakeLearning

from .drivers import Driver, Unchecked
from .scripted import ScriptedSidecar

# Generous, so that a busy machine is not taken for a slow sidecar; tests of the deadline set their own.
PATIENT_MS = 5_000

Connect = Callable[..., Driver]
Fake = Callable[..., tuple[FakeLearning | AsyncFakeLearning, Driver]]


@pytest.fixture(params=[grpc.server, pygrpc_native.server], ids=["grpcio", "native"])
def sidecar(request: pytest.FixtureRequest) -> Iterator[ScriptedSidecar]:
    """Listen on a free TCP port of the loopback, on each transport that a sidecar may use."""
    scripted = ScriptedSidecar(request.param)
    scripted.start("127.0.0.1:0")
    yield scripted
    scripted.stop()


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Make clients, sync or async, for an address; they are closed at the end."""
    kind = LearningClient if request.param == "sync" else AsyncLearningClient
    opened: list[Driver] = []
    with asyncio.Runner() as runner:

        def make(address: str, **settings: Unchecked) -> Driver:
            driver = Driver(kind(address, **{"timeout_ms": PATIENT_MS, **settings}), runner)
            opened.append(driver)
            return driver

        yield make
        for driver in opened:
            driver.close()


@pytest.fixture
def client(connect: Connect, sidecar: ScriptedSidecar) -> Driver:
    """Connect to the scripted sidecar, with a patient deadline."""
    return connect(sidecar.address)


@pytest.fixture(params=["sync", "async"])
def fake(request: pytest.FixtureRequest) -> Iterator[Fake]:
    """Make fakes, sync or async, each with something to drive it."""
    kind = FakeLearning if request.param == "sync" else AsyncFakeLearning
    with asyncio.Runner() as runner:

        def make(*chooser: Unchecked) -> tuple[FakeLearning | AsyncFakeLearning, Driver]:
            made = kind(*chooser)
            return made, Driver(made, runner)

        yield make
