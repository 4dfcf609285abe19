"""The workers together: all are started, and one that ends is replaced."""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec

from sidecar.ops.workers.orders import Orders
from sidecar.ops.workers.worker import Worker, WorkerFailed, started
from sidecar.settings.service import ServiceSettings

_log = logging.getLogger(__name__)

_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Before each replacement; when the last one ends or fails too, all is given up, so that whoever runs it sees it."""

_STEADY_S = 60.0  # a worker that ran so long was well: its end is the first of a new row
_STOP_MARGIN_S = 10.0  # beyond the grace: what runs in the background, and the store's connections


class Fleet:
    """So many workers with the same settings.

    Args:
        settings: of each worker, as many as they say.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        """Prepare; nothing runs yet."""
        self._settings = settings
        self._keeping: list[asyncio.Task[None]] = []
        self.serving: dict[int, Worker] = {}
        self.complete = False
        """Whether all of them have answered calls once."""
        self.stopping = False

    def managements(self) -> dict[int, str]:
        """Where each worker that serves shows its probes and metrics, from any thread."""
        return {number: worker.management_address for number, worker in sorted(self.serving.items())}

    async def start(self) -> None:
        """Start all.

        Raises:
            WorkerFailed: one of them did not start.
        """
        starting = [asyncio.create_task(self._start(number)) for number in range(self._settings.workers)]
        try:
            await asyncio.gather(*starting)
        finally:
            for one in starting:
                one.cancel()
            await asyncio.wait(starting)
        self.complete = True

    async def keep(self) -> None:
        """Replace what ends, until this is cancelled.

        Raises:
            WorkerFailed: one cannot be replaced.
        """
        self._keeping = [asyncio.create_task(self._keep(number)) for number in self.serving]
        await asyncio.gather(*self._keeping)

    async def stop(self) -> None:
        """End all, and those that do not end within the grace and a margin by force."""
        self.stopping = True
        for keeping in self._keeping:
            keeping.cancel()
        if self._keeping:
            await asyncio.wait(self._keeping)
        within_s = self._settings.shutdown_grace_s + _STOP_MARGIN_S
        ending = {number: asyncio.create_task(one.stop(within_s)) for number, one in self.serving.items()}
        try:
            await asyncio.gather(*ending.values())
        finally:
            for one in ending.values():
                one.cancel()  # after a second Ctrl-C: by force at once
        for number, one in ending.items():
            if one.result() != 0:
                _log.warning("worker %d ended with code %d", number, one.result())

    async def _start(self, number: int) -> None:
        self.serving[number] = await started(Orders(number, self._settings))

    async def _keep(self, number: int) -> None:
        tries = 0
        since = time.monotonic()
        while True:
            code = await self.serving[number].ended()
            del self.serving[number]
            _log.error("worker %d ended with code %d and is replaced", number, code)
            tries = 0 if time.monotonic() - since > _STEADY_S else tries
            tries = await self._replace(number, tries)
            since = time.monotonic()

    async def _replace(self, number: int, tries: int) -> int:
        while True:
            if tries == len(_BACKOFF_S):
                raise WorkerFailed(f"worker {number} was replaced {tries} times in a row, in vain; the log says why")
            await asyncio.sleep(_BACKOFF_S[tries])
            tries += 1
            try:
                await self._start(number)
            except WorkerFailed as error:
                _log.error("%s", error)
            else:
                _log.warning("worker %d serves again", number)
                return tries


def worker_settings(settings: ServiceSettings, address: str, redis_url: str) -> ServiceSettings:
    """The parent's settings, for workers: the port and the store that it has, probes wherever there is room."""
    management = "off" if settings.management_address == "off" else "127.0.0.1:0"
    return msgspec.structs.replace(settings, address=address, redis_url=redis_url, management_address=management)
