"""What can go wrong in a benchmark.

Exception
├── CannotMeasure   something that everything needs is missing, or does not work
├── NoPeer          one peer cannot be had here; the rest goes on without it
└── WrongAnswer     a server answered what it must not
"""

from __future__ import annotations


class CannotMeasure(Exception):
    """Something that everything needs is missing, or does not work."""


class NoPeer(Exception):
    """One peer cannot be had here; the message says why."""


class WrongAnswer(Exception):
    """A server answered what it must not."""
