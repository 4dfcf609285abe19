"""One worker process, as its parent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE

from sidecar.errors import SidecarError
from sidecar.ops.workers.orders import Orders, line_of

_START_S = 30.0


class WorkerFailed(SidecarError):
    """A worker process ended, or said nothing, before it answered calls; its log says why."""

    reason = "WORKER_FAILED"


class Worker:
    """A process that answers calls.

    Args:
        process: it.
        management_address: where it shows its probes and metrics, or `off`.
    """

    def __init__(self, process: asyncio.subprocess.Process, management_address: str) -> None:
        """Keep both."""
        self._process = process
        self.management_address = management_address

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def ended(self) -> int:
        """Wait for its end; return its exit code."""
        return await self._process.wait()

    async def stop(self, within_s: float) -> int:
        """End it as an operator would, and kill it after `within_s` seconds; return its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait({asyncio.ensure_future(self._process.wait())}, timeout=within_s)
        finally:
            if self._process.returncode is None:
                _kill(self._process)
        return await self._process.wait()


async def started(orders: Orders) -> Worker:
    """Start a worker, and wait until it answers calls.

    Raises:
        WorkerFailed: it does not.
    """
    # Spawned, not forked: gRPC has threads that a fork would lose. In a session of its own: Ctrl-C reaches the parent.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sidecar.ops.workers.process", stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line_of(orders))  # and left open: its end tells the worker that the parent is gone
    told = b""
    try:
        told = await asyncio.wait_for(process.stdout.readline(), _START_S)
    except TimeoutError:
        told = b""
    finally:
        if not told:  # also when this is cancelled: nobody else knows the process yet
            _kill(process)
    if not told:
        raise WorkerFailed(f"worker {orders.number} did not start (exit code {await process.wait()}); the log says why")
    return Worker(process, told.decode().strip())


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
