"""Goal: what is read from files is the last good content, and never a mixture. Method: files that change."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sidecar.errors import InvalidSettings
from sidecar.settings.reloading import Reloading


def number_in(path: Path) -> int:
    """Read a number; a file called `more` beside it has to be there when it is above 9."""
    text = path.read_text(encoding="utf-8")
    if not text.isdigit():
        raise InvalidSettings("number", text, "digits")
    if int(text) > 9:
        path.with_name("more").read_bytes()
    return int(text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make a file with a number."""
    made = tmp_path / "number"
    made.write_text("1")
    return made


@pytest.fixture
def reloading(file: Path) -> Reloading[int]:
    """Read it."""
    return Reloading("the number", lambda: number_in(file), lambda _: [file])


def test_bad_content_at_the_start_is_an_error(file: Path) -> None:
    """There is nothing before it."""
    file.write_text("one")
    with pytest.raises(InvalidSettings):
        Reloading("the number", lambda: number_in(file), lambda _: [file])


def test_new_content_is_taken_once(file: Path, reloading: Reloading[int], caplog: pytest.LogCaptureFixture) -> None:
    """Touching a file, or writing the same, is nothing new."""
    caplog.set_level(logging.INFO)
    assert not reloading.refresh()
    file.write_text("2")
    assert (reloading.refresh(), reloading.value, reloading.refresh()) == (True, 2, False)
    file.touch()
    assert not reloading.refresh()
    assert [record.message for record in caplog.records] == ["the number: new content is in force"]


def test_bad_content_changes_nothing_and_is_said_once(
    file: Path, reloading: Reloading[int], caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is looked at; another fault is said anew."""
    file.write_text("two")
    assert not any(reloading.refresh() for _ in range(50))
    file.unlink()
    assert not any(reloading.refresh() for _ in range(50))
    assert reloading.value == 1
    first, second = (record.message for record in caplog.records)
    assert "stays in force: number: got 'two'; allowed: digits" in first
    assert "FileNotFoundError" in second
    file.write_text("1")
    assert not reloading.refresh()
    file.write_text("two")
    assert not reloading.refresh()
    assert len(caplog.records) == 3


def test_what_was_lacking_is_found(file: Path, reloading: Reloading[int]) -> None:
    """Also in a file that nobody knew of."""
    file.write_text("10")
    assert not reloading.refresh()
    file.with_name("more").touch()
    assert any(reloading.refresh() for _ in range(10))
    assert reloading.value == 10


def test_a_change_during_the_reading_is_not_lost(file: Path) -> None:
    """What was read was already old: the next look sees it."""
    texts = iter(["2", "3"])

    def read() -> int:
        found = number_in(file)
        if (text := next(texts, None)) is not None:
            file.write_text(text)
        return found

    reloading = Reloading("the number", read, lambda _: [file])
    assert reloading.value == 1
    while reloading.value < 3:
        assert reloading.refresh()
