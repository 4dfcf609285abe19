"""Goal: several processes on one port are one sidecar. Method: real ones, on each transport, some of them killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.errors import InvalidSettings
from sidecar.ops.workers.reservation import Reservation
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub
from tests.conftest import Sidecars

WITH_MANAGEMENT = ("--management-address", "127.0.0.1:0")
OWN_POOL = [("grpc.use_local_subchannel_pool", 1)]


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `learning-sidecar serve` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sidecar", "serve", "--management-address", "off", *arguments],
        capture_output=True, text=True, timeout=60, check=False, env=os.environ | environment,
    )  # fmt: skip


def ask(workspace: str, decision_id: str = "") -> pb.RecommendRequest:
    """A request for a decision."""
    candidates = [pb.Candidate(arm="a"), pb.Candidate(arm="b")]
    return pb.RecommendRequest(workspace=workspace, domain="route", decision_id=decision_id, candidates=candidates)


async def answered(address: str, request: pb.RecommendRequest) -> pb.RecommendResponse:
    """What is answered over a connection of its own; one that dies with its worker is made anew."""
    for _ in range(5):
        async with grpc.aio.insecure_channel(address, options=OWN_POOL) as channel:
            try:
                answer: pb.RecommendResponse = await LearningStub(channel).Recommend(request, timeout=5)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            else:
                return answer
    raise AssertionError("no worker answers")


def fetched(running: Any, path: str) -> str:
    """A page of the parent."""
    base = "http://" + re.findall(r"management on (\S+)", running.log)[0]
    with urllib.request.urlopen(base + path, timeout=10) as answer:  # noqa: S310 - our own server
        text: str = answer.read().decode()
    return text


def decisions_by_worker(exposition: str) -> dict[str, float]:
    """How many decisions each worker counted."""
    counted: dict[str, float] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == "learning_recommend_seconds_count":
                counted[sample.labels["worker"]] = sample.value
    return counted


def children(pid: int) -> list[int]:
    """The workers of a parent."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [int(one) for one in found if b"workers.process" in Path(f"/proc/{one}/cmdline").read_bytes()]


def gone(pids: list[int], within_s: float = 15.0) -> bool:
    """Whether processes end."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def running(sidecars: Sidecars) -> Any:
    """Run two workers on the shared server."""
    return sidecars(arguments=("--workers", "2", *WITH_MANAGEMENT))


@pytest.fixture(scope="module")
def lasting(module_sidecars: Sidecars) -> Any:
    """Run two workers for all tests that leave them as they are."""
    return module_sidecars(arguments=("--workers", "2", *WITH_MANAGEMENT))


async def test_workers_share_connections_and_the_store(lasting: Any, workspace: str) -> None:
    """Each worker decides for some connections, and a decision that one made the other replays."""
    answers = await asyncio.gather(*(answered(lasting.address, ask(workspace, "one")) for _ in range(60)))
    counted = decisions_by_worker(await asyncio.to_thread(fetched, lasting, "/metrics"))

    assert sum(one.source != pb.SOURCE_REPLAY for one in answers) == 1
    assert set(counted) == {"0", "1"}
    assert min(counted.values()) > 0
    assert sum(counted.values()) >= 60


async def test_the_parent_shows_its_workers(lasting: Any, workspace: str) -> None:
    """Probes, metrics, the page and what Status answers, on one port."""
    await answered(lasting.address, ask(workspace))
    pages = ["/livez", "/readyz", "/startupz", "/readyz?verbose", f"/status.json?workspace={workspace}", "/"]
    live, ready, started, verbose, status, page = [await asyncio.to_thread(fetched, lasting, path) for path in pages]

    assert (live, ready, started) == ("ok\n", "ok\n", "ok\n")
    assert verbose.count('"ready": true') == 3
    assert '"pulls": "1"' in status
    assert "<title>Learning Sidecar</title>" in page


async def test_a_killed_worker_is_replaced_while_calls_are_answered(running: Any, workspace: str) -> None:
    """Calls over new connections are answered all the time, and soon there are two workers again."""
    before = children(running.process.pid)
    os.kill(before[0], signal.SIGKILL)
    done = 0
    async with asyncio.timeout(20):
        while not re.search(r"worker \d serves again", running.log):
            await answered(running.address, ask(workspace))
            done += 1
    after = children(running.process.pid)

    assert done > 10
    assert len(after) == 2
    assert before[1] in after
    assert before[0] not in after


async def test_sigterm_ends_all_of_it(running: Any, workspace: str) -> None:
    """Calls in flight are answered or refused, workers end, and the code is 0."""
    workers = children(running.process.pid)
    calls = [asyncio.ensure_future(answered(running.address, ask(workspace))) for _ in range(50)]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.to_thread(running.stop)
    await asyncio.wait(calls)

    assert await asyncio.to_thread(gone, workers, 1.0)
    assert any(one.exception() is None for one in calls)
    assert "Traceback" not in running.log


def test_workers_do_not_outlive_a_killed_parent(sidecars: Sidecars) -> None:
    """Nobody would hold the port for them any more."""
    running = sidecars(arguments=("--workers", "2"))
    workers = children(running.process.pid)
    running.kill()

    assert len(workers) == 2
    assert gone(workers)


def test_workers_share_an_embedded_server(sidecars: Sidecars, data_dir: Path, workspace: str) -> None:
    """It is the parent's: started once, and stopped last."""
    running = sidecars(redis_url=None, arguments=("--workers", "2", "--data-dir", str(data_dir)))

    async def ten_times() -> list[pb.RecommendResponse]:
        return await asyncio.gather(*(answered(running.address, ask(workspace, "one")) for _ in range(10)))

    answers = asyncio.run(ten_times())
    running.stop()

    assert sum(one.source != pb.SOURCE_REPLAY for one in answers) == 1
    assert running.log.count("embedded server:") == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_sidecar_on_the_port_is_refused(lasting: Any, redis_url: str, workers: str, transport: str) -> None:
    """Whether it has workers or not: it could share the port in silence."""
    address = ("--address", lasting.address, "--redis-url", redis_url)
    second = command(*address, "--workers", workers, "--transport", transport)

    assert second.returncode == 2
    assert "LEARNING_ADDRESS" in second.stderr


def test_workers_are_refused_where_one_serves(sidecars: Sidecars, redis_url: str, transport: str) -> None:
    """The other way round."""
    address = ("--address", sidecars().address, "--redis-url", redis_url)
    second = command(*address, "--workers", "2", "--transport", transport)

    assert second.returncode == 2
    assert "LEARNING_ADDRESS" in second.stderr


def test_a_socket_cannot_be_shared(data_dir: Path) -> None:
    """Only ports can; the variable is named."""
    done = command("--address", f"unix:{data_dir}/a.sock", "--workers", "2")

    assert done.returncode == 2
    assert "LEARNING_WORKERS" in done.stderr
    assert not data_dir.exists()


def test_workers_that_cannot_start_end_it(redis_url: str, tmp_path: Path) -> None:
    """The code is not 0, and the log says what was wrong with them."""
    address = ("--address", "127.0.0.1:0", "--redis-url", redis_url, "--workers", "2", "--transport", "native")
    long = tmp_path / ("x" * 120)
    long.mkdir()
    done = command(*address, TMPDIR=str(long))

    assert done.returncode == 2
    assert "TMPDIR" in done.stderr
    assert "did not start" in done.stderr


@pytest.fixture
def reserved() -> Iterator[Reservation]:
    """Reserve a free port."""
    one = Reservation("127.0.0.1:0")
    yield one
    one.close()


def test_a_port_is_reserved_once(reserved: Reservation) -> None:
    """While it is held nobody else has it; afterwards anybody may."""
    with pytest.raises(InvalidSettings, match="LEARNING_ADDRESS"):
        Reservation(reserved.address)
    reserved.close()
    Reservation(reserved.address).close()


def test_a_reserved_port_takes_sharers_and_no_others(reserved: Reservation) -> None:
    """Who asks to share is let in, who does not is kept out, although nobody listens."""
    host, _, port = reserved.address.rpartition(":")
    with socket.socket() as worker, socket.socket() as other:
        worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        worker.bind((host, int(port)))
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind((host, int(port)))


def test_connections_that_linger_do_not_block_a_restart(reserved: Reservation) -> None:
    """The system remembers closed connections for a minute; that is nobody's server."""
    host, _, port = reserved.address.rpartition(":")
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((host, int(port)))
        listening.listen()
        client = socket.create_connection((host, int(port)))
        accepted, _ = listening.accept()
        accepted.close()  # the server's side first, so that its port lingers
        client.close()
    reserved.close()

    Reservation(reserved.address).close()


def test_ipv6_is_reserved_too() -> None:
    """The address keeps its form."""
    one = Reservation("[::1]:0")
    one.close()

    assert re.fullmatch(r"\[::1\]:\d+", one.address)
