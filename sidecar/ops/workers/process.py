"""The worker itself: `python -m sidecar.ops.workers.process`, which only a parent starts.

It is an ordinary sidecar that gets its settings from standard input, says on standard output when it answers calls, and
stops when standard input ends: then its parent is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from sidecar.errors import SidecarError
from sidecar.ops.serving import Running, process_environment, serve
from sidecar.ops.workers.orders import orders_from
from sidecar.settings.file import read_configuration
from sidecar.telemetry.logs import configure_logs

_log = logging.getLogger(__name__)


def main() -> int:
    """Serve; return the exit code: 0 good, 2 when it cannot start."""
    orders = orders_from(sys.stdin.buffer.readline())
    settings = orders.settings
    configure_logs(settings.log_level, settings.log_format)
    _number_logs(orders.number)
    threading.Thread(target=_stop_with_the_parent, name="parent", daemon=True).start()
    try:
        configuration = read_configuration(Path(settings.config) if settings.config else None)
        asyncio.run(serve(settings, configuration, process_environment(), _tell))
    except SidecarError as error:
        _log.error("%s", error)
        return 2
    return 0


def _tell(running: Running) -> None:
    print(running.management_address, flush=True)


def _stop_with_the_parent() -> None:
    # Not through sys.stdin: a thread that waits in there would trip the interpreter when it ends.
    while os.read(sys.__stdin__.fileno(), 1):  # type: ignore[union-attr]  # orders came through it
        continue
    os.kill(os.getpid(), signal.SIGTERM)


def _number_logs(number: int) -> None:
    """Let every line say which worker wrote it."""

    def numbered(record: logging.LogRecord) -> bool:
        record.facts = {**getattr(record, "facts", {}), "worker": number}
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(numbered)


if __name__ == "__main__":
    sys.exit(main())
