"""How far a domain lets the learner act."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """A domain's mode, from nothing at all to a plain bandit."""

    __hash__ = str.__hash__  # a key of every decision's counters; the enum's own is a call of Python

    OFF = "off"
    """The first candidate, and nothing is recorded."""
    SHADOW = "shadow"
    """The first candidate; what the policy would have done is recorded."""
    CANARY = "canary"
    """The policy's choice in a small share of the decisions in which it differs from the first candidate."""
    LIVE = "live"
    """The policy's choice in all but a small share of those."""
    UNGATED = "ungated"
    """The policy's choice, with no guarantee against the baseline."""
    GATED = "gated"
    """Shadow, canary or live, as far as the gate finds evidence: asked for, never itself in force."""


STAGES = (Mode.SHADOW, Mode.CANARY, Mode.LIVE)
"""The rungs of the ladder on which the gate moves a domain."""


WIRED_DOMAINS = ("route", "prompt", "retrieval", "tool_planning", "plugin_runtime")
"""Domains that exist from birth. Any other name works too."""
