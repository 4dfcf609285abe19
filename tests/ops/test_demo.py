"""Goal: the demo reads the published rows and judges honestly. Method: tiny wheels of the same form."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import InvalidInput
from sidecar.ops.command import main
from sidecar.ops.replaying import paretobandit
from sidecar.ops.replaying.paretobandit import DataUnavailable, prompts

Capture = pytest.CaptureFixture[str]

LLAMA, MISTRAL, GEMINI = "meta-llama/llama-3.1-8b-instruct", "mistralai/mistral-large-2512", "google/gemini-2.5-pro"


def published(rewards: tuple[float, float, float]) -> dict[str, Any]:
    """A row in the published form."""
    costs = zip((LLAMA, MISTRAL, GEMINI), rewards, (0.00004, 0.0005, 0.015), strict=True)
    arms = {name: {"reward": reward, "cost": cost, "near_best": True} for name, reward, cost in costs}
    return {"prompt": "What?", "difficulty": "trivial", "arms": arms, "source": "mbpp"}


def wheel(directory: Path, rewards: tuple[float, float, float], rows: int) -> Path:
    """Make a wheel that holds only `val`."""
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(directory / "paretobandit-0.1.1-py3-none-any.whl", "w") as files:
        text = (json.dumps(published(rewards)) + "\n") * rows
        files.writestr("pareto_bandit/data/examples/val.jsonl", text)
    return directory


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No package is installed, the cache is empty, and pip cannot be run."""
    monkeypatch.setattr(paretobandit, "_installed", lambda _: None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_published_rows_are_converted(tmp_path: Path) -> None:
    """`cost` becomes `cost_usd`, the source the segment, and the prompt is left out."""
    ((where, row),) = prompts("val", wheel(tmp_path, (0.4, 1.0, 0.96), rows=1), {})

    assert where == "paretobandit:val:1"
    assert row["arms"][LLAMA] == {"reward": 0.4, "cost_usd": 0.00004}
    assert {"arms", "segment"} == row.keys()
    assert row["segment"] == "mbpp"


def test_the_cache_is_looked_into(tmp_path: Path) -> None:
    """What was downloaded once is not asked for again."""
    wheel(tmp_path / "learning-sidecar", (0.4, 1.0, 0.96), rows=3)

    assert len(list(prompts("val", None, {"XDG_CACHE_HOME": str(tmp_path)}))) == 3


def test_data_that_cannot_be_had_is_said_with_what_to_do(capsys: Capture) -> None:
    """Without the wheel and without pip there is one sentence, and exit code 2."""
    assert main(["demo"]) == 2
    assert "or put its wheel into a directory and give that as --data-dir" in capsys.readouterr().err


def test_a_broken_wheel_is_named(tmp_path: Path) -> None:
    """A wheel without the rows, or no wheel at all, is not taken for an empty log."""
    directory = wheel(tmp_path, (0.4, 1.0, 0.96), rows=1)
    with pytest.raises(DataUnavailable, match=r"does not hold .*test_holdout"):
        list(prompts("test_holdout", directory, {}))
    (directory / "paretobandit-0.1.1-py3-none-any.whl").write_bytes(b"nothing")
    with pytest.raises(DataUnavailable, match="not a zip file"):
        list(prompts("val", directory, {}))
    with pytest.raises(InvalidInput, match="paretobandit:test_holdout"):
        list(prompts("train", directory, {}))


def test_the_demo_learns_within_its_budget(tmp_path: Path, capsys: Capture) -> None:
    """It ends with 0, the table, and what was gained."""
    directory = wheel(tmp_path, (0.4, 0.9, 0.95), rows=150)

    assert main(["demo", "--data-dir", str(directory)]) == 0
    shown = capsys.readouterr().out
    assert "budget: spent $" in shown
    assert "of $0.099000" in shown
    assert "Learned within the budget" in shown


def test_the_demo_fails_when_nothing_is_gained(tmp_path: Path, capsys: Capture) -> None:
    """Where the baseline is the best model, exploring costs reward, and the demo says so with 1."""
    directory = wheel(tmp_path, (0.9, 0.4, 0.4), rows=60)

    assert main(["demo", "--data-dir", str(directory), "--json"]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert ["no more than the baseline's" in fault for fault in figures["faults"]] == [True]
    assert figures["overrun_usd"] == 0.0


def test_the_demo_fails_when_the_budget_is_exceeded(tmp_path: Path, capsys: Capture) -> None:
    """Arms that all cost more than the budget are executed as overrun, and that ends with 1."""
    directory = wheel(tmp_path, (0.4, 0.9, 0.95), rows=20)
    file = directory / "paretobandit-0.1.1-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as files:
        row = published((0.4, 0.9, 0.95))
        for outcome in row["arms"].values():
            outcome["cost"] += 0.01
        files.writestr("pareto_bandit/data/examples/val.jsonl", (json.dumps(row) + "\n") * 20)

    assert main(["demo", "--data-dir", str(directory), "--json"]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert not figures["within_budget"]
    assert any("more than the budget" in fault for fault in figures["faults"])
    assert figures["shield_actions"]["budget:cheapest_anyway"] > 0
