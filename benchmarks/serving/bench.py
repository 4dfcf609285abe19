"""All of it, running: the store, the servers, the load, what was measured, and what was checked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from serving import install
from serving.errors import CannotMeasure, NoPeer, WrongAnswer
from serving.load import H2load
from serving.processes import Processes
from serving.servers import TRANSPORTS, Server, Servers
from serving.store import Store

Tell = Callable[[str], None]


class Effort(NamedTuple):
    """How much to measure."""

    name: str
    rounds: int
    seconds: float
    paced_seconds: float
    growth_transports: tuple[str, ...]
    arms: tuple[int, ...] = (2, 10, 100, 1000, 10_000)
    candidates: tuple[int, ...] = (2, 10, 32, 100, 256)
    tenants: tuple[int, ...] = (1, 10, 100, 1000)
    pending: tuple[int, ...] = (1, 10_000, 100_000, 1_000_000)
    batches: tuple[int, ...] = (1, 4, 16, 64, 256)


QUICK = Effort(
    "quick", 3, 0.8, 2.0, ("grpcio",),
    arms=(2, 100, 10_000), candidates=(2, 10, 100), tenants=(1, 100, 1000), pending=(1, 100_000),
    batches=(1, 16, 64, 256),
)  # fmt: skip
FULL = Effort("full", 5, 3.0, 8.0, TRANSPORTS)


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: in which round, of which server, of what, and what it gave."""

    round: int
    server: str
    what: str
    figures: Mapping[str, float]


@dataclass(slots=True)
class Check:
    """Something that must hold whenever it is looked at."""

    held: int = 0
    broken: list[str] = field(default_factory=list)


class Bench:
    """Everything that measures shares this.

    Args:
        directory: short enough for a socket in it; emptied afterwards by who made it.
        effort: how much to measure.
        tell: shows people what happens now.
        stack: ends everything.
    """

    def __init__(self, directory: Path, effort: Effort, tell: Tell, stack: ExitStack) -> None:
        """Start the store; servers are started by `start`."""
        self.effort, self.tell, self.stack = effort, tell, stack
        self.load = H2load(directory)
        self.store = Store(directory / "store", stack)
        self.starts = Servers(directory, Processes(directory, stack), self.store)
        self.servers: dict[str, Server] = {}
        self.runs: list[Run] = []
        self.checks: dict[str, Check] = {}
        self.peers: dict[str, str] = {}
        self.spent_s: dict[str, float] = {}
        self.round = 0

    def start(self) -> None:
        """Start every server that can be had here; `peers` then says why others cannot."""
        for transport in TRANSPORTS:
            self._try(f"ours/{transport}", partial(self.starts.ours, transport))
        if "ours/grpcio" not in self.servers:
            raise CannotMeasure(self.peers["ours/grpcio"])
        for transport in (name.partition("/")[2] for name in list(self.servers)):
            self._try(f"floor/{transport}", partial(self.starts.floor, transport))
            self._try(f"ping/{transport}", partial(self.starts.floor_and_ping, transport))
            for client in ("redis-py", "bare"):
                one = f"{client}/{transport}"
                self._try(one, partial(self.starts.floor_and_store, transport, client))
        self._try("naive", self.starts.naive)
        for name, pipelined in (("ratelimit", False), ("ratelimit pipelined", True)):
            self._try(name, partial(self._ratelimit, pipelined=pipelined))

    @property
    def transports(self) -> list[str]:
        """Those on which ours runs."""
        return [one for one in TRANSPORTS if f"ours/{one}" in self.servers]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add up how long the parts of the benchmark take."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.spent_s[name] = self.spent_s.get(name, 0.0) + time.monotonic() - began

    def note(self, server: str, what: str, **figures: float) -> None:
        """Keep what was measured."""
        self.runs.append(Run(self.round, server, what, figures))

    def check(self, name: str, *, holds: bool, detail: str) -> None:
        """Count a check that held, or say how it was broken."""
        one = self.checks.setdefault(name, Check())
        if holds:
            one.held += 1
        else:
            one.broken.append(detail)

    def answers_well(self, server: Server, when: str) -> None:
        """Ask a server once, and count whether its answer is right."""
        name = "a real client gets a right answer before and after each load"
        try:
            server.check()
        except WrongAnswer as error:
            self.check(name, holds=False, detail=f"{server.name}, {when}: {error}")
        else:
            self.check(name, holds=True, detail="")

    def _ratelimit(self, *, pipelined: bool) -> Server:
        return self.starts.ratelimit(install.ratelimit(self.tell), pipelined=pipelined)

    def _try(self, name: str, start: Callable[[], Server]) -> None:
        self.tell(f"starting {name}")
        try:
            server = start()
            self.stack.callback(server.probe.close)
            server.check()
        except (NoPeer, CannotMeasure, WrongAnswer) as error:
            self.peers[name] = str(error)
        else:
            self.servers[name] = server
