"""Goal: a replay tells what a service would have done. Method: small logs against real services, over gRPC."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sidecar.ops.command import main
from tests.conftest import Sidecars, interruptible

ROWS = 200
BUDGET_PER_REQUEST_USD = 0.0008
ARMS = {"small": (0.55, 0.0002), "middle": (0.75, 0.0007), "large": (0.9, 0.004)}
"""Mean reward and mean cost in US dollars."""

Capture = pytest.CaptureFixture[str]


def write_log(path: Path, rows: list[dict[str, Any]]) -> Path:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(rng: random.Random) -> dict[str, Any]:
    """What each arm gives for one request."""
    return {
        "arms": {
            name: {
                "reward": min(1.0, max(0.0, rng.gauss(reward, 0.1))),
                "cost_usd": cost_usd * rng.uniform(0.5, 1.5),
                "latency_ms": rng.uniform(50, 150),
            }
            for name, (reward, cost_usd) in ARMS.items()
        },
        "context": {"length": rng.uniform(0, 1000)},
        "segment": rng.choice(["short", "long"]),
    }


@pytest.fixture(scope="module")
def transport() -> str:
    """Run on one: what is replayed knows nothing of transports."""
    return "grpcio"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """200 requests with three arms."""
    rng = random.Random(5)
    return write_log(tmp_path / "log.jsonl", [row(rng) for _ in range(ROWS)])


def replay(capsys: Capture, *arguments: object) -> dict[str, Any]:
    """Run `replay --json` in this process, and read what it says."""
    assert main(["replay", *map(str, arguments), "--json"]) == 0
    figures: dict[str, Any] = json.loads(capsys.readouterr().out)
    return figures


def without_times(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that do not depend on when and how fast."""
    shuffles = [{k: v for k, v in one.items() if k not in ("seconds", "workspace")} for one in figures["shuffles"]]
    left = {k: v for k, v in figures.items() if "seconds" not in k and "per_second" not in k}
    return left | {"shuffles": shuffles}


def test_a_replay_learns_and_reports_every_figure(log: Path, capsys: Capture) -> None:
    """The means over shuffles stand at the top, each shuffle's own figures in a list."""
    figures = replay(capsys, log, "--shuffles", 3)
    keys = {
        "decisions", "mean_reward", "baseline_reward", "best_fixed_reward", "oracle_reward", "spent_usd", "budget_usd",
        "overrun_usd", "arm_shares", "shield_actions", "degraded", "not_applied",
    }  # fmt: skip

    assert [one["shuffle"] for one in figures["shuffles"]] == [0, 1, 2]
    assert all(keys <= one.keys() for one in [figures, *figures["shuffles"]])
    assert figures["decisions"] == ROWS
    assert figures["baseline_reward"] < figures["mean_reward"] < figures["best_fixed_reward"] < figures["oracle_reward"]
    assert figures["mean_reward"] == pytest.approx(sum(one["mean_reward"] for one in figures["shuffles"]) / 3)
    assert sum(figures["arm_shares"].values()) == pytest.approx(1.0)
    assert figures["budget_usd"] is None


def test_yardsticks_are_those_of_the_log(log: Path, capsys: Capture) -> None:
    """Baseline, best fixed arm and oracle are arithmetic on the rows."""
    arms = [json.loads(line)["arms"] for line in log.read_text().splitlines()]
    figures = replay(capsys, log, "--baseline", "middle", "--policy", "first")
    mean = {name: sum(one[name]["reward"] for one in arms) / ROWS for name in ARMS}

    assert figures["baseline_reward"] == pytest.approx(mean["middle"])
    assert figures["best_fixed_reward"] == pytest.approx(mean["large"])
    assert figures["oracle_reward"] == pytest.approx(sum(max(a["reward"] for a in one.values()) for one in arms) / ROWS)
    assert figures["arm_shares"] == {"middle": 1.0}
    assert figures["mean_reward"] == pytest.approx(mean["middle"], abs=1e-9)


def test_a_seed_makes_a_replay_reproducible(log: Path, capsys: Capture) -> None:
    """The same seed gives the same figures to the last digit, another one does not."""
    once = without_times(replay(capsys, log, "--seed", 7, "--shuffles", 2))
    again = without_times(replay(capsys, log, "--seed", 7, "--shuffles", 2))
    other = without_times(replay(capsys, log, "--seed", 70, "--shuffles", 2))

    assert once == again
    assert once["mean_reward"] != other["mean_reward"]


@pytest.mark.parametrize("policy", ["thompson", "random"])
def test_the_budget_is_never_exceeded(log: Path, capsys: Capture, policy: str) -> None:
    """With true ceilings there is no overrun, whatever the policy would rather do."""
    figures = replay(capsys, log, "--budget-per-request", BUDGET_PER_REQUEST_USD, "--shuffles", 4, "--policy", policy)

    assert figures["budget_usd"] == pytest.approx(ROWS * BUDGET_PER_REQUEST_USD)
    assert all(0 < one["spent_usd"] <= one["budget_usd"] for one in figures["shuffles"])
    assert [one["overrun_usd"] for one in figures["shuffles"]] == [0.0] * 4
    assert figures["within_budget"]
    assert figures["shield_actions"]["budget:stepped_over"] > 0
    assert figures["arm_shares"]["large"] < 0.25


def test_without_ceilings_overruns_are_told(log: Path, capsys: Capture) -> None:
    """Spend beyond what was reserved is booked and reported, not hidden."""
    figures = replay(capsys, log, "--budget-per-request", BUDGET_PER_REQUEST_USD, "--ceilings", "none")

    assert figures["overrun_usd"] > 0
    assert figures["overrun_usd"] <= figures["spent_usd"]


def test_what_is_spent_comes_from_the_service(log: Path, capsys: Capture) -> None:
    """In a replay of one arm it is that arm's whole cost, to the nano-dollar of each row."""
    figures = replay(capsys, log, "--baseline", "large", "--policy", "first")

    assert figures["spent_usd"] == pytest.approx(figures["best_fixed_cost_usd"], abs=ROWS * 0.5e-9)


def test_signals_make_the_reward_as_the_domain_declares(tmp_path: Path, capsys: Capture) -> None:
    """Without an outright reward the yardsticks and the service weigh signals alike."""
    config = tmp_path / "domains.toml"
    config.write_text(
        "[domains.answers.reward.signals.quality]\nweight = 3\n[domains.answers.reward.signals.safety]\nweight = 1\n"
    )
    arms = {"only": {"quality": 0.8, "safety": 0.4, "latency_ms": 20.0}}
    log = write_log(tmp_path / "log.jsonl", [{"arms": arms}] * 5)
    figures = replay(capsys, log, "--config", config, "--domain", "answers")

    assert figures["baseline_reward"] == pytest.approx(0.7)
    assert figures["mean_reward"] == pytest.approx(0.7)


def test_in_shadow_the_baseline_is_executed(log: Path, capsys: Capture) -> None:
    """Replaying the default mode shows what the app would keep doing."""
    figures = replay(capsys, log, "--mode", "shadow")

    assert figures["arm_shares"] == {"small": 1.0}


def test_rows_can_be_chosen_and_kept_in_order(log: Path, capsys: Capture) -> None:
    """By segment, by number, and as they were logged."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    short = replay(capsys, log, "--segment", "short", "--in-order")

    assert sum(one["segment"] == "short" for one in rows) == short["decisions"]
    assert replay(capsys, log, "--max-rows", 30)["decisions"] == 30


def test_a_running_service_is_driven(log: Path, capsys: Capture, sidecars: Sidecars) -> None:
    """--address uses another process, with the same figures as a service of its own."""
    address = sidecars().address
    there = replay(capsys, log, "--address", address, "--shuffles", 2)
    here = replay(capsys, log, "--shuffles", 2)

    assert without_times(here) == without_times(there)
    assert main(["status", "--address", address, "--tenant", "replay", "--workspace", workspace_of(there)]) == 0
    assert f"{ROWS} rewarded" in " ".join(capsys.readouterr().out.split())


def workspace_of(figures: dict[str, Any]) -> str:
    """Where the first shuffle was kept."""
    return str(figures["shuffles"][0]["workspace"])


def test_rewards_that_do_not_count_fail_the_replay(log: Path, capsys: Capture, sidecars: Sidecars) -> None:
    """A service that is switched off learns nothing, and the replay says so with exit code 1."""
    address = sidecars(environment={"ENABLE_RL_GLOBAL": "0"}).address

    assert main(["replay", str(log), "--address", address, "--max-rows", "9", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["not_applied"] == 9


def test_a_service_that_is_not_there_is_said(log: Path, capsys: Capture) -> None:
    """One sentence with the address, no traceback."""
    assert main(["replay", str(log), "--address", "unix:/nowhere/at/all.sock"]) == 2
    assert "unix:/nowhere/at/all.sock answered UNAVAILABLE" in capsys.readouterr().err


def test_people_get_a_chart_and_tables(log: Path, capsys: Capture) -> None:
    """Reward, regret, cost, shares, shields and the budget, on 80 columns."""
    assert main(["replay", str(log), "--shuffles", "2", "--budget-per-request", str(BUDGET_PER_REQUEST_USD)]) == 0
    shown = capsys.readouterr()

    for said in ("mean reward so far", "● thompson", "regret to", "oracle", "shields: budget:stepped_over", "overrun"):
        assert said in shown.out
    assert shown.err == "", "there is no bar without a terminal"


def test_the_bar_can_be_asked_for(log: Path, capsys: Capture) -> None:
    """It shows the running mean and what was spent, on stderr."""
    assert main(["replay", str(log), "--json", "--progress"]) == 0
    shown = capsys.readouterr()

    assert f"{ROWS}/{ROWS}" in shown.err
    assert json.loads(shown.out)["decisions"] == ROWS


def test_ctrl_c_leaves_nothing_behind(log: Path, short_dir: Path) -> None:
    """An interrupted replay ends with 130, and its embedded server and directory go with it."""
    with subprocess.Popen(
        [*interruptible("sidecar"), "replay", str(log), "--shuffles", "5000", "--json"],
        env=os.environ | {"TMPDIR": str(short_dir)},
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        try:
            until = time.monotonic() + 30
            while not list(short_dir.glob("learning-*/api.sock")) and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.5)
            run.send_signal(signal.SIGINT)
            _, said = run.communicate(timeout=30)
        finally:
            run.kill()

    # gRPC's core may add a line of its own about the connection that ends.
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    assert run.returncode == 130
    assert list(short_dir.glob("learning-*")) == []
