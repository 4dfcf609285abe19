"""`serve` with several workers: the parent holds the port and the embedded server, and shows what workers show."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack

from sidecar import __version__
from sidecar.ops.management import Management
from sidecar.ops.serving import embedded_store, leave_signals, stop_signals
from sidecar.ops.workers.fleet import Fleet, worker_settings
from sidecar.ops.workers.reservation import Reservation
from sidecar.ops.workers.routes import fleet_routes
from sidecar.ops.workers.worker import WorkerFailed
from sidecar.settings.service import ServiceSettings

_log = logging.getLogger(__name__)


async def serve_with_workers(settings: ServiceSettings, environment: Mapping[str, str]) -> int:
    """Run workers until SIGTERM or SIGINT; return the exit code, 1 if a worker could not be replaced.

    Raises:
        InvalidSettings: the address is in use or not usable.
        StoreUnavailable: the embedded server did not come up.
        WorkerFailed: a worker did not start.
    """
    stopping = stop_signals()
    async with AsyncExitStack() as stack:
        reservation = Reservation(settings.address)
        stack.callback(reservation.close)
        url = settings.redis_url or await embedded_store(settings, environment, stack)
        fleet = Fleet(worker_settings(settings, reservation.address, url))
        management = Management(settings.management_address, fleet_routes(fleet))
        await asyncio.to_thread(management.start)
        stack.callback(management.stop)
        stack.push_async_callback(fleet.stop)
        await fleet.start()
        _log.info("management on %s", management.address)
        listens = "learning-sidecar %s listens on %s with %d workers"
        _log.info(listens, __version__, reservation.address, settings.workers)
        code = await _until(stopping, fleet)
        leave_signals()
        _log.info("stopping: calls in flight have %g s", settings.shutdown_grace_s)
    _log.info("stopped")
    return code


async def _until(stopping: asyncio.Event, fleet: Fleet) -> int:
    told, keeping = asyncio.create_task(stopping.wait()), asyncio.create_task(fleet.keep())
    await asyncio.wait({told, keeping}, return_when=asyncio.FIRST_COMPLETED)
    for one in (told, keeping):
        one.cancel()
    try:
        await keeping
    except WorkerFailed as error:
        _log.critical("%s", error)
        return 1
    except asyncio.CancelledError:
        return 0
    return 0
