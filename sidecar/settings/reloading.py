"""A value that is read from files, and read again when they change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from sidecar.errors import InvalidSettings

T = TypeVar("T")
Stamp = tuple[int, int, int, int] | None

_AGAIN_AFTER = 10

_log = logging.getLogger(__name__)


class Reloading(Generic[T]):
    """Keeps the last good value; new content that is not usable changes nothing and is said once.

    Args:
        what: names it in the log, such as `the tokens`.
        read: the value, from its files.
        files_of: the files that a value came from.

    Raises:
        InvalidSettings: the first reading failed.
    """

    def __init__(self, what: str, read: Callable[[], T], files_of: Callable[[T], Iterable[Path]]) -> None:
        """Read it a first time."""
        self._what = what
        self._read = read
        self._files_of = files_of
        self.value = read()
        self._seen: list[Stamp] = []  # so that what changed while it was read is read again
        self._said = ""
        self._idle = 0

    def refresh(self) -> bool:
        """Read again what has changed since; return whether there is a new value.

        While the content is bad it is tried every tenth time although nothing seems to have changed, since what it
        lacks may lie in a file that is not known yet. Callers may use a thread, one at a time.
        """
        seen = [_stamp(file) for file in self._files_of(self.value)]
        self._idle += 1
        if seen == self._seen and not (self._said and self._idle >= _AGAIN_AFTER):
            return False
        self._seen, self._idle = seen, 0
        try:
            value = self._read()
        except Exception as error:  # noqa: BLE001 - whatever it is, what was good stays in force
            said = str(error) if isinstance(error, InvalidSettings) else type(error).__name__
            if said != self._said:
                _log.warning("%s cannot be read again, what was read before stays in force: %s", self._what, said)
            self._said = said
            return False
        self._said = ""
        if value == self.value:
            return False
        self.value = value
        _log.info("%s: new content is in force", self._what)
        return True


def _stamp(file: Path) -> Stamp:
    """What tells one content from another; None while there is no such file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
