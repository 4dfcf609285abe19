"""The table of calls that a native server keeps, and how it is kept clean.

pygrpc-native 0.5.0 forgets a call in the `finally` of its task. A task that is cancelled before its first step has no
`finally`: when a client leaves that early, its call stays in the table with its metadata, for ever. Where the language
has eager tasks (Python 3.12), the first step is taken at once, so that it cannot happen. Elsewhere what is done is
swept out once a second. `tests/api/test_native_defects.py` tells when this is no longer needed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

_SWEEP_INTERVAL_S = 1.0


class CallsTable:
    """The calls that one server holds.

    Args:
        server: of pygrpc-native 0.5.0; with another one, whose table is not found, nothing is done.
    """

    def __init__(self, server: object) -> None:
        """Find the table."""
        found = getattr(server, "_calls", None)
        self._calls: dict[int, Any] = found if isinstance(found, dict) else {}
        self._sweeping: asyncio.Task[None] | None = None

    def size(self) -> int:
        """How many calls the server holds."""
        return len(self._calls)

    def sweep(self) -> None:
        """Forget calls whose task has ended."""
        for number, call in list(self._calls.items()):
            if call.task is not None and call.task.done():
                self._calls.pop(number, None)

    def keep_clean(self) -> None:
        """See to it, in the running loop, that ended calls do not stay."""
        if not _has_eager_tasks(asyncio.get_running_loop()):
            self._sweeping = asyncio.create_task(self._sweep_forever())

    def leave(self) -> None:
        """Stop seeing to it."""
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            self.sweep()


def _has_eager_tasks(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether tasks of this loop start at once; a factory that somebody else has set is left alone."""
    if sys.version_info >= (3, 12):
        if loop.get_task_factory() is None:
            loop.set_task_factory(asyncio.eager_task_factory)
        return loop.get_task_factory() is asyncio.eager_task_factory
    return False
