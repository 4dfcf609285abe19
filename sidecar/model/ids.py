"""Ids of decisions: 128 random bits each, as 32 hexadecimal digits; and marks in what is recorded of them."""

from __future__ import annotations

import secrets

_DIGITS = 32
_AT_ONCE = 256

_ready: list[str] = []


def fresh_id() -> str:
    """An id that no other decision has.

    The system is asked for the bits of many at once: asking costs more than the bits.
    """
    if not _ready:
        digits = secrets.token_hex(_DIGITS * _AT_ONCE // 2)
        _ready.extend(digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS))
    return _ready.pop()


def fresh_mark() -> str:
    """A mark that hardly any other sidecar has: 32 random bits, as 8 hexadecimal digits."""
    return secrets.token_hex(4)
