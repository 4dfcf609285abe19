"""The one store that all servers share: emptied between runs, counted after them, filled where much is to be there."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from redis import Redis

from serving import bodies
from serving.redis_work import PREFIX, fresh_id
from sidecar.model.names import Scope
from sidecar.store.embedded import EmbeddedServer
from sidecar.store.keys import DOMAIN_KINDS, domain_keys

_SLOW_US = 200
_REWRITE_S = 30.0
_AT_ONCE = 1000
DURABILITY = "append-only file, appendfsync everysec, no RDB: the embedded server's own default"


class Store:
    """The project's embedded server, with a plain client beside it.

    Args:
        directory: where it keeps its data.
        stack: stops it.
    """

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        """Start it."""
        self._server = stack.enter_context(EmbeddedServer(directory))
        self.redis: Any = Redis(unix_socket_path=str(self._server.socket_path), socket_timeout=_REWRITE_S)
        stack.callback(self.redis.close)
        self.redis.config_set("slowlog-log-slower-than", _SLOW_US)

    @property
    def url(self) -> str:
        """For drivers."""
        return self._server.url

    @property
    def socket_path(self) -> Path:
        """For those who want the path alone."""
        return self._server.socket_path

    def version(self) -> str:
        """What it is."""
        info = self.redis.info("server")
        name = "Valkey" if "valkey_version" in info else "Redis"
        return f"{name} {info.get('valkey_version', info['redis_version'])}, embedded, unix socket"

    def cpu_s(self) -> float:
        """Its processor time so far."""
        used = self.redis.info("cpu")
        return float(used["used_cpu_sys"]) + float(used["used_cpu_user"])

    def empty(self) -> None:
        """Forget everything, the append-only file too, so that no run pays for an earlier one."""
        self.redis.flushall()
        self._await_rewrite()
        self.redis.bgrewriteaof()
        self._await_rewrite()
        self.forget_statistics()

    def forget_statistics(self) -> None:
        """Count calls and slow commands from now on."""
        self.redis.config_resetstat()
        self.redis.slowlog_reset()

    def calls(self, command: str) -> int:
        """How often a command was run since statistics were forgotten."""
        return int(self.redis.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))

    def decisions(self, domain: str = bodies.DOMAIN) -> int:
        """How many decisions it has recorded in a domain."""
        keys = domain_keys(PREFIX, Scope("default", "main", domain))
        return int(self.redis.hget(keys[0], "decisions") or 0)

    def slowest_us(self) -> int:
        """The slowest command since statistics were forgotten; 0 when all took less than 200 us."""
        return max((int(one["duration"]) for one in self.redis.slowlog_get(128)), default=0)

    def copy_pending(self, decision_id: str, copies: int) -> None:
        """Let copies of an open decision wait beside it, under other ids: only sizes matter, so no counter moves."""
        keys = domain_keys(PREFIX, Scope("default", "main", bodies.DOMAIN))
        pending, due = keys[DOMAIN_KINDS.index("pending")], keys[DOMAIN_KINDS.index("due")]
        record, deadline = self.redis.hget(pending, decision_id), self.redis.zscore(due, decision_id)
        for done in range(0, copies, _AT_ONCE):
            ids = [fresh_id() for _ in range(min(_AT_ONCE, copies - done))]
            self.redis.hset(pending, mapping=dict.fromkeys(ids, record))
            self.redis.zadd(due, dict.fromkeys(ids, deadline))
        self._await_rewrite()  # so much new that the server may have begun one by itself

    def _await_rewrite(self) -> None:
        deadline = time.monotonic() + _REWRITE_S
        while time.monotonic() < deadline:
            told = self.redis.info("persistence")
            if not told["aof_rewrite_in_progress"] and not told.get("aof_rewrite_scheduled"):
                return
            time.sleep(0.01)
