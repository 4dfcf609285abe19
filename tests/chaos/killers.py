"""The processes that chaos kills, stops and starts again: a durable store, and sidecars.

The store is a real server that writes every change to disk before it answers (appendonly, appendfsync always), so
that what it acknowledged survives a kill. A sidecar keeps its port, so that its clients find it again.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import ConnectionError as Unreachable
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from sidecar.store.embedded import find_binary
from tests.conftest import SidecarProcess, Sidecars
from tests.store.servers import free_port

_START_S = 60.0


class Store:
    """One server process on a unix socket, with its data in a directory.

    Args:
        directory: exists; short enough for a socket in it.
        durable: whether every change is on disk before it is answered. Without, a kill loses what was answered.
    """

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        """Prepare; nothing runs yet."""
        self.socket = directory / "s"
        self._directory, self._durable = directory, durable
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it is, without any proxy."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it and wait until it has loaded what is on disk."""
        durably = ("--appendonly", "yes", "--appendfsync", "always") if self._durable else ("--appendonly", "no")
        arguments = (
            str(find_binary()), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self._directory),
            "--logfile", str(self._directory / "log"), "--save", "", "--maxmemory-policy", "noeviction", *durably,
        )  # fmt: skip
        self._process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + _START_S
        while not self._answers():
            assert self._process.poll() is None, "the store ended"
            assert time.monotonic() < deadline, "the store does not answer"
            time.sleep(0.005)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop_and_go(self, *, go: bool) -> None:
        """Stop it where it stands (SIGSTOP), or let it go on (SIGCONT)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT if go else signal.SIGSTOP)

    def ask(self, *words: Any) -> Any:
        """Give it one command, past every proxy; raises redis.RedisError when it is not there."""
        with Redis(unix_socket_path=str(self.socket), socket_timeout=20.0, retry=Retry(NoBackoff(), 0)) as client:
            return client.execute_command(*words)

    def ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Give it several commands in one round trip."""
        with Redis(unix_socket_path=str(self.socket), socket_timeout=20.0, retry=Retry(NoBackoff(), 0)) as client:
            pipeline = client.pipeline(transaction=True)
            for words in commands:
                pipeline.execute_command(*words)
            return list(pipeline.execute())

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except (Unreachable, RedisError):
            return False


@dataclass(slots=True, eq=False)
class KilledSidecar:
    """A sidecar that is killed and started again on the same port.

    `down` has the times (monotonic seconds) between which it was not there, which is the app's client's to cover.
    """

    start_process: Sidecars
    config: str
    redis_url: str
    transport: str
    environment: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    management_port: int = field(default_factory=free_port)
    down: list[list[float]] = field(default_factory=list)
    running: SidecarProcess | None = None

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self.running is not None
        return self.running.process.pid

    async def start(self) -> None:
        """Start it and wait until it listens."""
        places = ("--address", self.address, "--management-address", f"127.0.0.1:{self.management_port}")
        self.running = await asyncio.to_thread(
            self.start_process, self.config, environment=self.environment, redis_url=self.redis_url,
            arguments=(*places, *self.arguments), transport=self.transport,
        )  # fmt: skip
        if self.down:
            self.down[-1][1] = time.monotonic()

    def kill(self) -> None:
        """End it as a crash would."""
        assert self.running is not None
        self.down.append([time.monotonic(), float("inf")])
        self.running.kill()

    def stop_and_go(self, *, go: bool) -> None:
        """Stop it where it stands (SIGSTOP), or let it go on (SIGCONT)."""
        if self.running is not None and self.running.process.returncode is None:
            self.running.process.send_signal(signal.SIGCONT if go else signal.SIGSTOP)

    def was_down(self, began: float, ended: float, grace_s: float) -> bool:
        """Whether it was away at some moment of a call, or so shortly before that its client may not know better."""
        return any(start <= ended and began <= end + grace_s for start, end in self.down)
