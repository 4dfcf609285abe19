"""What scripts answer, named once: the loader gives Lua these names, and `wire` turns them into replies."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The first element of every script's answer."""

    ISSUED = 1
    REPLAYED = 2
    STALE = 3
    REFUSED = 4
    APPLIED = 5
    COLLECTED = 6
    MERGE = 7
    DUPLICATE = 8
    LATE = 9
    UNKNOWN = 10
    RELEASED = 11
    CLOSED = 12
    SWEPT = 13
    MODE_SET = 14
    READ = 15
    CHANGED = 16
    RESTORED = 17
    CONFLICT = 18
    FOLDED = 19
    OUTRUN = 20
    SHORT = 21
