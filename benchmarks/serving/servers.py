"""The servers under test: ours on both transports, and those beside it, all on one store."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

from serving import bodies
from serving.errors import CannotMeasure
from serving.probe import Probe
from serving.processes import Process, Processes
from serving.store import Store

TRANSPORTS = ("grpcio", "native")
# The limit reserves money and is never reached; everything else has its default: gated, in shadow, Thompson sampling.
CONFIG = "defaults:\n  budget: {limit_usd: 1000000, window: day}\n"
_RATELIMIT = """\
domain: bench
descriptors:
  - key: tenant
    rate_limit: {unit: hour, requests_per_unit: 4000000000}
"""
# A machine that stands still for a second must not make answers degraded: they cost less than what is measured.
_PATIENCE = {"LEARNING_STORE_TIMEOUT_MS": "10000"}
_PEER = Path(__file__).with_name("peer_server.py")


@dataclass(slots=True)
class Server:
    """One server: what it is called, where it listens, and what the load sends it."""

    name: str
    process: Process
    address: str
    method: str
    body: Path
    probe: Probe = field(init=False)

    def __post_init__(self) -> None:
        """Make the probe."""
        self.probe = Probe(self.address)

    @property
    def url(self) -> str:
        """For the load generator."""
        return f"http://{self.address}{self.method}"

    @property
    def records(self) -> bool:
        """Whether it records decisions in the store."""
        return not self.name.startswith(("floor", "ping", "ratelimit"))

    def check(self) -> None:
        """Ask it once.

        Raises:
            WrongAnswer: it does not answer well.
        """
        if self.name.startswith("ratelimit"):
            self.probe.rate_limit()
        else:
            self.probe.recommend()


class Servers:
    """Starts servers.

    Args:
        directory: for bodies, logs and files of settings.
        processes: runs them.
        store: they all use it.
    """

    def __init__(self, directory: Path, processes: Processes, store: Store) -> None:
        """Write the files that they read."""
        self._directory, self._processes, self._store = directory, processes, store
        self.config = directory / "domains.yaml"
        self.config.write_text(CONFIG, encoding="utf-8")

    def body(self, name: str, message: bytes) -> Path:
        """A file with a message, framed."""
        path = self._directory / f"{name}.bin"
        path.write_bytes(bodies.framed(message))
        return path

    def ours(self, transport: str) -> Server:
        """The sidecar as an operator would start it. Its management port is on, as by default."""
        process = self.start_ours(transport)
        return self._server(f"ours/{transport}", process, process.address())

    def start_ours(self, transport: str) -> Process:
        """The same, not awaited."""
        return self._processes.start(
            f"ours/{transport}",
            [
                sys.executable, "-m", "sidecar", "serve", "--address", "127.0.0.1:0", "--management-address",
                "127.0.0.1:0", "--config", self.config, "--redis-url", self._store.url, "--transport", transport,
            ],
            _PATIENCE,
        )  # fmt: skip

    def floor(self, transport: str) -> Server:
        """An empty handler."""
        return self._peer(f"floor/{transport}", "fixed", transport)

    def floor_and_ping(self, transport: str) -> Server:
        """An empty handler after one PING over the sidecar's own connection: what asking any store costs."""
        return self._peer(f"ping/{transport}", "ping", transport)

    def floor_and_store(self, transport: str, client: str) -> Server:
        """An empty handler after one EVALSHA."""
        return self._peer(f"{client}/{transport}", "store", transport, client)

    def naive(self) -> Server:
        """What a good engineer writes in a day."""
        return self._peer("naive", "naive", "grpcio")

    def ratelimit(self, binary: Path, *, pipelined: bool) -> Server:
        """envoyproxy/ratelimit; with its own pipelining of calls to Redis, or without."""
        name = "ratelimit pipelined" if pipelined else "ratelimit"
        runtime = self._directory / "ratelimit"
        (runtime / "config").mkdir(parents=True, exist_ok=True)
        (runtime / "config" / "bench.yaml").write_text(_RATELIMIT, encoding="utf-8")
        port = _free_port()
        environment = {
            "RUNTIME_ROOT": str(runtime), "RUNTIME_SUBDIRECTORY": "", "RUNTIME_WATCH_ROOT": "false",
            "REDIS_SOCKET_TYPE": "unix", "REDIS_URL": str(self._store.socket_path), "LOG_LEVEL": "warn",
            # Without statistics it is quickest: its log of them has a line for every request.
            "USE_STATSD": "false", "DISABLE_STATS": "true", "GRPC_HOST": "127.0.0.1", "GRPC_PORT": str(port),
            "HOST": "127.0.0.1", "PORT": str(_free_port()), "DEBUG_HOST": "127.0.0.1", "DEBUG_PORT": str(_free_port()),
        }  # fmt: skip
        if pipelined:
            environment |= {"REDIS_PIPELINE_WINDOW": "150us", "REDIS_PIPELINE_LIMIT": "8"}
        process = self._processes.start(name, [binary], environment)
        body = self.body("should-rate-limit", bodies.should_rate_limit())
        return Server(name, process, f"127.0.0.1:{port}", bodies.SHOULD_RATE_LIMIT, body)

    def _peer(self, name: str, answer: str, transport: str, client: str = "redis-py") -> Server:
        process = self._processes.start(
            name,
            [
                sys.executable, _PEER, "--answer", answer, "--transport", transport, "--client", client,
                "--redis-url", self._store.url, "--config", self.config,
            ],
        )  # fmt: skip
        return self._server(name, process, process.address())

    def _server(self, name: str, process: Process, address: str) -> Server:
        body = self.body("recommend", bodies.recommend().SerializeToString())
        return Server(name, process, address, bodies.RECOMMEND, body)


def ended(server: Server) -> None:
    """Say so if a server is gone.

    Raises:
        CannotMeasure: it is.
    """
    if server.process.popen.poll() is not None:
        raise CannotMeasure(f"{server.name} ended by itself: {server.process.log().strip()[-500:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
