"""What tests of integrations share: a real sidecar, the examples as modules, and patience for what ends later."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import grpc
import pytest

from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # prices as installed; without it the import asks the internet

WAIT_S = 30.0
PATIENT_MS = 10_000  # a busy machine is not taken for a slow sidecar, nor for a store that is away
EXAMPLES = Path(__file__).parents[1] / "example"
DOMAINS = """
domains:
  route:
    mode: ungated
    reward: {signals: {quality: {}}}
"""


THEIR_WARNINGS = [
    "ignore:Item .* on TypedDict class:UserWarning",  # pydantic, about LiteLLM's types
]
"""What the packages that are integrated warn of, and cannot be mended here; any other warning is an error."""


def pytest_configure(config: pytest.Config) -> None:
    """Lay these over the project's own filters."""
    for one in THEIR_WARNINGS:
        config.addinivalue_line("filterwarnings", one)


@pytest.fixture(scope="session")
def sidecar_address() -> Iterator[str]:
    """Run a real sidecar with an embedded store on a socket; it must end well."""
    directory = Path(tempfile.mkdtemp(prefix="ls-", dir="/tmp"))  # sockets need short paths
    (directory / "domains.yaml").write_text(DOMAINS, encoding="utf-8")
    address, log = f"unix:{directory}/learning.sock", directory / "log"
    options = ["--address", address, "--management-address", "off", "--data-dir", str(directory / "data")]
    with log.open("wb") as lines:
        command = [sys.executable, "-m", "sidecar", "serve", *options, "--config", str(directory / "domains.yaml")]
        variables = {**os.environ, "LEARNING_STORE_TIMEOUT_MS": str(PATIENT_MS)}
        process = subprocess.Popen(command, env=variables, stdout=lines, stderr=lines)
    eventually(lambda: process.poll() is not None or "listens on" in log.read_text(encoding="utf-8"))
    assert process.poll() is None, log.read_text(encoding="utf-8")
    yield address
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0, log.read_text(encoding="utf-8")
    shutil.rmtree(directory)


@pytest.fixture
def workspace(request: pytest.FixtureRequest) -> str:
    """Name a workspace that no other test uses."""
    return str(request.node.name)


@pytest.fixture
def missing_address(tmp_path: Path) -> str:
    """Name an address where nobody listens."""
    return f"unix:{tmp_path}/nobody.sock"


def status(address: str, workspace: str) -> pb.DomainStatus:
    """How the domain `route` is doing."""
    with grpc.insecure_channel(address) as channel:
        asked = pb.StatusRequest(workspace=workspace, domain="route")
        return LearningStub(channel).Status(asked, timeout=WAIT_S, wait_for_ready=True).domains[0]


def run_example(name: str, *arguments: str, **variables: str) -> str:
    """Run an example as a program, with further variables; gives what it printed."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def example(name: str) -> ModuleType:
    """Load an example as a module, without running it."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def eventually(so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + WAIT_S
    while not so():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


async def eventually_async(so: Callable[[], bool]) -> None:
    """Wait likewise, and let the event loop run."""
    deadline = time.monotonic() + WAIT_S
    while not so():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)
