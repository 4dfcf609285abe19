"""A JSON Patch (RFC 6902) that only adds: nothing of the pod is replaced, so that nothing of it can be lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Step = str | int
Operation = dict[str, Any]


def pointer(*steps: Step) -> str:
    """A JSON pointer (RFC 6901).

    >>> pointer("metadata", "annotations", "learning-sidecar/injected", 0)
    '/metadata/annotations/learning-sidecar~1injected/0'
    """
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


class Patch:
    """Collects what is to be added, in order."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.operations: list[Operation] = []

    def add_member(self, table: Sequence[Step], known: object, key: str, value: object) -> None:
        """Add a key that is not there yet to a table, and the table where there is none.

        Args:
            table: the steps to it.
            known: what is there; None if nothing is.
            key: the new key.
            value: what it shall have.
        """
        if known is None:
            self._add(table, {key: value})
        else:
            self._add([*table, key], value)

    def prepend(self, row: Sequence[Step], known: Sequence[object] | None, value: object) -> None:
        """Put a value before all others of a list."""
        self._insert(row, known, "0", value)

    def append(self, row: Sequence[Step], known: Sequence[object] | None, value: object) -> None:
        """Put a value behind all others of a list."""
        self._insert(row, known, "-", value)

    def _insert(self, row: Sequence[Step], known: Sequence[object] | None, at: str, value: object) -> None:
        if known is None and not self._made(row):
            self._add(row, [value])
        else:
            self._add([*row, at], value)

    def _made(self, row: Sequence[Step]) -> bool:
        """Whether an operation before has made the list."""
        return any(one["path"] == pointer(*row) for one in self.operations)

    def _add(self, steps: Sequence[Step], value: object) -> None:
        self.operations.append({"op": "add", "path": pointer(*steps), "value": value})
