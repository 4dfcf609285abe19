"""One thing that the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works today; or there was no leave to look."""
    PROBLEM = "problem"
    """Learning does not work, or will be lost, or is open to anybody."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and the exact words that would change it, if any would."""

    check: str
    level: Level
    message: str
    change: str = ""


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, change: str = "") -> Finding:
    """Worth a thought."""
    return Finding(check, Level.WARNING, message, change)


def problem(check: str, message: str, change: str = "") -> Finding:
    """To be changed."""
    return Finding(check, Level.PROBLEM, message, change)


def not_allowed(check: str, command: str) -> Finding:
    """The server does not let this user look, as managed services and minimal users do not."""
    return warning(check, f"not allowed to look ({command} was refused)")
