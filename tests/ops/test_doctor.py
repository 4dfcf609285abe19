"""The doctor finds what is wrong with a store, and says the words that change it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from sidecar.ops.doctor_command import examined
from sidecar.ops.doctoring import access, durability, server
from sidecar.ops.doctoring.facts import Facts
from sidecar.ops.doctoring.finding import Level
from sidecar.settings.redis_url import target_of
from sidecar.store.rights import HARMFUL, acl_line
from tests.store.servers import free_port, valkey

from .patients import SETTINGS, findings, user

ROOT = Path(__file__).parents[2]


# --- real servers


async def test_a_minimal_user_is_not_allowed_to_look(admin: Any, port: int) -> None:
    """What is refused is said to be, and is no problem."""
    query = await user(admin)
    found = await findings(f"redis://127.0.0.1:{port}?{query}")
    assert not [one for one in found.values() if one.level is Level.PROBLEM]
    assert "not allowed to look" in found["schema"].message
    assert "not allowed to look" in found["persistence"].message
    assert found["least privilege"].level is Level.OK


async def test_a_default_user_may_too_much(patient: str, port: int) -> None:
    """Every harmful command is named, and the line that makes a better user."""
    assert patient
    found = await findings(f"redis://127.0.0.1:{port}")
    assert all(name in found["least privilege"].message for name in HARMFUL)
    assert found["least privilege"].change == acl_line("learning")
    assert found["password"].level is Level.WARNING
    assert found["persistence"].message == "append-only file, appendfsync everysec"


@pytest.mark.parametrize(
    ("spoil", "check", "level"),
    [
        ("CONFIG SET maxmemory-policy allkeys-lru", "eviction", Level.PROBLEM),
        ("CONFIG SET maxmemory-policy volatile-ttl", "eviction", Level.WARNING),
        ("CONFIG SET appendonly no", "persistence", Level.PROBLEM),
        ("CONFIG SET appendfsync no", "persistence", Level.WARNING),
        ("CONFIG SET min-replicas-to-write 2", "replication", Level.PROBLEM),
        ("CONFIG SET maxmemory 1mb", "memory", Level.PROBLEM),
    ],
)
async def test_the_words_of_a_finding_cure_it(patient: str, admin: Any, spoil: str, check: str, level: Level) -> None:
    """What was set wrong is found; what the finding says, sent to the server, makes it well."""
    url, words = f"unix://{patient}", shlex.split(spoil)
    (before,) = (await admin.config_get(words[2])).values()
    await admin.execute_command(*words)
    try:
        found = (await findings(url))[check]
        assert found.level is level
        await admin.execute_command(*shlex.split(found.change))
        assert (await findings(url))[check].level is not Level.PROBLEM
    finally:
        await admin.config_set(words[2], before)


async def test_a_replica_is_no_place_to_write(patient: str, admin: Any) -> None:
    """It says whose replica it is."""
    await admin.replicaof("127.0.0.1", "1")
    found = (await findings(f"unix://{patient}"))["replication"]
    await admin.replicaof("no", "one")
    assert found.level is Level.PROBLEM
    assert "127.0.0.1:1" in found.change


async def test_keys_of_another_schema_are_seen(patient: str, admin: Any) -> None:
    """Those of another version are counted, those of this one are not."""
    await admin.mset({"learning:2:{a/b}:workspace": 1, "learning:2:{a/c}:workspace": 1, "learning:1:x": 1, "other": 1})
    found = (await findings(f"unix://{patient}"))["schema"]
    await admin.delete("learning:2:{a/b}:workspace", "learning:2:{a/c}:workspace", "learning:1:x", "other")
    assert found.level is Level.WARNING
    assert "2 of '2'" in found.message


async def test_a_cluster_without_slots(data_dir: Path) -> None:
    """It serves nothing, and wants another URL."""
    with valkey(data_dir, "--cluster-enabled", "yes", "--port", "0", "--cluster-port", "1") as path:
        found = await examined(SETTINGS, target_of(f"unix://{path}"))
    messages = [one.message for one in found if one.check == "cluster"]
    assert messages == ["the server is one of a cluster", "cluster_state is fail, and 0 of 16384 slots are served"]


async def test_a_cluster_is_looked_at_node_by_node(data_dir: Path) -> None:
    """Each node that the URL names: one that serves everything, and one that is not there."""
    first = free_port()
    options = ("--cluster-enabled", "yes", "--port", str(first), "--cluster-port", str(free_port()))
    with valkey(data_dir, *options) as path:
        client: Any = Redis.from_url(f"unix://{path}")
        await client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        await client.aclose()
        found = await findings(f"redis+cluster://127.0.0.1:{first},127.0.0.1:1")
        while found[f"127.0.0.1:{first} cluster"].level is not Level.OK:  # it takes a moment to see that all is served
            found = await findings(f"redis+cluster://127.0.0.1:{first},127.0.0.1:1")
    assert found[f"127.0.0.1:{first} rights"].level is Level.OK
    assert found["127.0.0.1:1 reachable"].level is Level.PROBLEM


# --- made-up servers

FAR = "redis://u:p@redis.example:6379"
WELL: dict[str, str] = {
    "redis_version": "8.2.2", "maxmemory_policy": "noeviction", "used_memory": "10", "maxmemory": "100",
    "aof_enabled": "1", "role": "master", "connected_slaves": "0",
}  # fmt: skip


def facts(url: str = FAR, **more: Any) -> Facts:
    """A server that is well, but for what is given."""
    info = WELL | more.pop("info", {})
    usual: dict[str, Any] = {"denied": (), "round_trips_ms": (0.1, 0.2), "skew_ms": 0.0, "schemas": {}}
    return Facts(target_of(url), "learning", 1000.0, info, **(usual | more))


def level_of(module: Any, check: str, one: Facts) -> Level | None:
    """How bad that is, if anything is said of it."""
    return next((finding.level for finding in module.findings(one) if finding.check == check), None)


@pytest.mark.parametrize(
    ("info", "supported", "lua"),
    [
        ({"redis_version": "6.2.20"}, Level.PROBLEM, Level.WARNING),
        ({"redis_version": "7.0.15"}, Level.OK, Level.WARNING),
        ({"redis_version": "7.2.10"}, Level.OK, Level.WARNING),
        ({"redis_version": "7.2.11"}, Level.OK, None),
        ({"redis_version": "7.4.5"}, Level.OK, Level.WARNING),
        ({"redis_version": "8.0.4"}, Level.OK, None),
        ({"redis_version": "8.2.1"}, Level.OK, Level.WARNING),
        ({"redis_version": "8.4.0"}, Level.OK, None),
        ({"redis_version": "7.2.4", "valkey_version": "7.2.10"}, Level.OK, Level.WARNING),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.4"}, Level.OK, None),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.3"}, Level.OK, Level.WARNING),
        ({"redis_version": "7.2.4", "valkey_version": "9.0.0"}, Level.OK, None),
        ({"redis_version": ""}, Level.WARNING, None),
    ],
)
def test_versions(info: dict[str, str], supported: Level, lua: Level | None) -> None:
    """Too old is a problem, a known hole in Lua a warning."""
    assert level_of(server, "version", facts(info=info)) is supported
    assert level_of(server, "lua", facts(info=info)) is lua


@pytest.mark.parametrize(
    ("module", "check", "more", "level"),
    [
        (server, "latency", {"round_trips_ms": (6.0, 7.0)}, Level.WARNING),
        (server, "latency", {"round_trips_ms": (1.0, 600.0)}, Level.PROBLEM),
        (server, "latency", {"round_trips_ms": ()}, Level.WARNING),
        (server, "clock", {"skew_ms": -2000.0}, Level.WARNING),
        (server, "clock", {"skew_ms": None}, Level.WARNING),
        (durability, "memory", {"info": {"used_memory": "80"}}, Level.WARNING),
        (durability, "memory", {"info": {"used_memory": "95"}}, Level.PROBLEM),
        (durability, "memory", {"info": {"maxmemory": "0"}}, Level.OK),
        (durability, "persistence", {"info": {"aof_last_write_status": "err"}}, Level.PROBLEM),
        (durability, "persistence", {"info": {"aof_enabled": "0"}, "config": {"save": "60 1"}}, Level.WARNING),
        (durability, "replication", {"info": {"connected_slaves": "2"}}, Level.WARNING),
        (
            durability, "replication",
            {"info": {"connected_slaves": "2"}, "config": {"min-replicas-to-write": "0"}}, Level.WARNING,
        ),
        (
            durability, "replication",
            {"info": {"connected_slaves": "2"}, "config": {"min-replicas-to-write": "1"}}, Level.OK,
        ),
        (
            durability, "replication",
            {"url": "redis://a?min_replicas=2", "info": {"connected_slaves": "1"}}, Level.PROBLEM,
        ),
        (
            durability, "replication",
            {
                "url": "redis://a?min_replicas=2", "info": {"connected_slaves": "2"},
                "config": {"min-replicas-to-write": "1"},
            },
            Level.OK,
        ),
        (durability, "schema", {"schemas": None}, Level.WARNING),
        (durability, "cluster", {"url": "redis+cluster://a:1"}, Level.PROBLEM),
        (
            durability, "cluster",
            {
                "url": "redis+cluster://a:1", "info": {"cluster_enabled": "1"},
                "cluster": {"cluster_state": "ok", "cluster_slots_ok": "16384"},
            },
            Level.OK,
        ),
        (
            durability, "cluster",
            {
                "url": "redis+cluster://a:1", "info": {"cluster_enabled": "1"},
                "cluster": {"cluster_state": "ok", "cluster_slots_ok": "16000"},
            },
            Level.PROBLEM,
        ),
        (durability, "cluster", {"url": "redis+cluster://a:1", "info": {"cluster_enabled": "1"}}, Level.WARNING),
        (access, "rights", {"denied": None}, Level.PROBLEM),
        (access, "least privilege", {"excess": ("flushall",)}, Level.WARNING),
        (access, "password", {}, Level.WARNING),
        (access, "password", {"url": "rediss://u:p@redis.example"}, Level.OK),
        (access, "password", {"url": "redis://redis.example"}, Level.PROBLEM),
        (access, "password", {"url": "redis://127.0.0.1"}, Level.WARNING),
        (
            access, "password",
            {"url": "redis://127.0.0.1", "config": {"protected-mode": "no", "bind": "* -::*"}}, Level.PROBLEM,
        ),
        (
            access, "password",
            {"url": "redis://127.0.0.1", "config": {"protected-mode": "no", "bind": "127.0.0.1 -::1"}}, Level.WARNING,
        ),
    ],
)  # fmt: skip
def test_judgements(module: Any, check: str, more: dict[str, Any], level: Level) -> None:
    """What cannot be brought about here is judged on what a server would say."""
    assert level_of(module, check, facts(**more)) is level
    if more and level is not Level.OK and "url" not in more:
        assert level_of(module, check, facts("rediss://u:p@redis.example")) in (Level.OK, None)


def test_nothing_told_is_no_crash() -> None:
    """A server that says nothing of itself is judged by that."""
    silent = replace(facts(), info={}, denied=None, round_trips_ms=(), skew_ms=None, schemas=None)
    told = [one for module in (server, durability, access) for one in module.findings(silent)]
    assert {one.level for one in told} == {Level.OK, Level.WARNING, Level.PROBLEM}


# --- the command


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sidecar", "doctor", *arguments],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip


def test_a_healthy_store(redis_url: str) -> None:
    """The embedded server, as the sidecar starts it, has no problem: exit code 0."""
    plain, told = doctor(LEARNING_REDIS_URL=redis_url), doctor("--json", "--redis-url", redis_url)
    assert (plain.returncode, told.returncode) == (0, 0), plain.stdout
    found = json.loads(told.stdout)
    assert found["healthy"] is True
    assert {one["check"] for one in found["findings"]} >= {"reachable", "version", "eviction", "rights", "schema"}
    assert all(one["check"] in plain.stdout for one in found["findings"])


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}?username=nobody&password=x", "redis://127.0.0.1:1"])
def test_a_store_that_lets_nobody_in(patient: str, port: int, url: str) -> None:
    """Exit code 1, what to change, and no traceback."""
    assert patient
    done = doctor("--redis-url", url.format(port=port))
    assert done.returncode == 1
    assert "reachable" in done.stdout
    assert "change: " in done.stdout
    assert "Traceback" not in done.stderr


def test_without_a_store(data_dir: Path) -> None:
    """Before the first start of an embedded server there is nothing to look at."""
    done = doctor("--json", LEARNING_DATA_DIR=str(data_dir))
    assert done.returncode == 0
    assert "no embedded server runs" in done.stdout


def test_the_documented_line_is_the_one_that_is_tested() -> None:
    """docs/doctor.md has the line for one server, and says what the others need besides."""
    text = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    assert acl_line("learning") in text.replace(" \\\n  ", " ")
