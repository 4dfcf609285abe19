"""Goal: the commands, the probes and the log as people meet them. Method: run them as processes."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import grpc
import pytest

from sidecar.ops.command import parser
from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect, Sidecars


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `learning-sidecar` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sidecar", *arguments],
        capture_output=True, text=True, timeout=60, check=False, env=environment or None,
    )  # fmt: skip


def fetched(url: str) -> tuple[int, str]:
    """Status and body of a page."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("name", ["serve", "check-config", "status", "replay", "demo", "health", "doctor"])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--help says more than the options' names."""
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([name, "--help"])

    assert ended.value.code == 0
    assert len(capsys.readouterr().out) > 200


def test_check_config_accepts_a_good_file(tmp_path: Path) -> None:
    """It says what is in force."""
    file = tmp_path / "good.toml"
    file.write_text('[domains.route]\nmode = "ungated"\n[domains.route.policy]\nname = "ucb1"\n')
    done = command("check-config", str(file))

    assert done.returncode == 0
    assert "route: mode ungated, policy ucb1" in done.stdout


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("domains: {route: {mode: fast}}", "domains.route.mode"),
        ("domains: {route: {budget: {limit_usd: -1}}}", "domains.route.budget.limit_usd"),
        ("domains: {route: {policy: {name: oracle}}}", "domains.route.policy.name"),
        ("domains: {route: {policy: {name: ucb1, parameters: {speed: 1}}}}", "policy.speed"),
        ("domains: {route: {modus: shadow}}", "domains.route"),
        ("domains: [", "bad.yaml"),
    ],
)
def test_check_config_names_the_key(tmp_path: Path, text: str, key: str) -> None:
    """Exit code 2, and the key in the sentence and in the JSON."""
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    said, plain = command("check-config", str(file)), command("check-config", "--json", str(file))

    assert (said.returncode, plain.returncode) == (2, 2)
    assert key in said.stderr
    assert key in json.loads(plain.stdout)["field"]


def test_serve_refuses_other_addresses() -> None:
    """Without authentication nobody but the pod may reach it."""
    done = command("serve", "--address", "0.0.0.0:50051")
    assert done.returncode == 2
    assert "LEARNING_ADDRESS" in done.stderr


def test_a_second_sidecar_on_a_socket_is_refused(sidecars: Sidecars, data_dir: Path, redis_url: str) -> None:
    """Left alone, grpc would let it take the path over in silence."""
    address = f"unix:{data_dir}/learning.sock"
    sidecars(arguments=("--address", address))
    second = command("serve", "--address", address, "--redis-url", redis_url, "--management-address", "off")

    assert second.returncode == 2
    assert "LEARNING_ADDRESS" in second.stderr


def test_a_second_sidecar_on_a_port_is_refused(sidecars: Sidecars, redis_url: str) -> None:
    """Two would share the port, and half of the calls would go astray."""
    first = sidecars()
    second = command("serve", "--address", first.address, "--redis-url", redis_url, "--management-address", "off")

    assert second.returncode == 2
    assert "LEARNING_ADDRESS" in second.stderr


async def test_sigterm_lets_calls_finish(sidecars: Sidecars, connect: Connect, workspace: str) -> None:
    """Calls in flight are answered, and the process ends with 0."""
    running = sidecars(environment={"LEARNING_IN_FLIGHT_MAX": "1024"})
    stub = connect(running.address)
    asked = pb.RecommendRequest(workspace=workspace, domain="route", candidates=[pb.Candidate(arm="a")])
    await stub.Recommend(asked)
    calls = [asyncio.ensure_future(stub.Recommend(asked)) for _ in range(200)]
    await asyncio.sleep(0.02)
    running.process.send_signal(signal.SIGTERM)
    answers = await asyncio.gather(*calls, return_exceptions=True)
    failed = [one for one in answers if isinstance(one, grpc.aio.AioRpcError)]

    assert len(failed) < len(answers)
    assert {one.code() for one in failed} <= {grpc.StatusCode.UNAVAILABLE}
    assert await asyncio.to_thread(running.process.wait, 15) == 0


async def test_probes_metrics_and_page(sidecars: Sidecars, connect: Connect, workspace: str) -> None:
    """Each path answers, and what was decided is counted and shown."""
    running = sidecars(arguments=("--management-address", "127.0.0.1:0"))
    base = "http://" + re.findall(r"management on (\S+)", running.log)[0]
    asked = pb.RecommendRequest(workspace=workspace, domain="route", candidates=[pb.Candidate(arm="a")])
    await connect(running.address).Recommend(asked)

    for path in ("/livez", "/readyz", "/startupz"):
        assert await asyncio.to_thread(fetched, base + path) == (200, "ok\n")
    assert 'source="baseline"} 1\n' in (await asyncio.to_thread(fetched, base + "/metrics"))[1]
    status = json.loads((await asyncio.to_thread(fetched, f"{base}/status.json?workspace={workspace}"))[1])
    assert status["domains"][0]["arms"][0]["pulls"] == "1"
    assert "<title>Learning Sidecar</title>" in (await asyncio.to_thread(fetched, base + "/"))[1]


async def test_one_json_line_a_decision(sidecars: Sidecars, connect: Connect, workspace: str) -> None:
    """At debug, with what a person asks first: which arm, why, how likely."""
    running = sidecars(arguments=("--log-level", "debug", "--log-format", "json"), config="domains: {route: {}}")
    asked = pb.RecommendRequest(workspace=workspace, domain="route", candidates=[pb.Candidate(arm="a")])
    decision = await connect(running.address).Recommend(asked)
    lines = [json.loads(line) for line in running.log.splitlines()]
    (line,) = [one for one in lines if one["message"] == "decided"]

    assert line["decision_id"] == decision.decision_id
    assert (line["arm"], line["source"], line["mode"], line["propensity"]) == ("a", "baseline", "shadow", 1.0)


def test_status_and_health_commands(sidecars: Sidecars, workspace: str) -> None:
    """Both reach a running sidecar; health says no when nobody is there."""
    address = sidecars().address
    status = command("status", "--address", address, "--workspace", workspace, "--json")
    there, nobody = command("health", "--address", address), command("health", "--address", "127.0.0.1:1")

    assert json.loads(status.stdout)["store"]["reachable"] is True
    assert (there.returncode, there.stdout) == (0, "SERVING\n")
    assert nobody.returncode == 1


def test_a_call_that_fails_is_a_sentence() -> None:
    """No traceback when nobody listens."""
    done = command("status", "--address", "127.0.0.1:1")
    assert done.returncode == 2
    assert "UNAVAILABLE" in done.stderr
    assert "Traceback" not in done.stderr
