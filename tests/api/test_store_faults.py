"""Goal: whatever happens to the store, the app gets its answer, and learning goes on afterwards.

Method: one sidecar process lives through everything that a server may do to it, one fault after the other, made by a
real server where it can be brought to it, else by what stands between them. The engine and the store below the
transports are the same, so one transport is enough.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sidecar.store.embedded import EmbeddedServer
from sidecar.v1 import learning_pb2 as pb
from tests.conftest import starting_sidecars

from .between import Between, garbage, saying, silence
from .enduring import DEADLINE_S, Subject, patiently

AT_ONCE = 8
"""More than it takes to open the breaker."""
FORBIDDEN_WORDS = re.compile(
    r"errno|redis|valkey|sock|connect(ion)? (lost|reset)|traceback|hiredis|EVALSHA|"
    r"LOADING|BUSY|READONLY|MASTERDOWN|NOREPLICAS|OOM|NOAUTH|WRONGPASS|NOPERM|CLUSTERDOWN|MISCONF"
)
SECONDS = {"LEARNING_STORE_TIMEOUT_MS": "1000", "LEARNING_RECALL_S": "0", "LEARNING_SPOOL_KEEP_S": "0"}
"""What was done of late is not sent again here, so that what a server has lost stays lost."""
SPOKEN = {
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "BUSY": "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "NOAUTH": "NOAUTH Authentication required.",
    "WRONGPASS": "WRONGPASS invalid username-password pair or user is disabled.",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.",
    "ERR": "ERR max number of clients reached",
}
SPOILT: dict[str, dict[str, Any]] = {
    "refused": {"refuses": True},
    "black hole": {"answer": silence},
    "black hole for who connects": {"answer": silence, "anew": True},
    "accepts and resets": {"resets": True, "anew": True},
    "resets": {"resets": True},
    "half a reply": {"halved": True},
    "half a greeting": {"halved": True, "anew": True},
    "garbage": {"answer": garbage},
    "garbage at the greeting": {"answer": garbage, "anew": True},
    **{f"says {word}": {"answer": saying(line)} for word, line in SPOKEN.items()},
    **{f"greets with {word}": {"answer": saying(line), "anew": True} for word, line in SPOKEN.items()},
}


@pytest.fixture(scope="module")
def made(short_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """The one that lives through everything."""
    with (
        EmbeddedServer(short_dir / "faults") as server,
        Between(server.socket_path).running() as between,
        starting_sidecars("", tmp_path_factory.mktemp("faults"), "grpcio") as start,
    ):
        process = start(
            redis_url=f"redis://127.0.0.1:{between.port}",
            environment=SECONDS,
            arguments=("--management-address", "127.0.0.1:0"),
        )
        yield Subject(process, server, between, "faults")


@pytest.fixture
async def subject(made: Subject, connect: Callable[[str], Any]) -> AsyncIterator[Subject]:
    """The same, called from this test; it learns before, and it learns afterwards, without a restart."""
    made.stub, made.admin = connect(made.process.address), Redis.from_url(made.server.url)
    await made.learn()
    for _ in patiently():
        with contextlib.suppress(grpc.aio.AioRpcError):
            made.document = (await made.stub.Snapshot(pb.SnapshotRequest(workspace=made.workspace))).document_json
            break
    yield made
    await made.learn()
    assert made.process.process.poll() is None
    assert "Traceback" not in made.process.log
    await made.admin.aclose()


async def during(subject: Subject, *, opens: bool = True) -> None:
    """What the app sees while the store is of no use, which opens the breaker unless it concerns each call alone."""
    stub = subject.stub
    for answer in await asyncio.gather(*(stub.Recommend(subject.ask(), timeout=DEADLINE_S) for _ in range(AT_ONCE))):
        assert (answer.arm, answer.degraded, answer.source, answer.decision_id) == ("a", True, pb.SOURCE_DEGRADED, "")
    assert subject.metric('learning_store_breaker{state="closed"}') == (not opens)
    status = await stub.Status(pb.StatusRequest(workspace=subject.workspace), timeout=DEADLINE_S)
    assert (status.store.breaker == "closed") == (not opens)
    codes = await statuses(subject)
    assert set(codes.values()) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}, codes
    unavailable = {method for method, code in codes.items() if code is grpc.StatusCode.UNAVAILABLE}
    assert unavailable >= {"Recommend", "SetMode"}
    assert not unavailable & {"RecommendBatch", "RewardBatch", "Status"}


async def statuses(subject: Subject) -> dict[str, grpc.StatusCode]:
    """The status that each method answers, with a strict Recommend."""
    whole = {"workspace": subject.workspace}
    domain = whole | {"domain": "route"}
    requests = {
        "Recommend": subject.ask(strict=True),
        "RecommendBatch": pb.RecommendBatchRequest(requests=[subject.ask(), subject.ask(strict=True)]),
        "Reward": subject.report("nobody's"),
        "RewardBatch": pb.RewardBatchRequest(requests=[subject.report("nobody's")]),
        "Release": pb.ReleaseRequest(**domain, decision_id="nobody's"),
        "Snapshot": pb.SnapshotRequest(**whole),
        "Restore": pb.RestoreRequest(**whole, document_json=subject.document),
        "SetMode": pb.SetModeRequest(**domain, mode=pb.MODE_SHADOW),
        "Status": pb.StatusRequest(**whole),
    }
    calls = (getattr(subject.stub, method)(request, timeout=DEADLINE_S) for method, request in requests.items())
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return dict(zip(requests, map(code_of, outcomes), strict=True))


def code_of(outcome: Any) -> grpc.StatusCode:
    """The status of an outcome; an error must say nothing that a server or a driver said."""
    if not isinstance(outcome, BaseException):
        said = str(outcome).replace(str(getattr(outcome, "store", "")), "")
        assert not FORBIDDEN_WORDS.search(said), said
        return grpc.StatusCode.OK
    assert isinstance(outcome, grpc.aio.AioRpcError), outcome
    said = f"{outcome.details()} {outcome.trailing_metadata()}"
    assert not FORBIDDEN_WORDS.search(said), said
    return outcome.code()


@pytest.mark.parametrize("how", SPOILT)
async def test_what_stands_between(subject: Subject, how: str) -> None:
    """Nobody there, silence, hanging up, halves, garbage and every refusal."""
    with subject.between.spoiling(**SPOILT[how]):
        await during(subject, opens=how != "says ERR")


async def test_a_dead_server(subject: Subject) -> None:
    """Killed, and started again with what it had written down."""
    pid = subject.server.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    await during(subject)
    subject.server.stop()
    subject.server.start()


async def test_a_stopped_server(subject: Subject) -> None:
    """It takes connections, and nothing else; callers do not find that out one after the other."""
    pid = subject.server.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        await during(subject)
        began = time.monotonic()
        for _ in range(50):
            assert (await subject.stub.Recommend(subject.ask(), timeout=DEADLINE_S)).degraded
        assert time.monotonic() - began < 25  # of 50, had each of them waited
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.asynccontextmanager
async def configured(subject: Subject, name: str, value: str, *, anew: bool = False) -> AsyncIterator[None]:
    """Configure the server, and back; with `anew`, whoever is connected has to connect again."""
    (before,) = (await subject.admin.config_get(name)).values()
    await subject.admin.config_set(name, value)
    if anew:
        await subject.admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    try:
        yield
    finally:
        await subject.admin.config_set(name, before)


@contextlib.asynccontextmanager
async def a_replica(subject: Subject) -> AsyncIterator[None]:
    """A replica of nobody there."""
    await subject.admin.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        await subject.admin.replicaof("no", "one")


@contextlib.asynccontextmanager
async def forbidden(subject: Subject, *rights: str) -> AsyncIterator[None]:
    """A user that may do less."""
    await subject.admin.execute_command("ACL", "SETUSER", "default", *rights)
    try:
        yield
    finally:
        await subject.admin.execute_command("ACL", "SETUSER", "default", "+@all")


@contextlib.asynccontextmanager
async def busy(subject: Subject) -> AsyncIterator[None]:
    """A script that does not end."""
    other: Any = Redis.from_url(subject.server.url)
    async with configured(subject, "busy-reply-threshold", "1"):
        endless = asyncio.create_task(other.eval("while true do end", 0))
        with contextlib.suppress(RedisError):
            while True:
                await subject.admin.ping()
        try:
            yield
        finally:
            await subject.admin.script_kill()
            await asyncio.gather(endless, return_exceptions=True)
    await other.aclose()


STATES: dict[str, Callable[[Subject], contextlib.AbstractAsyncContextManager[None]]] = {
    "out of memory": lambda subject: configured(subject, "maxmemory", "1mb"),
    "without replicas": lambda subject: configured(subject, "min-replicas-to-write", "1"),
    "wants a password": lambda subject: configured(subject, "requirepass", "secret", anew=True),
    "replica": a_replica,
    "may run no script": lambda subject: forbidden(subject, "-evalsha"),
    "may not write": lambda subject: forbidden(subject, "-@write"),
    "busy": busy,
}


@pytest.mark.parametrize("state", STATES)
async def test_what_a_server_refuses(subject: Subject, state: str) -> None:
    """Real servers in the states that they can be brought to."""
    async with STATES[state](subject):
        await during(subject, opens=state != "may not write")  # only inside the script does it find that out


async def test_scripts_flushed_under_load(made: Subject, connect: Callable[[str], Any], tmp_path: Path) -> None:
    """Nobody notices: every decision is made, and every reward applied."""
    with starting_sidecars(made.server.url, tmp_path, "grpcio") as start:
        flushed = start()
        stub, admin = connect(flushed.address), Redis.from_url(made.server.url)
        one = Subject(made.process, made.server, made.between, f"flushed-{secrets.token_hex(4)}", stub, admin)

        async def decide_and_tell() -> int:
            asked = one.ask()
            assert not (await stub.Recommend(asked)).degraded, flushed.log
            told: int = (await stub.Reward(one.report(asked.decision_id))).outcome
            return told

        flushes = 0
        for _ in range(10):
            deciding = [asyncio.create_task(decide_and_tell()) for _ in range(30)]
            while not all(task.done() for task in deciding):
                await admin.script_flush()
                flushes += 1
            assert set(await asyncio.gather(*deciding)) == {pb.REWARD_OUTCOME_APPLIED}
        assert flushes >= 10
        assert (await one.domain()).applied == 300
        await admin.aclose()


async def test_an_emptied_store_is_no_fresh_start(subject: Subject) -> None:
    """Restarted without its data: said by an error, counted, shown by Status; then it learns from the start."""
    before, counted = await subject.learn(), subject.metric(LOST["emptied"])
    await seen(subject, before)
    directory = subject.server.socket_path.parent
    subject.server.stop()
    shutil.rmtree(directory / "appendonlydir")
    subject.server.start()

    lost = await noticed(subject, "emptied", counted)
    assert known_in(lost) >= before
    assert await subject.learn() < before


async def test_a_rolled_back_store_is_told(subject: Subject) -> None:
    """Restarted with an older copy of its data."""
    for _ in range(3):
        await subject.learn()
    directory = subject.server.socket_path.parent
    subject.server.stop()
    shutil.copytree(directory / "appendonlydir", directory / "copy")
    subject.server.start()
    for _ in range(20):
        before = await subject.learn()
    await seen(subject, before)
    counted = subject.metric(LOST["rolled_back"])
    subject.server.stop()
    shutil.rmtree(directory / "appendonlydir")
    (directory / "copy").rename(directory / "appendonlydir")
    subject.server.start()

    assert known_in(await noticed(subject, "rolled_back", counted)) >= before


def known_in(lost: str) -> int:
    """The version that was known, by what is said to be lost."""
    (known,) = re.findall(r"route was at version (\d+) and is", lost)
    return int(known)


LOST = {kind: f'learning_store_lost_total{{kind="{kind}"}}' for kind in ("emptied", "rolled_back")}


async def seen(subject: Subject, version: int) -> None:
    """Wait until the sidecar has looked at the store again: it does so every second, and counts what it sweeps."""
    swept = subject.admin
    asked = (await swept.info("commandstats"))["cmdstat_hget"]["calls"]
    for _ in patiently():
        if (await swept.info("commandstats"))["cmdstat_hget"]["calls"] > asked + 4:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"version {version} was not looked at")


async def noticed(subject: Subject, kind: str, counted: float) -> str:
    """Wait until a loss is counted; return what Status says of it, which the log says as well."""
    for _ in patiently():
        status = await subject.stub.Status(pb.StatusRequest(workspace=subject.workspace), timeout=DEADLINE_S)
        if status.store.lost.startswith(kind.replace("_", " ")) and subject.metric(LOST[kind]) == counted + 1:
            assert status.store.lost_at_unix_ms > 0
            assert re.search(
                rf"ERROR .*default/{subject.workspace} \({re.escape(status.store.lost)}", subject.process.log
            )
            return str(status.store.lost)
        await asyncio.sleep(0.1)
    pytest.fail(f"nothing was noticed\n{subject.process.log}")
