"""Goal: the image decides in a restricted pod, and ends as it is asked to. Method: podman runs it so, and it is called.

The root is read-only, there are no rights and there is nothing to write to but the volumes.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from pathlib import Path

import grpc
import pytest

from sidecar.v1 import learning_pb2
from sidecar.v1.learning_pb2_grpc import LearningStub

from .conftest import Containers
from .engine import Engine

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

LOOPBACK = (
    "--network=host",
    "--env=LEARNING_ADDRESS=127.0.0.1:0",
    "--env=LEARNING_MANAGEMENT_ADDRESS=127.0.0.1:0",
)
APART = ("--network=none",)
STOP_S_MAX = 2.0
CALLS = 100
ARRIVAL_S = 0.5


def request(decision_id: str = "") -> learning_pb2.RecommendRequest:
    """A request for a decision between two arms."""
    candidates = [learning_pb2.Candidate(arm=arm) for arm in ("small", "large")]
    decision_id = decision_id or secrets.token_hex(8)
    return learning_pb2.RecommendRequest(domain="route", decision_id=decision_id, candidates=candidates)


def decide_and_reward(address: str) -> None:
    """Decide once and reward it, as an app would."""
    with grpc.insecure_channel(address) as channel:
        stub = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        decided = stub.Recommend(request(), timeout=10)
        signals = {"quality": 0.9}
        reward = learning_pb2.RewardRequest(domain="route", decision_id=decided.decision_id, signals=signals)
        rewarded = stub.Reward(reward, timeout=10)

    assert (decided.arm, decided.degraded) == ("small", False)
    assert decided.policy == "thompson"
    assert rewarded.outcome == learning_pb2.REWARD_OUTCOME_APPLIED


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_it_decides_over_a_socket(containers: Containers) -> None:
    """Without any network, an app that shares /run/learning is answered by the embedded store's sidecar."""
    sidecar = containers(*APART)

    decide_and_reward(sidecar.address)
    assert sidecar.address == f"unix:{sidecar.run_dir}/sidecar.sock"


def test_it_decides_over_loopback(containers: Containers) -> None:
    """In the network of its app it may listen on a loopback port instead."""
    decide_and_reward(containers(*LOOPBACK).address)


def test_it_decides_over_the_other_transport(containers: Containers) -> None:
    """The extra `native` is in the image; it wants a /tmp that can be written to."""
    decide_and_reward(containers(*LOOPBACK, "--env=LEARNING_TRANSPORT=native", "--tmpfs=/tmp").address)


def test_it_has_no_rights(containers: Containers) -> None:
    """It is the user 65532 without any capability, cannot gain any, and cannot write to its own code."""
    sidecar = containers(*APART)
    status = status_of(sidecar.state["Pid"])
    script = "open('/opt/venv/written', 'w')"
    wrote = sidecar.engine.tried("podman", "exec", "--user=0", sidecar.name, "python", "-c", script)

    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65532"}
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert "Read-only file system" in wrote.stderr


def test_state_outlives_the_container(containers: Containers, engine: Engine) -> None:
    """A decision is known to the next container on the same volume."""
    volume = f"learning-{secrets.token_hex(4)}"
    answers = []
    for _ in range(2):
        sidecar = containers(*APART, f"--volume={volume}:/var/lib/learning")
        with grpc.insecure_channel(sidecar.address) as channel:
            stub = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
            answers.append(stub.Recommend(request("the-same"), timeout=10))
        engine("podman", "stop", sidecar.name)
        assert sidecar.wait() == 0
    engine("podman", "volume", "rm", "--force", volume)

    first, second = answers
    assert first.source == learning_pb2.SOURCE_BASELINE
    assert second.source == learning_pb2.SOURCE_REPLAY
    assert second.expires_at_unix_ms == first.expires_at_unix_ms


def test_it_ends_while_calls_are_in_flight(containers: Containers) -> None:
    """SIGTERM: what has arrived is answered, then the process ends, with code 0 and soon."""
    sidecar = containers(*APART)
    pid = sidecar.state["Pid"]
    with grpc.insecure_channel(sidecar.address) as channel:
        stub = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        stub.Recommend(request(), timeout=10)  # connects, and has what a policy needs loaded
        os.kill(pid, signal.SIGSTOP)  # so that none can be answered before it is told to end
        calls = [stub.Recommend.future(request(), timeout=10) for _ in range(CALLS)]
        time.sleep(ARRIVAL_S)
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        arms = [call.result().arm for call in calls]
        code = sidecar.wait()
        took = time.monotonic() - began

    assert arms == ["small"] * CALLS
    assert code == 0, sidecar.log
    assert took < STOP_S_MAX


def test_the_health_check_tells_well_from_ill(containers: Containers, engine: Engine) -> None:
    """The declared command is good while the sidecar serves, bad while it stands still, and good again afterwards."""
    sidecar = containers(*APART)
    kind, *command = engine.inspect("image", sidecar.image)["Healthcheck"]["Test"]
    pid = sidecar.state["Pid"]

    def healthy() -> bool:
        return not engine.tried("podman", "exec", sidecar.name, *command).returncode

    assert kind == "CMD"
    assert healthy()
    os.kill(pid, signal.SIGSTOP)
    try:
        assert not healthy()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert healthy()
