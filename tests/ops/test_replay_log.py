"""Goal: a bad log is refused with the line and the field. Method: one bad row after two good ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import InvalidInput
from sidecar.ops.command import main
from sidecar.ops.replaying.log import Row, baseline_of, lines_of, rows_from
from sidecar.ops.replaying.yardsticks import yardsticks
from sidecar.rewards.engine import RewardEngine
from sidecar.settings.domain import RewardSettings

GOOD = '{"arms": {"a": {"quality": 0.5, "cost_usd": 0.01}, "b": {"reward": 1}}, "id": 7}'


def read(path: Path, *lines: str, **options: Any) -> list[Row]:
    """The rows of a file with these lines."""
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return rows_from(lines_of(path), RewardEngine(RewardSettings()), **options)


def test_rows_are_read_with_their_rewards(tmp_path: Path) -> None:
    """An outright reward is taken as it is, signals are weighed, unknown keys beside arms are left alone."""
    (row,) = read(tmp_path / "log", "", GOOD)

    assert row.rewards == {"a": 0.5, "b": 1.0}
    assert row.signals["a"].cost_usd == 0.01
    assert row.where.endswith("log:2"), "blank lines are passed over, and counted"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{", ""),
        ("[1]", ""),
        ("{}", ": arms"),
        ('{"arms": {}}', ": arms"),
        ('{"arms": {"": {"reward": 1}}}', ": arms"),
        ('{"arms": {"a": 1}}', ": arms.a"),
        ('{"arms": {"a": {}}}', ": arms.a"),
        ('{"arms": {"a": {"cost_usd": 1}}}', ": arms.a"),
        ('{"arms": {"a": {"reward": 1, "cost": 2}}}', ": arms.a"),
        ('{"arms": {"a": {"reward": "high"}}}', ": arms.a.reward"),
        ('{"arms": {"a": {"reward": true}}}', ": arms.a.reward"),
        ('{"arms": {"a": {"reward": 1.5}}}', ": arms.a.reward"),
        ('{"arms": {"a": {"quality": -1}}}', ": arms.a.quality"),
        ('{"arms": {"a": {"reward": 1, "cost_usd": -1}}}', ": arms.a.cost_usd"),
        ('{"arms": {"a": {"reward": 1}}, "context": {"x": "y"}}', ": context"),
        ('{"arms": {"a": {"reward": 1}}, "context": []}', ": context"),
        ('{"arms": {"a": {"reward": 1}}, "segment": 3}', ": segment"),
    ],
)
def test_a_bad_row_is_named_by_line_and_field(tmp_path: Path, line: str, field: str) -> None:
    """The third line is at fault, and the message says so."""
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path / "log.jsonl", GOOD, GOOD, line)

    assert f"{tmp_path}/log.jsonl:3{field}" == caught.value.field


def test_the_command_ends_with_2_on_a_bad_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started, and the sentence is on stderr."""
    file = tmp_path / "log.jsonl"
    file.write_text(f'{GOOD}\n{{"arms": {{"a": {{"reward": 2}}}}}}\n')

    assert main(["replay", str(file)]) == 2
    assert f"{file}:2: arms.a.reward: got 2.0; allowed: a number from 0 to 1" in capsys.readouterr().err


def test_no_rows_are_refused(tmp_path: Path) -> None:
    """An empty log, or none of the segment, has nothing to tell."""
    with pytest.raises(InvalidInput, match="at least one row"):
        read(tmp_path / "log", "")
    with pytest.raises(InvalidInput, match="segments asked for"):
        read(tmp_path / "log", GOOD, segments=["none such"])
    with pytest.raises(InvalidInput, match="a readable file"):
        list(lines_of(tmp_path / "none such"))


def test_every_row_must_have_the_baseline(tmp_path: Path) -> None:
    """It is what would be done without learning; the row that lacks it is named."""
    rows = read(tmp_path / "log", GOOD, '{"arms": {"b": {"reward": 0}}}')

    assert baseline_of(rows, "b") == "b"
    with pytest.raises(InvalidInput, match=r"log:2: arms: .*the baseline 'a'"):
        baseline_of(rows, None)


def test_only_arms_of_every_row_are_fixed_yardsticks(tmp_path: Path) -> None:
    """An arm that was not always there could not always have been used; the oracle may use it."""
    lines = [json.dumps({"arms": {"a": {"reward": 0.2}, "b": {"reward": 0.4}}}), '{"arms": {"a": {"reward": 0.6}}}']
    measures = yardsticks(read(tmp_path / "log", *lines), "a")

    assert [fixed.name for fixed in measures.arms] == ["a"]
    assert measures.oracle.reward == pytest.approx(0.5)
    assert measures.oracle.cost_usd is None, "a cost that the log does not tell is not known"
