"""What chaos strikes: two sidecars on both transports, and what their state lies on.

That is one store, with a proxy before it for each sidecar, or a primary with replicas and Sentinels, or a cluster.
Every protection can be switched off, to see what it is for. Each round has a workspace of its own, so that nothing of
an earlier round is in its figures.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from learning_client import AsyncLearningClient

from tests.conftest import starting_sidecars

from .evidence import Ask
from .failovers import failover_schedule
from .faults import Chaos, StoreBlows, Strike, schedule
from .killers import KilledSidecar, Store
from .proxy import ProxyProcess
from .topology import starting_servers

STORE_TIMEOUT_MS = 250
TRANSPORTS = ("grpcio", "native")
LEASED = "retrieval"
"""Here a little money is set aside for decisions while the store is away."""
LIMITS_USD = {"domain/route": 0.25, "domain/retrieval": 2.0, "domain/tool_planning": 0.4, "workspace": 1.0}
CONFIG = """
defaults:
  mode: ungated
  reward: {{deadline_s: 8}}
  policy: {{name: epsilon_greedy, parameters: {{epsilon: 0.3}}}}
domains:
  route:
    policy: {{name: thompson}}
    budget: {{limit_usd: 0.25, when_exhausted: refuse}}
  prompt:
    mode: gated
    gate: {{alpha: 0.0001, share: 0.3, canary_loss_max: 100000, live_loss_max: 100000, shadow_decisions: 30,
           attempt_decisions: 100000, epoch_decisions: 20, safety_margin: 0.1}}
    policy: {{name: epsilon_greedy, parameters: {{epsilon: 0.6}}}}
  retrieval:
    budget: {{limit_usd: 2, when_exhausted: refuse{lease}}}
  tool_planning:
    budget: {{limit_usd: 0.4, when_exhausted: refuse}}
workspaces:
  "*": {{budget: {{limit_usd: 1, when_exhausted: refuse}}}}
"""


@dataclass(frozen=True, slots=True)
class Protection:
    """One thing that protects apps, and what is seen without it."""

    shows: str
    needs: str = ""
    """The `LEARNING_` setting that switches it; empty if it is switched otherwise."""
    off: str = ""
    """Its value when it is off."""
    patch: str = ""
    """What a sidecar runs before anything else, where there is no setting for it."""


_NEVER_OPEN = "from sidecar.store import breaker; breaker.FAILURES = 1 << 62"
PROTECTIONS = {
    "durability": Protection("a killed store forgets what it acknowledged; recall puts it back, if it is there"),
    "recall": Protection(
        "what a store has forgotten stays forgotten: lost rewards without durability", "recall_s", "0"
    ),
    "confirmation": Protection("a primary acknowledges what no replica has, and a failover forgets it: lost rewards"),
    "degrading": Protection("apps ask strictly, and see an error whenever the store is away: app errors"),
    "lease": Protection("while the store is away no paid arm is affordable: answers without the baseline"),
    "spool": Protection("rewards are refused while the store is away: refused rewards", "spool_dir", "off"),
    "breaker": Protection("each call waits for a store that does not answer: slow answers", patch=_NEVER_OPEN),
}


def _one_workspace(seed: int) -> Sequence[str]:
    return (f"round-{seed}",)


@dataclass(kw_only=True)
class Bench:
    """Everything that runs."""

    sidecars: list[KilledSidecar]
    chaos: Chaos
    ask: Ask
    """Gives one command to the server that has its key, past every proxy; may raise redis.RedisError or OSError."""
    schedule: Callable[[int, float], list[Strike]]
    """The strikes of a round by its seed and its seconds of load."""
    workspaces: Callable[[int], Sequence[str]] = _one_workspace
    """Those of a round, by its seed."""
    forgets: bool = False
    """Whether another server may take over, without the last writes of the one before."""
    failovers_s: list[float] = field(default_factory=list)
    """Grows: how long each failover took until another server was the primary."""
    without: Collection[str] = ()
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def leased(self) -> str:
        """The domain with a lease; empty if there is none."""
        return LEASED if "lease" not in self.without else ""


@dataclass(kw_only=True)
class SingleBench(Bench):
    """Likewise on one store."""

    store: Store


def config_without(without: Collection[str]) -> str:
    """The file of domains."""
    lease = ", lease_usd: 0.05" if "lease" not in without else ""
    return CONFIG.format(lease=lease)


def environment_without(without: Collection[str], directory: Path) -> dict[str, str]:
    """Variables of a sidecar whose files lie in that directory."""
    directory.mkdir(exist_ok=True)
    variables = {"LEARNING_STORE_TIMEOUT_MS": str(STORE_TIMEOUT_MS), "LEARNING_LOG_LEVEL": "info"}
    for name in ("data_dir", "spool_dir"):
        variables[f"LEARNING_{name.upper()}"] = str(directory / name)
    for name in without:
        protection = PROTECTIONS[name]
        if protection.needs:
            variables[f"LEARNING_{protection.needs.upper()}"] = protection.off
        if protection.patch:
            variables |= patched(protection.patch, directory)
    return variables


def patched(code: str, directory: Path) -> dict[str, str]:
    """Variables of a sidecar that runs some code before anything else; its file is put in that directory."""
    (directory / "sitecustomize.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(directory), os.environ.get("PYTHONPATH"))))}


@contextmanager
def short_directory() -> Any:
    """A directory whose path is short enough for sockets in it, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="ch-", dir="/tmp") as made:
        yield Path(made)


async def _warm(sidecar: KilledSidecar) -> None:
    """Let it decide once: what a process loads with its first decision is no fault that a round is about."""
    client = AsyncLearningClient(sidecar.address, workspace="warm", timeout_ms=30_000)
    async with client:
        while (await client.recommend("route", ["small", "large"])).degraded:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


@asynccontextmanager
async def bench(
    directory: Path, seed: int, without: Collection[str] = (), *, config: str = ""
) -> AsyncIterator[SingleBench]:
    """Start everything, and end it whatever happens; `config` in place of the bench's own file of domains."""
    declared = config or config_without(without)
    async with AsyncExitStack() as stack:
        (directory / "store").mkdir()
        store = Store(directory / "store", durable="durability" not in without)
        store.start()
        stack.callback(store.kill)
        start = stack.enter_context(starting_sidecars(store.url, directory, TRANSPORTS[0]))
        proxies, sidecars = [], []
        for number, transport in enumerate(TRANSPORTS):
            listen = f"unix:{directory}/p{number}" if number else "127.0.0.1:0"
            proxy = ProxyProcess(listen, f"unix:{store.socket}", seed + number)
            proxies.append(await stack.enter_async_context(proxy))
            url = f"unix://{directory}/p{number}" if number else f"redis://{proxy.address}"
            environment = environment_without(without, directory / f"sidecar-{number}")
            sidecar = KilledSidecar(start, declared, url, transport, environment)
            sidecars.append(sidecar)
            await sidecar.start()
            await _warm(sidecar)
        chaos = Chaos(StoreBlows(store), proxies, sidecars)
        yield SingleBench(
            store=store, sidecars=sidecars, chaos=chaos, ask=store.ask, without=without,
            schedule=partial(schedule, links=len(proxies)),
        )  # fmt: skip
        await chaos.heal()


@asynccontextmanager
async def failover_bench(directory: Path, topology: str, without: Collection[str] = ()) -> AsyncIterator[Bench]:
    """Start servers of which another takes over when a primary dies, and sidecars on them without any proxy."""
    async with AsyncExitStack() as stack:
        servers = await asyncio.to_thread(stack.enter_context, starting_servers(topology, directory / "servers"))
        forgets = "confirmation" in without
        url = servers.url if forgets else f"{servers.url}?min_replicas={servers.replicas}"
        start = stack.enter_context(starting_sidecars(url, directory, TRANSPORTS[0]))
        sidecars = []
        for number, transport in enumerate(TRANSPORTS):
            environment = environment_without(without, directory / f"sidecar-{number}")
            sidecar = KilledSidecar(start, config_without(without), url, transport, environment)
            sidecars.append(sidecar)
            await sidecar.start()
            await _warm(sidecar)
        chaos = Chaos(servers, (), sidecars)
        yield Bench(
            sidecars=sidecars, chaos=chaos, ask=servers.ask, without=without, workspaces=servers.workspaces,
            schedule=partial(failover_schedule, blows=servers.blows, moves=servers.moves, others=servers.others),
            forgets=forgets, failovers_s=servers.failovers_s,
        )  # fmt: skip
        await chaos.heal()
