"""Goal: the injector as it is installed. Method: the real command, real TLS, real signals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.ops.injecting.container import NO_SUCH_STORE
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub
from tests.injector.patching import injected, sidecar_of
from tests.injector.pods import annotated, pod
from tests.injector.speaking import line_to

ROOT = Path(__file__).parents[2]


class Running(NamedTuple):
    """A running injector: its ports and its log."""

    process: subprocess.Popen[bytes]
    port: int
    management: str
    log: Path

    def page(self, path: str) -> tuple[int, str]:
        """Ask the management port."""
        try:
            with urllib.request.urlopen(f"http://{self.management}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""


Start = Callable[..., Running]


@pytest.fixture
def start(signed: Path, tmp_path: Path) -> Iterator[Start]:
    """Start injectors; each must end well on SIGTERM."""
    running: list[subprocess.Popen[bytes]] = []

    def one(*options: str) -> Running:
        log = tmp_path / f"log-{len(running)}"
        files = ("--certificate", str(signed / "localhost.pem"), "--key", str(signed / "localhost.key"))
        words = ("injector", "--address", "127.0.0.1:0", "--management-address", "127.0.0.1:0", *files, *options)
        with log.open("wb") as file:
            running.append(subprocess.Popen([sys.executable, "-m", "sidecar", *words], stdout=file, stderr=file))
        found = _awaited(log, r"injects on https://127.0.0.1:(\d+)/inject", running[-1])
        management = _awaited(log, r"management on ([\d.:]+)", running[-1])
        return Running(running[-1], int(found), management, log)

    yield one
    for process in running:
        if process.poll() is None:
            process.terminate()
        assert process.wait(20) == 0


def _awaited(log: Path, form: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(form, log.read_text(encoding="utf-8"))
        if found:
            return found[1]
        time.sleep(0.02)
    process.kill()
    pytest.fail(log.read_text(encoding="utf-8"))


async def test_it_runs_counts_and_ends(start: Start, trusting: ssl.SSLContext) -> None:
    """Reviews are answered and counted, refusals too; SIGTERM makes it not ready, and it goes on for a while."""
    one = start("--drain", "2", "--log-format", "json")
    async with line_to(one.port, trusting) as line:
        assert (await line.post())[0] == 200
        assert (await line.post(b"{"))[0] == 400
    assert [one.page(path)[0] for path in ("/livez", "/readyz", "/nothing")] == [200, 200, 404]
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(one.page("/metrics")[1])
        for sample in family.samples
    }
    assert samples["learning_injector_reviews_total", "injected"] == 1
    assert samples["learning_injector_refused_total", "400"] == 1
    assert samples["learning_injector_seconds_count",] == 1
    assert samples["learning_injector_certificate_ends_seconds",] > time.time()

    one.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(_until, lambda: one.page("/readyz")[0] == 503)
    async with line_to(one.port, trusting) as line:
        assert (await line.post())[0] == 200
    assert one.process.wait(20) == 0
    facts = [json.loads(line) for line in one.log.read_text().splitlines()]
    (reviewed,) = [fact for fact in facts if fact["message"] == "reviewed"][:1]
    assert (reviewed["outcome"], reviewed["namespace"], reviewed["pod"]) == ("injected", "default", "app-1")


async def test_the_platform_s_file_counts(start: Start, trusting: ssl.SSLContext, tmp_path: Path) -> None:
    """Its image is the one that pods get."""
    file = tmp_path / "injector.yaml"
    file.write_text("native: false\ndefaults: {image: 'mirror.example/it:2', log-format: json}\n")
    async with line_to(start("--config", str(file), "--drain", "0").port, trusting) as line:
        _, answer = await line.post()
    assert answer["response"]["patchType"] == "JSONPatch"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("defaults: {log-level: loud}", "defaults.log-level"),
        ("defaults: {redis-url: redis://x}", "defaults.redis-url"),
        ("nativ: true", "nativ"),
        ("run-as-user: 0", "run-as-user"),
        ("{", "readable YAML"),
    ],
)
def test_a_bad_file_does_not_start(tmp_path: Path, text: str, said: str) -> None:
    """With the key, its value and what is allowed."""
    file = tmp_path / "injector.yaml"
    file.write_text(text)
    done = _run("injector", "--config", str(file))
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("address", ["8443", "127.0.0.1:99999", "127.0.0.1:x", "256.0.0.1:1"])
def test_a_bad_address_does_not_start(signed: Path, address: str) -> None:
    """With what is allowed."""
    pair = ("--certificate", str(signed / "localhost.pem"), "--key", str(signed / "localhost.key"))
    done = _run("injector", "--address", address, "--management-address", "127.0.0.1:0", *pair)
    assert (done.returncode, "HOST:PORT" in done.stderr) == (2, True), done.stderr


async def test_what_is_injected_runs(tmp_path: Path, short_dir: Path) -> None:
    """The container's own variables start a real sidecar on the socket; with no secret it answers, degraded."""
    variables = {one["name"]: one.get("value") for one in sidecar_of(injected(annotated(log_level="debug")))["env"]}
    assert variables.pop("LEARNING_REDIS_URL") is None  # of two the last counts, and its secret is missing here, so
    variables["LEARNING_REDIS_URL"] = NO_SUCH_STORE
    told = {name: value for name, value in variables.items() if value is not None}
    address = f"unix:{short_dir / 'injected.sock'}"
    told |= {"LEARNING_ADDRESS": address, "LEARNING_DATA_DIR": str(tmp_path / "data")}
    told["LEARNING_MANAGEMENT_ADDRESS"] = "127.0.0.1:0"
    log = tmp_path / "log"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LEARNING_", "ENABLE_RL_"))}
    with log.open("wb") as file:
        words = (sys.executable, "-m", "sidecar", *sidecar_of(injected(pod()))["args"])
        process = subprocess.Popen(  # noqa: ASYNC220 - at once
            words, env=clean | told, stdout=file, stderr=file
        )
    try:
        _awaited(log, r"listens on (unix:\S+)", process)
        async with grpc.aio.insecure_channel(address) as channel:
            stub = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
            asked = pb.RecommendRequest(domain="route", candidates=[pb.Candidate(arm="a"), pb.Candidate(arm="b")])
            answer = await stub.Recommend(asked, timeout=20)
        assert (answer.arm, answer.degraded) == ("a", True)
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _run(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "sidecar", *words]
    return subprocess.run(whole, input=text, capture_output=True, text=True, timeout=60, check=False)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
