"""How far a domain lets the learner act."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """A domain's mode, from nothing at all to a plain bandit."""

    OFF = "off"
    """The first candidate, and nothing is recorded."""
    SHADOW = "shadow"
    """The first candidate; what the policy would have done is recorded."""
    UNGATED = "ungated"
    """The policy's choice, with no guarantee against the baseline."""


WIRED_DOMAINS = ("route", "prompt", "retrieval", "tool_planning", "plugin_runtime")
"""Domains that exist from birth. Any other name works too."""
