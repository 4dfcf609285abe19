"""Goal: a sidecar stops for good. Method: a task that loses cancellations, as a library below may."""

from __future__ import annotations

import asyncio

from sidecar.ops.serving import _cancelled


async def test_a_task_that_loses_cancellations_is_ended() -> None:
    """A cancellation that somebody swallows is repeated until the task has ended."""
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost == 3:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(_cancelled(task), timeout=10)
    assert task.cancelled()
    assert lost == 3
