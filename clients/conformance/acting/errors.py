"""What can go wrong besides a client that does not conform.

ConformanceError
├── BadScenario     a file that cannot be acted, named with its step
├── NoLanguage      a language that cannot be built or started
└── DriverFailed    a driver that broke off, or broke its protocol
"""

from __future__ import annotations


class ConformanceError(Exception):
    """Something that is said as it is."""


class BadScenario(ConformanceError):
    """A scenario, or the list of languages, is not what it should be."""


class NoLanguage(ConformanceError):
    """A language's driver cannot be built or started."""


class DriverFailed(ConformanceError):
    """A driver ended, was silent for too long, or answered what is no answer."""
