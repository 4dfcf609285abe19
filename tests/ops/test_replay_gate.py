"""Goal: a replay tells what the gate did. Method: small logs, real services over gRPC, a gate that decides early."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from sidecar.ops.command import main
from sidecar.ops.replaying.climbing import Climb, Move
from sidecar.ops.replaying.degrading import Degradation
from sidecar.v1 import learning_pb2 as pb

ROWS = 400
USUAL, BETTER = 0.7, 0.97
"""Mean rewards: of the baseline, and of the arm that should be found."""
EARLY = {
    "share": 0.5, "holdback": 0.5, "shadow_decisions": 40, "epoch_decisions": 10, "false_alarm_epochs": 100,
}  # fmt: skip

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """400 requests with two arms, of which the second is clearly better."""
    rng = random.Random(3)
    rows = [{"arms": {"usual": outcome(rng, USUAL), "better": outcome(rng, BETTER)}} for _ in range(ROWS)]
    return written(tmp_path / "log.jsonl", rows)


@pytest.fixture
def early(tmp_path: Path) -> Path:
    """The configuration of a gate that needs little to decide."""
    return configured(tmp_path / "early.yaml")


def outcome(rng: random.Random, mean: float) -> dict[str, float]:
    """What an arm gives: its reward is a quality, so that the service computes it."""
    return {"quality": min(1.0, max(0.0, rng.gauss(mean, 0.04))), "cost_usd": 0.001, "latency_ms": 50.0}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def configured(path: Path, **gate: object) -> Path:
    """A file of domains with these settings of the gate (JSON is YAML)."""
    path.write_text(json.dumps({"defaults": {"gate": EARLY | gate}}), encoding="utf-8")
    return path


def replay(capsys: Capture, *arguments: object) -> dict[str, Any]:
    """Run `replay --json` in this process, and read what it says."""
    assert main(["replay", *map(str, arguments), "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == "", "the moves are in the report, not on stderr"
    figures: dict[str, Any] = json.loads(shown.out)
    return figures


def without_times(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures that do not depend on when and how fast."""
    shuffles = [{k: v for k, v in one.items() if k not in ("seconds", "workspace")} for one in figures["shuffles"]]
    left = {k: v for k, v in figures.items() if "seconds" not in k and "per_second" not in k}
    return left | {"shuffles": shuffles}


def test_what_is_better_is_promoted(log: Path, early: Path, capsys: Capture) -> None:
    """From shadow over canary to live, with the decision and the reason of each move, and what came of it."""
    figures = replay(capsys, log, "--mode", "gated", "--config", early)
    (one,) = figures["shuffles"]
    first, second = one["events"]

    assert (first["before"], first["after"], first["decision"], first["attempt"]) == ("shadow", "canary", 40, 1)
    assert (second["before"], second["after"]) == ("canary", "live")
    assert "improvement is proven" in second["reason"]
    assert not second["checkpoint_restored"]
    assert 40 < second["decision"] == one["first_promotion_at"] < ROWS / 2
    assert (one["mode_end"], one["promotions"], one["rollbacks"], one["rollback_delay"]) == ("live", 1, 0, None)
    assert one["baseline_reward_after_promotion"] == pytest.approx(USUAL, abs=0.02)
    assert one["baseline_reward_after_promotion"] + 0.05 < one["mean_reward_after_promotion"] < BETTER
    assert "stays live" in one["gate_next"]


def test_the_loss_is_that_of_the_log(log: Path, early: Path, capsys: Capture) -> None:
    """Baseline minus executed arm, over all decisions: negative when learning gained; the means stand at the top."""
    figures = replay(capsys, log, "--mode", "gated", "--config", early, "--shuffles", 2)
    lost = [ROWS * (one["baseline_reward"] - one["mean_reward"]) for one in figures["shuffles"]]

    assert [one["gate_loss"] for one in figures["shuffles"]] == pytest.approx(lost, abs=ROWS * 1e-6)
    assert figures["gate_loss"] == pytest.approx(sum(lost) / 2, abs=ROWS * 1e-6)
    assert figures["gate_loss"] < 0 <= figures["gate_loss_max"] < figures["gate_allowance"]
    assert figures["mode_end"] == "live"
    assert "events" not in figures
    assert figures["degradation"] is None


def test_a_regression_is_rolled_back(log: Path, early: Path, capsys: Capture) -> None:
    """When the promoted arm gives half from the middle on, the gate goes back within the log and says when and why."""
    figures = replay(capsys, log, "--mode", "gated", "--config", early, "--degrade", "better@50%")
    (one,) = figures["shuffles"]
    back = next(event for event in one["events"] if event["before"] == "live")

    assert figures["degradation"] == {"arms": ["better"], "percent": 50.0, "first_decision": ROWS / 2 + 1}
    assert (back["after"], one["rollbacks"]) == ("shadow", 1)
    assert back["reason"] == "a regression was detected"
    assert back["checkpoint_restored"]
    assert one["rollback_delay"] == back["decision"] - ROWS / 2
    assert 0 < one["rollback_delay"] < ROWS / 4
    assert one["gate_loss_max"] < one["gate_allowance"]


def test_yardsticks_are_degraded_too(log: Path, capsys: Capture) -> None:
    """The best fixed arm and the oracle are what they would have been during the drill."""
    rows = [json.loads(line)["arms"] for line in log.read_text().splitlines()]
    better = [row["better"]["quality"] * (0.5 if at >= ROWS * 0.25 else 1) for at, row in enumerate(rows)]
    usual = [row["usual"]["quality"] for row in rows]
    figures = replay(capsys, log, "--policy", "first", "--in-order", "--degrade", "better@25%")

    assert {name: arm["reward"] for name, arm in figures["arms"].items()} == pytest.approx(
        {"better": sum(better) / ROWS, "usual": sum(usual) / ROWS}
    )
    assert (figures["best_fixed"], figures["baseline_reward"]) == ("usual", pytest.approx(sum(usual) / ROWS))
    assert figures["oracle_reward"] == pytest.approx(sum(map(max, better, usual)) / ROWS)


def test_yardsticks_of_shuffles_are_averaged(log: Path, capsys: Capture) -> None:
    """Which rows are degraded depends on the order, so each shuffle has its own, and the means are at the top."""
    figures = replay(capsys, log, "--policy", "first", "--degrade", "better@25%", "--shuffles", 2, "--max-rows", 40)
    oracles = [one["oracle_reward"] for one in figures["shuffles"]]

    assert oracles[0] != oracles[1]
    assert figures["oracle_reward"] == pytest.approx(sum(oracles) / 2)
    assert figures["arms"]["usual"]["reward"] == pytest.approx(figures["baseline_reward"])


def test_a_degraded_baseline_is_told_as_such(log: Path, capsys: Capture) -> None:
    """What executes the baseline gets its half, the service is told so, and no loss to it is claimed."""
    figures = replay(capsys, log, "--policy", "first", "--degrade", "usual@0%", "--max-rows", 50)

    assert figures["mean_reward"] == pytest.approx(USUAL / 2, abs=0.02)
    assert figures["mean_reward"] == pytest.approx(figures["baseline_reward"], abs=1e-6)
    assert (figures["gate_loss"], figures["gate_loss_max"]) == (0.0, 0.0)


@pytest.mark.parametrize("mode", ["shadow", "canary", "live", "ungated"])
def test_without_a_gate_nothing_moves(log: Path, capsys: Capture, mode: str) -> None:
    """A mode that was set by hand stays, and has no moves, promotions or allowance."""
    figures = replay(capsys, log, "--mode", mode, "--max-rows", 60)

    assert (figures["mode_end"], figures["promotions"], figures["rollbacks"]) == (mode, 0, 0)
    assert (figures["gate_allowance"], figures["shuffles"][0]["events"]) == (0.0, [])
    assert figures["first_promotion_at"] is figures["mean_reward_after_promotion"] is figures["rollback_delay"] is None
    assert (figures["gate_loss"] == 0) is (mode == "shadow")


def test_coins_are_reproducible(log: Path, early: Path, capsys: Capture) -> None:
    """The same seed gives the same figures and moves to the last digit, another one tosses other coins."""
    options = ("--mode", "gated", "--config", early, "--degrade", "better@50%", "--in-order", "--shuffles", 2)
    once, again, other = (without_times(replay(capsys, log, *options, "--seed", seed)) for seed in (7, 7, 70))

    assert once == again
    assert once["gate_loss"] != other["gate_loss"]


def test_a_fresh_attempt_within_canary_is_told(tmp_path: Path, capsys: Capture) -> None:
    """The mode does not change then; the place follows from how many samples had been folded."""
    rng = random.Random(4)
    rows = [{"arms": {name: outcome(rng, USUAL) for name in ("usual", "alike")}} for _ in range(200)]
    log, config = written(tmp_path / "log.jsonl", rows), configured(tmp_path / "c.yaml", attempt_decisions=20)
    (one,) = replay(capsys, log, "--mode", "gated", "--config", config, "--policy", "random")["shuffles"]
    retries = [event for event in one["events"] if event["before"] == event["after"] == "canary"]
    places = [event["decision"] for event in one["events"]]

    assert retries[0]["attempt"] == 2
    assert retries[0]["reason"] == "no verdict after 20 decisions"
    assert places[0] == 40
    assert 40 + 20 <= retries[0]["decision"] <= 40 + 80
    assert places == sorted(set(places))


def test_a_move_is_placed_by_the_samples_before_it() -> None:
    """Two moves between two looks at Status are told apart, and none is told twice."""
    asked = pb.GateEvent(before=pb.MODE_SHADOW, after=pb.MODE_GATED, attempt=1)
    retried = pb.GateEvent(before=pb.MODE_CANARY, after=pb.MODE_CANARY, attempt=2, decisions=2, reason="again")
    live = pb.GateEvent(before=pb.MODE_CANARY, after=pb.MODE_LIVE, attempt=2, decisions=1, reason="better")
    climb = Climb(pb.DomainStatus(mode=pb.MODE_CANARY, gate=pb.GateStatus(events=[asked])))
    for sampled in (True, False, True, False, True):
        decision = pb.RecommendResponse(mode=pb.MODE_CANARY, sampled=sampled)
        assert not climb.moved(decision)
        climb.made(decision)
    status = pb.DomainStatus(mode=pb.MODE_LIVE, gate=pb.GateStatus(events=[live, retried, asked]))

    assert not climb.moved(pb.RecommendResponse(mode=pb.MODE_LIVE, degraded=True)), "a degraded answer knows nothing"
    assert climb.moved(pb.RecommendResponse(mode=pb.MODE_LIVE))
    climb.read(status)
    climb.read(status)
    assert climb.moves == [
        Move(3, "canary", "canary", 2, "again", checkpoint_restored=False),
        Move(5, "canary", "live", 2, "better", checkpoint_restored=False),
    ]


def test_arms_that_degrade_at_different_times_are_refused(log: Path, capsys: Capture) -> None:
    """The option may come for several arms, with one percentage."""
    assert main(["replay", str(log), "--degrade=usual@50%", "--degrade=better@60%"]) == 2
    assert "the same percentage for every arm" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("better", "ARM@PERCENT%"),
        ("better@60", "ARM@PERCENT%"),
        ("@60%", "ARM@PERCENT%"),
        ("better@%", "ARM@PERCENT%"),
        ("better@-1%", "ARM@PERCENT%"),
        ("better@sixty%", "ARM@PERCENT%"),
        ("better@nan%", "ARM@PERCENT%"),
        ("better@100.5%", "a percentage from 0 to 100"),
        ("best@60%", "an arm of the log: usual, better"),
    ],
)
def test_a_bad_degradation_is_refused(log: Path, capsys: Capture, text: str, said: str) -> None:
    """The option is named, with what is allowed, and nothing is started."""
    try:
        code = main(["replay", str(log), f"--degrade={text}"])
    except SystemExit as ended:  # of argparse
        code = int(str(ended.code))
    shown = capsys.readouterr().err

    assert code == 2
    assert "--degrade" in shown
    assert said in shown


@pytest.mark.parametrize(("percent", "before"), [(0.0, 0), (60.0, 6), (61.0, 7), (100.0, 10)])
def test_the_first_share_of_rows_is_intact(percent: float, before: int) -> None:
    """A row that the percentage cuts is intact yet."""
    assert Degradation(("better",), percent).begins_after(10) == before


def test_people_read_every_move(log: Path, early: Path, capsys: Capture) -> None:
    """Of a single shuffle: where it moved and why, how long the rollback took, the loss and the allowance."""
    assert main(["replay", str(log), "--mode", "gated", "--config", str(early), "--degrade", "better@50%"]) == 0
    shown = capsys.readouterr().out

    for said in (
        "from decision 201 on, half of it from better; in the yardsticks too", "decision 40: shadow -> canary (",
        ": canary -> live (improvement is proven", "live -> shadow (a regression was detected; what was learned",
        "decisions after the degradation began", "after the first promotion: mean reward", "allowed so far", "next: ",
    ):  # fmt: skip
        assert said in shown


def test_people_read_how_many_shuffles_were_promoted(log: Path, early: Path, capsys: Capture) -> None:
    """Of several shuffles: how they ended, promotions, rollbacks, and the worst loss beside the allowance."""
    options = ["--mode", "gated", "--config", str(early), "--degrade", "better@50%", "--shuffles", "2"]
    assert main(["replay", str(log), *options]) == 0
    shown = capsys.readouterr().out

    for said in (
        "of 2 shuffles 2 were promoted; at the end", "2 rollbacks in all", "the worst shuffle was",
        "drill: 2 of 2 shuffles rolled back after the degradation, after",
    ):  # fmt: skip
        assert said in shown
