"""Goal: a sidecar stops for good. Method: tasks that lose cancellations, as a library below may."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from sidecar.ops.serving import _cancelled
from sidecar.store.embedded import EmbeddedServer
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

STUBBORN = """
import asyncio, contextlib, sys
from sidecar.api.servicer import Servicer
from sidecar.ops.command import main

async def stubborn(self, request, context):
    print("entered", file=sys.stderr, flush=True)
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

Servicer.Status = stubborn
sys.exit(main(sys.argv[1:]))
"""


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


@pytest.fixture
def stubborn(data_dir: Path, tmp_path: Path, transport: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a sidecar with its own server whose Status never ends, whatever it is told."""
    log = tmp_path / "log"
    arguments = ["serve", "--address", "127.0.0.1:0", "--management-address", "off", "--data-dir", str(data_dir)]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", STUBBORN, *arguments, "--transport", transport],
            env={**os.environ, "LEARNING_SHUTDOWN_GRACE_S": "0.2"},
            stderr=stderr,
        )
    yield process, log
    process.kill()
    process.wait()


async def _appears(pattern: str, log: Path) -> str:
    async with asyncio.timeout(20):
        while True:
            found = re.search(pattern, await asyncio.to_thread(log.read_text))
            if found:
                return found.group(found.lastindex or 0)
            await asyncio.sleep(0.05)


async def test_a_call_that_never_ends_does_not_keep_the_process(
    stubborn: tuple[subprocess.Popen[bytes], Path], data_dir: Path
) -> None:
    """The embedded server is stopped as ever; then the process ends, and its code says that not all was well."""
    process, log = stubborn
    address = await _appears(r"listens on (\S+)", log)
    async with grpc.aio.insecure_channel(address) as channel:
        call = LearningStub(channel).Status(pb.StatusRequest())
        await _appears("entered", log)
        process.terminate()
        started = time.monotonic()
        code = await asyncio.to_thread(process.wait, 20)
        took = time.monotonic() - started
        call.cancel()

    assert took < 8
    assert code == 1
    assert "did not end although it was cancelled" in log.read_text()
    with EmbeddedServer(data_dir):
        assert "left over" not in log.read_text()
