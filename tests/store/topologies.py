"""Real servers together: a cluster of six nodes, and a primary with two replicas that three Sentinels watch."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from sidecar.store.embedded import find_binary
from sidecar.store.slots import SLOTS

PATIENCE_S = 60.0
"""A failover takes seconds, and longer on a machine that stands still now and then."""
SERVICE = "mine"
_BUS = 10_000
_PRIMARIES = 3


def free_ports(count: int) -> list[int]:
    """Find ports that nobody uses, below those that systems give to clients, also for a cluster's bus 10,000 above."""
    found: list[int] = []
    while len(found) < count:
        port = random.randint(11_000, 22_000)
        with contextlib.suppress(OSError):
            for one in (port, port + _BUS):
                socket.create_server(("127.0.0.1", one)).close()
            if port not in found:
                found.append(port)
    return found


def eventually(told: Callable[[], Any], what: str) -> Any:
    """Ask until there is something; a server that does not answer yet says nothing."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if found := told():
                return found
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)


async def soon(told: Callable[[], Awaitable[Any]], what: str) -> Any:
    """Likewise while the loop goes on."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if found := await told():
                return found
        assert time.monotonic() < deadline, f"in vain: {what}"
        await asyncio.sleep(0.02)


class Node:
    """One server process; it keeps its directory, and so what it knows, when it is killed and started again."""

    def __init__(self, directory: Path, port: int, *words: str) -> None:
        """Name it; `words` are the program and its arguments."""
        directory.mkdir()
        self.port = port
        self._directory = directory
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Any:
        """A new client, of the kind that follows nobody anywhere."""
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=10)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(self._words, cwd=self._directory, stdout=log, stderr=log)
        eventually(self.client.ping, f"{self._words[0]} on {self.port}")

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stand_still(self) -> None:
        """Let it hang, with all of its connections."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


def server(directory: Path, port: int, *options: str) -> Node:
    """Name a server that keeps nothing but what it is told to."""
    words = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0")
    return Node(directory, port, str(find_binary()), *words, *options)


@contextlib.contextmanager
def _running(nodes: list[Node]) -> Iterator[None]:
    try:
        for node in nodes:
            node.start()
        yield
    finally:
        for node in nodes:
            node.kill()


def _synced(node: Node) -> bool:
    told = node.client.info("replication")
    return told["role"] == "master" or told["master_link_status"] == "up"


# --- Sentinel


class Trio:
    """A primary with two replicas, and three Sentinels."""

    def __init__(self, servers: list[Node], sentinels: list[Node]) -> None:
        """Keep them."""
        self.servers = servers
        self.sentinels = sentinels

    @property
    def url(self) -> str:
        """For a store."""
        places = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{places}/{SERVICE}"

    def named(self) -> Node:
        """The primary that Sentinel names."""
        _, port = self.sentinels[0].client.sentinel_get_master_addr_by_name(SERVICE)
        return next(one for one in self.servers if one.port == int(port))

    def promoted(self, before: Node) -> Node | None:
        """The primary, if it is another one and says so itself."""
        named = self.named()
        return named if named is not before and named.client.role()[0] == "master" else None

    def well(self) -> bool:
        """Every Sentinel knows the others and two replicas that are in step with the primary that all of them name."""
        for sentinel in self.sentinels:
            told = sentinel.client.sentinel_master(SERVICE)
            if (told["num-other-sentinels"], told["num-slaves"], told["flags"]) != (2, 2, "master"):
                return False
            if told["port"] != self.named().port:
                return False
            if any(one["flags"] != "slave" for one in sentinel.client.sentinel_slaves(SERVICE)):
                return False
        return self.named().client.role()[0] == "master" and all(map(_synced, self.servers))


@contextlib.contextmanager
def sentinel_trio(directory: Path) -> Iterator[Trio]:
    """Run them until the end."""
    directory.mkdir()
    ports = free_ports(6)
    servers = [server(directory / f"server-{port}", port) for port in ports[:3]]
    sentinels = [
        Node(directory / f"sentinel-{port}", port, str(find_binary()), "sentinel.conf", "--sentinel")
        for port in ports[3:]
    ]
    for sentinel in sentinels:
        (directory / f"sentinel-{sentinel.port}" / "sentinel.conf").write_text(
            f"port {sentinel.port}\nbind 127.0.0.1\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {ports[0]} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} 2000\n"
            f"sentinel failover-timeout {SERVICE} 6000\n",
            encoding="utf-8",
        )
    with _running(servers):
        for replica in servers[1:]:
            replica.client.replicaof("127.0.0.1", ports[0])
        eventually(lambda: all(map(_synced, servers)), "replicas in step")
        with _running(sentinels):
            trio = Trio(servers, sentinels)
            eventually(trio.well, "Sentinels that know each other")
            yield trio


# --- Cluster


class ClusterOfSix:
    """Three primaries, each with one replica."""

    def __init__(self, nodes: list[Node]) -> None:
        """Keep them."""
        self.nodes = nodes

    @property
    def url(self) -> str:
        """For a store; it names two nodes."""
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[4].port}"

    def primaries(self) -> list[Node]:
        """Those that say that they are."""
        return [node for node in self.nodes if self._is_primary(node)]

    def holder(self, slot: int) -> Node:
        """The primary that says that it has this slot."""
        for node in self.primaries():
            for (first, last), (where, *_) in self._slots(node).items():
                if first <= slot <= last and where[1] == node.port:
                    return node
        raise AssertionError(slot)

    def well(self) -> bool:
        """Every node sees all slots served by three primaries, each of which has a replica in step."""
        for node in self.nodes:
            told = node.client.execute_command("CLUSTER INFO")
            facts = told if isinstance(told, dict) else dict(line.split(":") for line in told.splitlines() if line)
            if facts["cluster_state"] != "ok" or facts["cluster_slots_ok"] != "16384":
                return False
            if not _synced(node):
                return False
        counts = [node.client.info("replication")["connected_slaves"] for node in self.primaries()]
        return counts == [1, 1, 1]

    @staticmethod
    def node_id(node: Node) -> str:
        """Its name in the cluster."""
        return str(node.client.execute_command("CLUSTER MYID"))

    @staticmethod
    def _is_primary(node: Node) -> bool:
        try:
            return bool(node.client.role()[0] == "master")
        except redis.RedisError:
            return False

    @staticmethod
    def _slots(node: Node) -> dict[tuple[int, int], Any]:
        told = node.client.execute_command("CLUSTER SLOTS")
        if isinstance(told, dict):
            return {span: (facts["primary"],) for span, facts in told.items()}
        return {(first, last): rest for first, last, *rest in told}


@contextlib.contextmanager
def cluster_of_six(directory: Path) -> Iterator[ClusterOfSix]:
    """Run it until the end."""
    directory.mkdir()
    ports = free_ports(6)
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    nodes = [server(directory / f"node-{port}", port, *options) for port in ports]
    with _running(nodes):
        _join(nodes)
        cluster = ClusterOfSix(nodes)
        eventually(cluster.well, "a cluster whose nodes agree")
        yield cluster


def _join(nodes: list[Node]) -> None:
    """Let nodes meet, give the first three the slots, a third each, and each of them one of the others as a replica."""
    first, *others = nodes
    for at, node in enumerate(nodes[:_PRIMARIES]):
        share = range(at * SLOTS // _PRIMARIES, (at + 1) * SLOTS // _PRIMARIES)
        node.client.execute_command("CLUSTER ADDSLOTSRANGE", share[0], share[-1])
        node.client.execute_command("CLUSTER SET-CONFIG-EPOCH", at + 1)
    for node in others:
        first.client.execute_command("CLUSTER MEET", "127.0.0.1", node.port)
    for primary, replica in zip(nodes[:_PRIMARIES], nodes[_PRIMARIES:], strict=True):
        name = ClusterOfSix.node_id(primary)
        eventually(
            lambda name=name, replica=replica: replica.client.execute_command("CLUSTER REPLICATE", name),
            "a replica that has heard of its primary",
        )
