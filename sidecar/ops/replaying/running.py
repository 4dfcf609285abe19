"""From rows and a plan to what came of it: finds the log, starts a service if none is given, drives it."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sidecar.ops.calling import Reach, calling, reach_from_environment
from sidecar.ops.replaying.driving import Course, replay
from sidecar.ops.replaying.log import Numbered, Row, lines_of
from sidecar.ops.replaying.paretobandit import PREFIX, prompts
from sidecar.ops.replaying.plan import Plan
from sidecar.ops.replaying.progress import watching
from sidecar.ops.replaying.report import Replayed
from sidecar.ops.replaying.yardsticks import Yardsticks, yardsticks
from sidecar.ops.serving import process_environment, sidecar
from sidecar.settings.file import Configuration
from sidecar.settings.service import ServiceSettings

_STORE_TIMEOUT_MS = 10_000.0  # a busy machine slows a replay down, it must not change its result


def numbered_rows(file: str, data_dir: Path | None) -> Iterator[Numbered]:
    """The rows of a file, or of a published data set (`paretobandit:val`, `paretobandit:test_holdout`).

    Raises:
        InvalidInput: the file cannot be read, a line is not JSON, or there is no such data set.
        DataUnavailable: the data set could not be had.
    """
    if file.startswith(PREFIX):
        return prompts(file.removeprefix(PREFIX), data_dir, process_environment())
    return lines_of(Path(file))


async def replayed(
    log: str, rows: list[Row], plan: Plan, *, address: str | None, configuration: Configuration, bar: bool
) -> Replayed:
    """Replay `rows` against the service at `address`, or one of its own when that is None.

    Args:
        log: its name, for the report.
        rows: each has the plan's baseline.
        plan: how.
        address: of a running service.
        configuration: of the own service.
        bar: whether to show a progress bar.

    Raises:
        CallFailed: the service answered a call with an error.
        StoreUnavailable: the embedded server did not come up.
    """
    async with _service(address, plan.domain, configuration) as stub:
        started = time.perf_counter()
        with watching(len(rows) * plan.shuffles, shown=bar) as watch:
            courses = await replay(stub, rows, plan, watch)
        seconds = time.perf_counter() - started
    return Replayed(log, rows, plan, _measures(rows, courses, plan), courses, seconds)


def _measures(rows: list[Row], courses: list[Course], plan: Plan) -> list[Yardsticks]:
    """Of each course; all alike unless rows were degraded, which depends on the course's order."""
    if plan.degradation is None:
        return [yardsticks(rows, plan.baseline)] * len(courses)
    return [yardsticks(course.rows, plan.baseline) for course in courses]


@asynccontextmanager
async def _service(address: str | None, domain: str, configuration: Configuration) -> AsyncIterator[Any]:
    if address is not None:
        async with calling(reach_from_environment(address)) as stub:
            yield stub
        return
    declared = configuration.with_domain(domain, {})  # so that a name of one's own is known
    with tempfile.TemporaryDirectory(prefix="learning-") as directory:
        settings = ServiceSettings(
            address=f"unix:{directory}/api.sock",
            management_address="off",
            data_dir=directory,
            store_timeout_ms=_STORE_TIMEOUT_MS,
            shutdown_grace_s=0.0,
        )
        # No environment: switches and settings of this machine's own sidecar are not the replay's.
        with _moves_untold():
            async with sidecar(settings, declared, {}) as running, calling(Reach(running.address)) as stub:
                yield stub


@contextmanager
def _moves_untold() -> Iterator[None]:
    """The own service does not warn of the gate's moves: the report tells them."""
    log = logging.getLogger("sidecar.decisions")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
