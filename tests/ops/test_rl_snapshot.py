"""Goal: `rl_snapshot` does what it says. Method: run it against a real sidecar."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect, interruptible


def rl_snapshot(address: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "sidecar.ops.rl_snapshot", arguments[0], "--address", address, *arguments[1:]]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
async def learned(sidecars: Callable[..., Any], connect: Connect, workspace: str) -> str:
    """The address of a sidecar with a workspace in which something was learned."""
    address: str = sidecars().address
    stub = connect(address)
    for domain in ("route", "prompt"):
        for _ in range(3):
            asked = pb.RecommendRequest(
                workspace=workspace, domain=domain, candidates=[pb.Candidate(arm="a"), pb.Candidate(arm="b")]
            )
            decision = await stub.Recommend(asked)
            signals = pb.Signals(quality=0.5, cost_usd=0.25)
            await stub.Reward(
                pb.RewardRequest(workspace=workspace, domain=domain, decision_id=decision.decision_id, signals=signals)
            )
    return address


def test_dump_then_restore_elsewhere(learned: str, workspace: str, tmp_path: Path) -> None:
    """A workspace restored into another tenant has the same figures, and a second restore changes nothing."""
    file = str(tmp_path / "s.json")
    dumped = rl_snapshot(learned, "dump", "--workspace", workspace, "--output", file, "--json")
    there = ("restore", "--tenant", "t", "--workspace", workspace, "--input", file, "--json")
    first, again = (json.loads(rl_snapshot(learned, *there).stdout) for _ in range(2))

    assert json.loads(dumped.stdout)["domains"].keys() == {"prompt", "route"}
    assert {one["action"] for one in first["domains"]} == {"RESTORE_ACTION_RESTORED"}
    assert {one["action"] for one in again["domains"]} == {"RESTORE_ACTION_UNCHANGED"}


def test_dry_run_shows_the_difference(learned: str, workspace: str) -> None:
    """Each figure is named, and nothing changes."""
    document = rl_snapshot(learned, "dump", "--workspace", workspace).stdout
    shown = rl_snapshot(learned, "restore", "--tenant", "dry", "--workspace", workspace, "--dry-run", text=document)
    after = rl_snapshot(learned, "dump", "--tenant", "dry", "--workspace", workspace)

    assert "nothing was changed" in shown.stdout
    assert "arm a count: 0 -> 3" in shown.stdout
    assert json.loads(after.stdout)["domains"] == {}


def test_policies_select_domains(learned: str, workspace: str) -> None:
    """By a domain's name or by its policy's."""
    by_domain = rl_snapshot(learned, "dump", "--workspace", workspace, "--policies", "route")
    by_policy = rl_snapshot(learned, "dump", "--workspace", workspace, "--policies", "thompson")

    assert set(json.loads(by_domain.stdout)["domains"]) == {"route"}
    assert set(json.loads(by_policy.stdout)["domains"]) == {"route", "prompt"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text[:200], "complete JSON"),
        (lambda text: text.replace('"count": 3', '"count": NaN', 1), "complete JSON"),
        (lambda text: text.replace('"count": 3', '"count": -3', 1), "arms"),
        (lambda text: text.replace('"prior_weight": 2.0', '"prior_weight": 0', 1), "prior_weight"),
        (lambda text: re.sub(r'"version": 1,\n  "tenant"', '"version": 9,\n  "tenant"', text), "version"),
    ],
)
def test_bad_snapshots_change_nothing(
    learned: str, workspace: str, change: Callable[[str], str], complaint: str
) -> None:
    """The answer names what is wrong, the exit code is 2, and the state is as before."""
    document = rl_snapshot(learned, "dump", "--workspace", workspace).stdout
    refused = rl_snapshot(learned, "restore", "--tenant", "bad", "--workspace", workspace, text=change(document))
    after = rl_snapshot(learned, "dump", "--tenant", "bad", "--workspace", workspace)

    assert refused.returncode == 2
    assert complaint in refused.stderr
    assert json.loads(after.stdout)["domains"] == {}


def test_other_policies_and_domains_are_said(learned: str, workspace: str) -> None:
    """A domain that nobody knows is ignored, one with another policy version is skipped, the rest is restored."""
    document = json.loads(rl_snapshot(learned, "dump", "--workspace", workspace).stdout)
    document["domains"]["mine"] = document["domains"]["route"]
    document["domains"]["prompt"]["policy"]["version"] = 99
    target = ("--tenant", "said", "--workspace", workspace, "--json")
    answer = json.loads(rl_snapshot(learned, "restore", *target, text=json.dumps(document)).stdout)

    assert {one["domain"]: one["action"].removeprefix("RESTORE_ACTION_") for one in answer["domains"]} == {
        "mine": "IGNORED_UNKNOWN_DOMAIN",
        "prompt": "SKIPPED_POLICY_MISMATCH",
        "route": "RESTORED",
    }


def test_periodic_dumps_keep_the_newest(learned: str, workspace: str, tmp_path: Path) -> None:
    """--every writes on and --keep deletes the oldest, until Ctrl-C."""
    command = [
        *interruptible("sidecar.ops.rl_snapshot"), "dump", "--address", learned, "--workspace", workspace,
        "--output", str(tmp_path / "dumps"), "--every", "0.1s", "--keep", "2",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 30
        seen: set[str] = set()
        while len(seen) < 4 and time.monotonic() < deadline:
            seen |= {path.name for path in tmp_path.glob("dumps/snapshot-*.json")}
            time.sleep(0.02)
        try:
            running.send_signal(2)
            _, errors = running.communicate(timeout=10)
        finally:
            running.kill()

    assert len(seen) >= 4
    assert len(list(tmp_path.glob("dumps/snapshot-*.json"))) <= 3
    assert running.returncode == 130
    assert "Traceback" not in errors
