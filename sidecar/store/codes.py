"""What scripts answer, named once: the loader gives Lua these names, and `wire` turns them into replies."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The first element of every script's answer."""

    REPLAYED = 1
    STALE = 2
    REFUSED = 3
    APPLIED = 4
    COLLECTED = 5
    MERGE = 6
    DUPLICATE = 7
    LATE = 8
    UNKNOWN = 9
    RELEASED = 10
    CLOSED = 11
    SWEPT = 12
    MODE_SET = 13
    READ = 14
    CHANGED = 15
    RESTORED = 16
    CONFLICT = 17
    FOLDED = 18
    OUTRUN = 19
    SHORT = 20
