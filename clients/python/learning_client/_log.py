"""Warnings that cannot flood a log: a sidecar that is away would otherwise say so on every request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

LOGGER = logging.getLogger("learning_client")
INTERVAL_S = 60.0


class SparseLog:
    """Logs each kind of warning at most once a minute, and says how many were held back in between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing said; `clock` counts seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._silent_until: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def note(self, kind: str, message: str, *values: object, cause: BaseException | None = None) -> None:
        """Log at WARNING, or at DEBUG when this kind was logged less than a minute ago.

        Args:
            kind: What the limit is counted by.
            message: A %-format, as logging takes it.
            values: What goes into it.
            cause: An exception whose traceback belongs to the message.
        """
        due, held_back = self._due(kind)
        if held_back:
            message, values = f"{message} (%d more like this since the last such message)", (*values, held_back)
        LOGGER.log(logging.WARNING if due else logging.DEBUG, message, *values, exc_info=cause)

    def _due(self, kind: str) -> tuple[bool, int]:
        now = self._clock()
        with self._lock:
            if now < self._silent_until.get(kind, now):
                self._held_back[kind] = self._held_back.get(kind, 0) + 1
                return False, 0
            self._silent_until[kind] = now + INTERVAL_S
            return True, self._held_back.pop(kind, 0)
