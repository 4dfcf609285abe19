"""A real server for the whole run, sidecars as real processes, and names that no other test uses."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import hypothesis
import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from sidecar.store.connection import Connection
from sidecar.store.embedded import EmbeddedServer
from sidecar.store.redis_store import RedisStore
from sidecar.store.rights import COURTESY, NEEDED
from sidecar.v1.learning_pb2_grpc import LearningStub

# A busy machine is not a bug; what an example takes is not asserted. Run with HYPOTHESIS_PROFILE=thorough for more.
hypothesis.settings.register_profile("usual", deadline=None)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))

_START_S = 30.0
_STOP_S = 30.0
_LISTENS = re.compile(r"listens on ([^\s\"]+)")
PATIENCE = {"LEARNING_STORE_TIMEOUT_MS": "10000"}
"""A machine that others use too may stand still for a second; no test shall take that for an outage."""

_OURS = ("LEARNING_", "ENABLE_RL_")
TRANSPORTS = ("grpcio", "native")


@dataclass(slots=True)
class SidecarProcess:
    """A running `learning-sidecar serve`: where it listens, and its log so far."""

    address: str
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        """Everything that it wrote so far."""
        return self.log_path.read_text(encoding="utf-8")

    def stop(self) -> None:
        """End it as an operator would, and see that it ends well; a second time does nothing."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                assert self.process.wait(_STOP_S) == 0, self.log
            finally:
                self.kill()

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()


@dataclass(slots=True)
class FakeClock:
    """Time that passes when it is told to."""

    ms: int = 1_700_000_000_000

    def unix_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return self.ms

    def monotonic(self) -> float:
        """Seconds."""
        return self.ms / 1000


Sidecars = Callable[..., SidecarProcess]
Connect = Callable[[str], LearningStub]
RedisStores = Callable[..., RedisStore]


def interruptible(module: str) -> list[str]:
    """The beginning of a command that runs a module and takes SIGINT, even below a shell that ignores it.

    A shell does so for what it runs in the background, and a child process inherits it.
    """
    run = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-c", run]


@pytest.fixture(scope="session")
def short_dir() -> Iterator[Path]:
    """Make a directory whose path is short enough for sockets in it."""
    made = Path(tempfile.mkdtemp(prefix="ls-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def data_dir(short_dir: Path) -> Path:
    """Name a directory of this test only, short enough for a socket in it, not made yet."""
    return short_dir / secrets.token_hex(4)


@pytest.fixture(scope="session")
def server(short_dir: Path) -> Iterator[EmbeddedServer]:
    """Run one real server for all tests; each keeps to its own workspaces.

    Whoever does not say who he is may do no more than docs/doctor.md asks for, but on any key and in any database, and
    ask who he is.
    """
    with EmbeddedServer(short_dir / "server") as running:
        with Redis.from_url(running.url) as one:
            one.execute_command("ACL", "SETUSER", "admin", "on", "nopass", "~*", "&*", "+@all")
            rights = [f"+{name}" for name in (*NEEDED, *COURTESY, "select", "client|info")]
            one.execute_command("ACL", "SETUSER", "default", "-@all", *rights)
        yield running


@pytest.fixture(scope="session")
def redis_url(server: EmbeddedServer) -> str:
    """Say where the server is, for those who may do what a sidecar needs."""
    return server.url


@pytest.fixture(scope="session")
def admin_url(server: EmbeddedServer) -> str:
    """Say where the server is, for those who may do everything."""
    return f"{server.url}?username=admin&password=any"


@pytest.fixture
def workspace() -> str:
    """Make up a name that no other test uses."""
    return f"w-{secrets.token_hex(6)}"


@pytest.fixture
async def redis_stores(redis_url: str) -> AsyncIterator[RedisStores]:
    """Make stores on the server (or another), closed at the end."""
    made: list[RedisStore] = []

    def make(url: str = redis_url, *, timeout_s: float = 10.0, prefix: str = "learning") -> RedisStore:
        made.append(RedisStore(Connection(url, timeout_s=timeout_s), prefix=prefix))
        return made[-1]

    yield make
    for store in made:
        await store.close()


@pytest.fixture
def redis_store(redis_stores: RedisStores) -> RedisStore:
    """Make a store on the server."""
    return redis_stores()


@pytest.fixture
async def redis_client(admin_url: str) -> AsyncIterator[Any]:
    """Look at the server itself."""
    client: Any = AsyncRedis.from_url(admin_url)
    yield client
    await client.aclose()


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Name each transport in turn: what is asked of sidecars is asked of both."""
    return str(request.param)


@pytest.fixture
def sidecars(redis_url: str, tmp_path: Path, transport: str) -> Iterator[Sidecars]:
    """Start real sidecar processes on the shared server, on each transport; each must end well on SIGTERM.

    The factory takes `config` (the text of a YAML file), `environment` (further variables), `redis_url`
    (None leaves it out, so that the sidecar starts its own embedded server), `arguments` (further options) and
    `transport` (another one than the test's).
    """
    with starting_sidecars(redis_url, tmp_path, transport) as start:
        yield start


@pytest.fixture(scope="module")
def module_sidecars(redis_url: str, tmp_path_factory: pytest.TempPathFactory, transport: str) -> Iterator[Sidecars]:
    """Do the same as `sidecars` for all tests of a module together."""
    with starting_sidecars(redis_url, tmp_path_factory.mktemp("sidecars"), transport) as start:
        yield start


@contextmanager
def starting_sidecars(shared_url: str, directory: Path, usual_transport: str) -> Iterator[Sidecars]:
    """Start sidecars whose files lie in `directory`, and stop them all at the end."""
    with ExitStack() as running:
        numbers = count()

        def start(
            config: str = "",
            *,
            environment: Mapping[str, str] | None = None,
            redis_url: str | None = shared_url,
            arguments: Sequence[str] = (),
            transport: str = usual_transport,
        ) -> SidecarProcess:
            number = next(numbers)
            options = ["--address", "127.0.0.1:0", "--management-address", "off", "--transport", transport]
            if redis_url is not None:
                options += ["--redis-url", redis_url]
            if config:
                file = directory / f"config-{number}.yaml"
                file.write_text(config, encoding="utf-8")
                options += ["--config", str(file)]
            variables = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
            variables |= PATIENCE | {"LEARNING_SPOOL_DIR": str(directory / "spool")}
            log_path = directory / f"sidecar-{number}.log"
            with log_path.open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "sidecar", "serve", *options, *arguments],
                    env=variables | dict(environment or {}),
                    stdout=log,
                    stderr=log,
                )
            started = SidecarProcess("", process, log_path)
            running.callback(started.stop)
            started.address = _awaited_address(started)
            return started

        yield start


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Make gRPC stubs for addresses; their channels are closed at the end."""
    channels: list[grpc.aio.Channel] = []

    def make(address: str) -> LearningStub:
        channels.append(grpc.aio.insecure_channel(address))
        return LearningStub(channels[-1])  # type: ignore[no-untyped-call]  # generated

    yield make
    for channel in channels:
        await channel.close()


def _awaited_address(started: SidecarProcess) -> str:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        found = _LISTENS.search(started.log)
        if found:
            return found.group(1)
        if started.process.poll() is not None:
            break
        time.sleep(0.02)
    started.kill()
    pytest.fail(f"the sidecar did not come up:\n{started.log}")
