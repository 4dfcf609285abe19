"""The arrangements of servers that the bench can break, and what is done to those that fail over."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException

from sidecar.errors import StoreUnavailable
from sidecar.store.embedded import find_binary
from sidecar.store.keys import workspace_key
from sidecar.store.slots import slot_of
from tests.store.topologies import SERVICE, ClusterOfSix, Node, Trio, cluster_of_six, eventually, sentinel_trio

from .evidence import PREFIX
from .faults import Blow, Strike

SINGLE, SENTINEL, CLUSTER = "single", "sentinel", "cluster"
TOPOLOGIES = (SINGLE, SENTINEL, CLUSTER)
_ASK_S = 5.0
_FAILOVER_MOST_S = 150.0
_KEY_GAP_S = 0.01
"""Between two keys that are moved, so that calls meet a slot of which a part has moved."""
_OTHERS = ("sidecar killed", "sidecar stopped", "scripts flushed", "clients killed", "primary stalled")


class NotAvailable(Exception):
    """This arrangement of servers cannot be started here."""


def check_available(topology: str) -> None:
    """Raise NotAvailable unless such servers can be started."""
    if topology not in TOPOLOGIES:
        raise NotAvailable(f"--topology {topology}: there is none; allowed are {', '.join(TOPOLOGIES)}")
    try:
        find_binary()
    except StoreUnavailable as error:
        raise NotAvailable(f"--topology {topology}: {error}") from error


class Servers(ABC):
    """Servers of which another takes over when a primary dies; one blow at a time changes who is the primary.

    Attributes:
        url: for a sidecar.
        replicas: so many a primary has.
        blows: names of what makes them fail over.
        moves: names of what moves keys between primaries.
        others: names of what else may be done to them and to sidecars.
        failovers_s: how long each took until another server was the primary.
    """

    url: str
    replicas: int
    blows: Sequence[str] = ("failover by hand", "primary killed", "primary stopped")
    moves: Sequence[str] = ()
    others: Sequence[str] = _OTHERS

    def __init__(self) -> None:
        """Nothing is broken yet."""
        self.failovers_s: list[float] = []
        self._turn = asyncio.Lock()

    @abstractmethod
    def ask(self, *words: Any) -> Any:
        """Give one command to the primary that has its key; raises redis.RedisError or OSError when there is none."""

    @abstractmethod
    def workspaces(self, seed: int) -> Sequence[str]:
        """Names of a round's workspaces, one on each primary."""

    @abstractmethod
    def _well(self) -> bool:
        """Whether all servers are there, and every replica is in step."""

    @abstractmethod
    def _primary(self, whom: int) -> Node:
        """One of the primaries."""

    @abstractmethod
    def _replicas(self, primary: Node) -> list[Node]:
        """Those that may take over."""

    @abstractmethod
    def _fail_over(self, primary: Node) -> None:
        """Ask for another primary in its place."""

    @abstractmethod
    def _known(self, heir: Node) -> None:
        """Wait until nobody takes the one that was killed for the primary: when it runs again it is empty."""

    @abstractmethod
    def _returned(self, node: Node, heir: Node) -> None:
        """See to one that was killed and runs again."""

    async def settle(self) -> None:
        """Wait until all is well."""
        await asyncio.to_thread(eventually, self._well, "servers that are whole again")

    def aim(self, strike: Strike) -> tuple[object, Blow]:
        """Failovers and moves wait for their turn; a primary that stalls misses meanwhile, and the rest goes on."""
        at_once: dict[str, Callable[[Strike], None]] = {
            "scripts flushed": lambda one: self._primary(one.whom).client.script_flush(),
            "clients killed": lambda one: self._primary(one.whom).client.execute_command(
                "CLIENT KILL TYPE NORMAL SKIPME YES"
            ),
        }
        whole: dict[str, Callable[[Strike], None]] = {
            "failover by hand": self._by_hand,
            "primary killed": self._killed,
            "primary stopped": self._stopped,
            "primary stalled": self._stalled,
        } | self._more()
        blow = at_once.get(strike.name) or whole[strike.name]

        async def strike_down(one: Strike) -> None:
            if one.name in at_once:
                await asyncio.to_thread(blow, one)
                return
            if one.name in self.others and self._turn.locked():
                raise redis.RedisError(f"{one.name}: the servers are not whole")
            async with self._turn:
                await asyncio.to_thread(blow, one)
                await self.settle()

        return strike, strike_down

    def _more(self) -> dict[str, Callable[[Strike], None]]:
        """What is done only to such servers, by name."""
        return {}

    def _by_hand(self, strike: Strike) -> None:
        primary = self._primary(strike.whom)
        replicas, began = self._replicas(primary), time.monotonic()
        self._fail_over(primary)
        self._heir(replicas, began)

    def _killed(self, strike: Strike) -> None:
        primary = self._primary(strike.whom)
        replicas, began = self._replicas(primary), time.monotonic()
        primary.kill()
        try:
            heir = self._heir(replicas, began)
            self._known(heir)
            time.sleep(strike.lasts_s)
        finally:
            primary.start()
        self._returned(primary, heir)

    def _stopped(self, strike: Strike) -> None:
        primary = self._primary(strike.whom)
        replicas, began = self._replicas(primary), time.monotonic()
        primary.stand_still()
        try:
            self._heir(replicas, began)
            time.sleep(strike.lasts_s)
        finally:
            primary.go_on()

    def _stalled(self, strike: Strike) -> None:
        primary = self._primary(strike.whom)
        primary.stand_still()
        try:
            time.sleep(strike.lasts_s)
        finally:
            primary.go_on()

    def _heir(self, replicas: Sequence[Node], began: float) -> Node:
        """Wait for the replica that has become the primary."""
        while True:
            try:
                heir: Node = eventually(lambda: next(filter(_is_primary, replicas), None), "a replica takes over")
            except AssertionError:  # Sentinels that stood still themselves wait for half a minute before they act
                if time.monotonic() - began > _FAILOVER_MOST_S:
                    raise
            else:
                self.failovers_s.append(time.monotonic() - began)
                return heir


class SentinelServers(Servers):
    """A primary, two replicas and three Sentinels.

    A primary without any replica refuses to write: one that was stopped and goes on does not know yet that it was
    replaced, and what it acknowledged would be gone.
    """

    replicas = 2

    def __init__(self, trio: Trio) -> None:
        """Take servers that are well."""
        super().__init__()
        self._trio, self.url = trio, trio.url
        for node in trio.servers:
            self._guard(node)

    def ask(self, *words: Any) -> Any:
        """Ask the primary that Sentinels name."""
        with redis.Redis(port=self._trio.named().port, socket_timeout=_ASK_S) as client:
            return client.execute_command(*words)

    def workspaces(self, seed: int) -> Sequence[str]:
        """One."""
        return (f"round-{seed}",)

    def _well(self) -> bool:
        """Also, one that was stopped takes itself for the primary no more; that lasts some ten seconds."""
        roles = [node.client.role()[0] for node in self._trio.servers]
        return roles.count("master") == 1 and self._trio.well()

    def _primary(self, whom: int) -> Node:  # noqa: ARG002 - there is only one
        return self._trio.named()

    def _replicas(self, primary: Node) -> list[Node]:
        return [node for node in self._trio.servers if node is not primary]

    def _fail_over(self, primary: Node) -> None:
        assert primary is self._trio.named()
        self._trio.sentinels[0].client.execute_command("SENTINEL FAILOVER", SERVICE)

    def _known(self, heir: Node) -> None:
        eventually(lambda: all(_named_by(one) == heir.port for one in self._trio.sentinels), "Sentinels name the heir")

    def _returned(self, node: Node, heir: Node) -> None:
        node.client.replicaof("127.0.0.1", heir.port)  # Sentinel would do that too, ten seconds later
        self._guard(node)

    @staticmethod
    def _guard(node: Node) -> None:
        node.client.execute_command("CONFIG SET min-replicas-to-write 1 min-replicas-max-lag 5")


class ClusterServers(Servers):
    """Three primaries with one replica each; a round's workspaces lie on all of them, and their slots are moved."""

    moves = ("slot moved",)
    replicas = 1

    def __init__(self, cluster: ClusterOfSix) -> None:
        """Take servers that are well."""
        super().__init__()
        self._cluster, self.url = cluster, cluster.url
        self._client: RedisCluster | None = None
        self._slots: list[int] = []

    def ask(self, *words: Any) -> Any:
        """Ask whoever has the key, following redirections."""
        try:
            if self._client is None:
                places = [ClusterNode("127.0.0.1", node.port) for node in self._cluster.nodes]  # type: ignore[no-untyped-call]
                self._client = RedisCluster(startup_nodes=places, socket_timeout=_ASK_S)
            return self._client.execute_command(*words)  # type: ignore[no-untyped-call]
        except RedisClusterException as error:
            self._client = None
            raise redis.RedisError(str(error)) from error

    def workspaces(self, seed: int) -> Sequence[str]:
        """One on each primary, as the slots lie now."""
        found: dict[int, str] = {}
        number = 0
        while len(found) < len(self._cluster.primaries()):
            name = f"round-{seed}-{number}"
            found.setdefault(self._cluster.holder(_slot(name)).port, name)
            number += 1
        self._slots = [_slot(name) for name in found.values()]
        return tuple(found.values())

    def _well(self) -> bool:
        return self._cluster.well()

    def _slot(self, whom: int) -> int:
        return self._slots[whom % len(self._slots)]

    def _primary(self, whom: int) -> Node:
        try:
            return self._cluster.holder(self._slot(whom))
        except AssertionError as error:
            raise redis.RedisError(f"nobody has slot {self._slot(whom)}") from error

    def _replicas(self, primary: Node) -> list[Node]:
        roles = [(node, node.client.role()) for node in self._cluster.nodes if node is not primary]
        return [node for node, role in roles if role[0] == "slave" and int(role[2]) == primary.port]

    def _fail_over(self, primary: Node) -> None:
        self._replicas(primary)[0].client.execute_command("CLUSTER FAILOVER")

    def _known(self, heir: Node) -> None:
        """One that was killed comes back as what its file says, and refuses until it has heard of the others."""

    def _returned(self, node: Node, heir: Node) -> None:
        """Its file of the cluster tells it whose replica it is once it hears of the others."""

    def _more(self) -> dict[str, Callable[[Strike], None]]:
        return {"slot moved": self._moved}

    def _moved(self, strike: Strike) -> None:
        """Move a workspace's slot to another primary, key by key, while calls go on."""
        slot, cluster = self._slot(strike.whom), self._cluster
        source = self._primary(strike.whom)
        others = [node for node in cluster.primaries() if node is not source]
        target = others[strike.whom % len(others)]
        target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", cluster.node_id(source))
        source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", cluster.node_id(target))
        while keys := source.client.cluster("GETKEYSINSLOT", slot, 1000):
            for key in keys:
                source.client.migrate("127.0.0.1", target.port, [key], 0, 10_000)
                time.sleep(_KEY_GAP_S)
        for node in (target, source, *(one for one in others if one is not target)):
            node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", cluster.node_id(target))


def _is_primary(node: Node) -> bool:
    return bool(node.client.role()[0] == "master")


def _named_by(sentinel: Node) -> int:
    return int(sentinel.client.sentinel_get_master_addr_by_name(SERVICE)[1])


def _slot(workspace: str) -> int:
    return slot_of(workspace_key(PREFIX, "default", workspace))


@contextmanager
def starting_servers(topology: str, directory: Path) -> Iterator[Servers]:
    """Run them until the end; `directory` is made."""
    if topology == SENTINEL:
        with sentinel_trio(directory) as trio:
            yield SentinelServers(trio)
    else:
        with cluster_of_six(directory) as cluster:
            yield ClusterServers(cluster)
