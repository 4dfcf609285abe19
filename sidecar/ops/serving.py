"""Puts the parts of a sidecar together, runs them, and takes them apart in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sidecar import __version__
from sidecar.api.authorization import access_of
from sidecar.api.server import Server
from sidecar.api.servicer import Servicer
from sidecar.clock import SystemClock
from sidecar.engine.service import LearningService, configured_domains
from sidecar.errors import StoreError
from sidecar.model.gate import GateEvent
from sidecar.model.names import Scope
from sidecar.ops.management import Management
from sidecar.ops.probes import Vitals, sidecar_routes
from sidecar.ops.spooling import show, spool_of
from sidecar.settings.file import Configuration
from sidecar.settings.flags import Flags
from sidecar.settings.service import ServiceSettings
from sidecar.store.connection import Connection
from sidecar.store.embedded import EmbeddedServer, default_data_dir
from sidecar.store.redis_store import RedisStore
from sidecar.telemetry.events import GateMoved
from sidecar.telemetry.logs import log_event
from sidecar.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_SWEEP_INTERVAL_S = 1.0
_CANCEL_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Running:
    """A sidecar that serves: where it listens, which store it uses, and what it counts."""

    address: str
    management_address: str
    store_url: str
    service: LearningService
    metrics: Metrics
    server: Server


@asynccontextmanager
async def sidecar(
    settings: ServiceSettings, configuration: Configuration, environment: Mapping[str, str]
) -> AsyncIterator[Running]:
    """Run a sidecar for as long as the context lasts.

    On the way out: NOT_SERVING, calls in flight, what runs in the background, and the store last.

    Raises:
        InvalidSettings: an address is not usable.
        StoreUnavailable: the embedded server did not come up.
    """
    async with contextlib.AsyncExitStack() as stack:
        access = access_of(settings)
        url = settings.redis_url or await embedded_store(settings, environment, stack)
        connection = Connection(url, timeout_s=settings.store_timeout_ms / 1000)
        store = RedisStore(connection, prefix=settings.key_prefix)
        metrics = Metrics(configured_domains(configuration))
        observers = (log_event, metrics.observe)

        def moved(scope: Scope, event: GateEvent) -> None:
            for observer in observers:
                observer(GateMoved(scope, event))

        clock = SystemClock()
        spool = spool_of(settings, environment, url, clock)
        if spool is not None:
            await spool.open()
            show(spool, metrics)
        service = LearningService(
            store, configuration, Flags(environment), clock, moved, spool, settings.recall_s, metrics.replayed
        )
        stack.push_async_callback(service.close)
        stack.push_async_callback(_cancelled, asyncio.create_task(service.recover_forever()))
        servicer = Servicer(service, configuration, observers, settings.store_timeout_ms / 1000, access)
        server = Server(settings, servicer, metrics, access)
        vitals = Vitals(asyncio.get_running_loop())
        management = Management(settings.management_address, sidecar_routes(vitals, metrics, servicer))
        await asyncio.to_thread(management.start)
        stack.callback(management.stop)
        stack.push_async_callback(_cancelled, asyncio.create_task(_sweep_forever(service, metrics, vitals)))
        await server.start()
        stack.push_async_callback(server.stop, settings.shutdown_grace_s)
        vitals.ready = True
        stack.callback(setattr, vitals, "ready", False)  # noqa: FBT003 - setattr has no keywords
        yield Running(server.address, management.address, url, service, metrics, server)


def _announce(running: Running) -> None:
    _log.info("management on %s", running.management_address)
    _log.info("learning-sidecar %s listens on %s", __version__, running.address)


async def serve(
    settings: ServiceSettings,
    configuration: Configuration,
    environment: Mapping[str, str],
    started: Callable[[Running], None] = _announce,
) -> None:
    """Run a sidecar until SIGTERM or SIGINT; `started` is told once it answers calls."""
    stopping = stop_signals()
    async with sidecar(settings, configuration, environment) as running:
        started(running)
        _spare_the_collector()
        _spare_the_cores()
        await stopping.wait()
        leave_signals()
        _log.info("stopping: calls in flight have %g s", settings.shutdown_grace_s)
    if running.server.stuck:
        _exit_hard()
    _log.info("stopped")


def _spare_the_collector() -> None:
    """What was made at the start stays; looking through it again and again would cost a few percent of every call."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _spare_the_cores() -> None:
    """Let linear algebra, which comes with the first decision, keep no threads spinning on cores that are the app's."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def stop_signals() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def leave_signals() -> None:
    """It is stopping already, so that SIGTERM says nothing new; a second Ctrl-C does cut it short."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _exit_hard() -> NoReturn:
    """End the process now: everything else is closed, and what is left would keep the event loop from ending."""
    _log.critical("a call did not end although it was cancelled; the process ends without it")
    logging.shutdown()
    os._exit(1)


async def embedded_store(
    settings: ServiceSettings, environment: Mapping[str, str], stack: contextlib.AsyncExitStack
) -> str:
    """Start an embedded server that is stopped with the stack, and return its URL.

    Raises:
        StoreUnavailable: it did not come up.
    """
    data_dir = Path(settings.data_dir) if settings.data_dir else default_data_dir(dict(environment))
    server = EmbeddedServer(data_dir)
    await asyncio.to_thread(server.start)
    stack.push_async_callback(asyncio.to_thread, server.stop)
    leaving = asyncio.Event()
    stack.push_async_callback(_left, leaving, asyncio.create_task(_keep_running(server, leaving)))
    return server.url


async def _keep_running(server: EmbeddedServer, leaving: asyncio.Event) -> None:
    """Start an embedded server again whenever it has ended by itself; nobody else would."""
    while not leaving.is_set():
        if server.ended:
            _log.error("the embedded server has ended by itself and is started again")
            try:
                await asyncio.to_thread(server.restart)
            except StoreError as error:
                _log.warning("%s", error)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SWEEP_INTERVAL_S):
                await leaving.wait()


async def _left(leaving: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Let a task end, rather than cancel it: what it began in a thread would go on."""
    leaving.set()
    await task


async def _sweep_forever(service: LearningService, metrics: Metrics, vitals: Vitals) -> None:
    metrics.store_up.read = lambda: bool(vitals.store)
    metrics.store_breaker.read = lambda: service.store_breaker
    vitals.breaker = lambda: service.store_breaker
    service.continuity.observer = metrics.store_lost.add
    while True:
        try:
            metrics.swept.add(count=await service.sweep())
            server = await service.server()
            if not vitals.store:
                _log.info("the store answers: %s", server)
            vitals.store = server
        except StoreError as error:
            if vitals.store or vitals.store is None:
                _log.warning("the store is away, answers are degraded: %s (%s)", error, error.__cause__)
            vitals.store = ""
        await asyncio.sleep(_SWEEP_INTERVAL_S)


async def _cancelled(task: asyncio.Task[None]) -> None:
    """End a task, however often it must be told: below redis-py, `wait_for` of Python 3.11 may lose a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_CANCEL_AGAIN_S)
    with contextlib.suppress(asyncio.CancelledError):
        task.result()


def process_environment() -> dict[str, str]:
    """The environment of this process."""
    return dict(os.environ)
