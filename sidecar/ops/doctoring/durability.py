"""Whether what was learned is still there tomorrow: memory, files, replicas, the cluster, and the schema of keys."""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.ops.doctoring.facts import Facts
from sidecar.ops.doctoring.finding import Finding, not_allowed, ok, problem, warning
from sidecar.store.keys import SCHEMA

_FULL, _FILLING = 0.9, 0.75
_SLOTS = 16_384
_MIB = 1 << 20


def findings(facts: Facts) -> Iterator[Finding]:
    """All of it."""
    yield _eviction(facts)
    yield _memory(facts)
    yield _files(facts)
    yield _replicas(facts)
    yield from _cluster(facts)
    yield _schema(facts)


def _eviction(facts: Facts) -> Finding:
    policy = facts.info.get("maxmemory_policy") or facts.config.get("maxmemory-policy")
    if policy is None:
        return not_allowed("eviction", "INFO memory")
    change = "CONFIG SET maxmemory-policy noeviction"
    if policy == "noeviction":
        return ok("eviction", "maxmemory-policy is noeviction")
    if policy.startswith("volatile"):
        return warning(
            "eviction", f"maxmemory-policy is {policy}; no key here expires, so it evicts none of them", change
        )
    return problem(
        "eviction", f"maxmemory-policy is {policy}: when memory is short, it deletes what was learned", change
    )


def _memory(facts: Facts) -> Finding:
    if "used_memory" not in facts.info:
        return not_allowed("memory", "INFO memory")
    used, most = facts.number("used_memory"), facts.number("maxmemory")
    if not most:
        return ok("memory", f"{used / _MIB:.0f} MiB in use, without a bound (maxmemory 0)")
    told = f"{used / _MIB:.0f} of {most / _MIB:.0f} MiB in use"
    change = f"CONFIG SET maxmemory {2 * max(used, most)}"
    if used > _FULL * most:
        return problem("memory", f"{told}: soon every write is refused with OOM", change)
    if used > _FILLING * most:
        return warning("memory", told, change)
    return ok("memory", told)


def _files(facts: Facts) -> Finding:
    if "aof_enabled" not in facts.info:
        return not_allowed("persistence", "INFO persistence")
    for what in ("aof_last_write_status", "rdb_last_bgsave_status"):
        if facts.info.get(what, "ok") != "ok":
            return problem(
                "persistence", f"{what} is {facts.info[what]}: it cannot write its files", "see its log and its disk"
            )
    return _copies(facts) if facts.info["aof_enabled"] == "0" else _journal(facts)


def _journal(facts: Facts) -> Finding:
    sync = facts.config.get("appendfsync")
    if sync == "no":
        message = "the append-only file reaches the disk when the system likes"
        return warning("persistence", message, "CONFIG SET appendfsync everysec")
    return ok("persistence", f"append-only file, appendfsync {sync or 'not allowed to look'}")


def _copies(facts: Facts) -> Finding:
    change, save = "CONFIG SET appendonly yes", facts.config.get("save")
    if save is None:
        told = "no append-only file, and not allowed to look for copies (CONFIG GET save was refused)"
        return warning("persistence", told, change)
    if save:
        message = f"no append-only file: a crash loses what came after the last copy (save {save})"
        return warning("persistence", message, change)
    return problem("persistence", "neither append-only file nor copies: a restart loses all that was learned", change)


def _replicas(facts: Facts) -> Finding:
    if facts.info.get("role") == "slave":
        primary = f"{facts.info.get('master_host')}:{facts.info.get('master_port')}"
        return problem("replication", "this is a replica, which refuses to write", f"LEARNING_REDIS_URL of {primary}")
    replicas, waited_for = facts.number("connected_slaves"), facts.target.options.min_replicas
    if replicas < waited_for:
        message = f"answers wait for {waited_for} replicas and {replicas} are connected: every call fails"
        return problem("replication", message, f"LEARNING_REDIS_URL with min_replicas={replicas}, or more replicas")
    return _cut_off(facts, replicas)


def _cut_off(facts: Facts, replicas: int) -> Finding:
    """Whether a primary that was cut off from its replicas stops writing."""
    asked = facts.config.get("min-replicas-to-write")
    if asked is None:
        if not replicas:
            return ok("replication", "no replicas")
        return not_allowed("replication", f"{replicas} replicas; CONFIG GET min-replicas-to-write")
    if int(asked) > replicas:
        message = f"min-replicas-to-write is {asked} and {replicas} replicas are connected: every write is refused"
        return problem("replication", message, f"CONFIG SET min-replicas-to-write {replicas}")
    if replicas and asked == "0":
        message = f"{replicas} replicas, and writes wait for none: a primary that was cut off goes on, and loses it all"
        return warning("replication", message, "CONFIG SET min-replicas-to-write 1")
    return ok("replication", f"{replicas} replicas, min-replicas-to-write {asked}" if replicas else "no replicas")


def _cluster(facts: Facts) -> Iterator[Finding]:
    clustered, meant = facts.info.get("cluster_enabled") == "1", facts.target.kind == "cluster"
    if not clustered:
        if meant:
            yield problem("cluster", "the server is none of a cluster", "LEARNING_REDIS_URL=redis://...")
        return
    if not meant:
        yield problem("cluster", "the server is one of a cluster", "LEARNING_REDIS_URL=redis+cluster://...")
    if not facts.cluster:
        yield not_allowed("cluster", "CLUSTER INFO")
        return
    state, served = facts.cluster.get("cluster_state"), int(facts.cluster.get("cluster_slots_ok", 0))
    if state != "ok" or served < _SLOTS:
        message = f"cluster_state is {state}, and {served} of {_SLOTS} slots are served"
        yield problem("cluster", message, "valkey-cli --cluster fix HOST:PORT")
    else:
        yield ok("cluster", f"all {_SLOTS} slots are served by {facts.cluster.get('cluster_size')} primaries")


def _schema(facts: Facts) -> Finding:
    if facts.schemas is None:
        return not_allowed("schema", "SCAN")
    if facts.schemas:
        told = ", ".join(f"{count} of '{name}'" for name, count in sorted(facts.schemas.items()))
        message = f"keys of another schema than {SCHEMA}: {told}; this version neither reads nor deletes them"
        return warning("schema", message, "if no other version uses them, delete them")
    rest = "" if facts.scanned_whole else ", as far as was looked"
    return ok("schema", f"every key that begins with '{facts.prefix}:' is of schema {SCHEMA}{rest}")
