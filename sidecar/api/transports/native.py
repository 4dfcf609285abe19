"""pygrpc-native: an experimental server in Rust, several times as fast, for callers that are trusted.

docs/transport.md says what it lacks. What can be made good is made good here and in `native_calls.py`, by rules:
loopback or a closed directory only, one server an address, unary methods, no options that it refuses, one stop that is
never cancelled and that has an end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import grpc

from sidecar.api.transports.base import bound_port, common_options
from sidecar.api.transports.native_calls import CallsTable
from sidecar.errors import InvalidSettings
from sidecar.settings.service import NATIVE_HAS_NO_TLS, ServiceSettings, is_loopback
from sidecar.telemetry.metrics import Metrics

_log = logging.getLogger(__name__)

_STOP_MARGIN_S = 2.0
_FALLBACK_SOCKET = "/pygrpc-native-12345678/fallback.sock"  # below TMPDIR; the middle part is random, of this length
_SOCKET_PATH_MAX = 107  # the system's limit
_WARNING = (
    "the transport `native` is experimental. It has no TLS, no compression and no channelz; a message is in memory "
    "whole before its size is checked; connections are not told in advance of a shutdown; reflection and streams go "
    "through a second server on a socket in TMPDIR. Keep callers trusted and memory limited; see docs/transport.md"
)


class NativeTransport:
    """`pygrpc_native.aio.server`, kept to what it does well.

    Args:
        settings: the address and the limits.
        metrics: shows how many calls it holds.

    Raises:
        InvalidSettings: it is not installed, or not to be used with these settings here.
    """

    def __init__(self, settings: ServiceSettings, metrics: Metrics) -> None:
        """Prepare; nothing listens yet."""
        if settings.tls_certificate:
            raise InvalidSettings("LEARNING_TRANSPORT", "native", NATIVE_HAS_NO_TLS)
        aio = _imported()
        _check_temporary_directory()
        self._address = settings.address
        self.server: grpc.aio.Server = aio.server(options=common_options(settings))
        self._calls = CallsTable(self.server)
        self._stopping: asyncio.Task[None] | None = None
        metrics.native_calls.read = self._calls.size

    def bind(self) -> int:
        """Take the address and return its port.

        Raises:
            InvalidSettings: the address is in use, or open to others.
        """
        if self._address.startswith("unix:"):
            _check_private(Path(self._address.removeprefix("unix:")).parent)
        elif not is_loopback(self._address):
            allowed = "a loopback address or a socket, for the transport `native`"
            raise InvalidSettings("LEARNING_ADDRESS", self._address, allowed)
        return bound_port(self.server, self._address)

    async def start(self) -> None:
        """Answer calls."""
        _log.warning(_WARNING)
        await self.server.start()
        self._calls.keep_clean()

    async def refresh(self) -> None:
        """Do nothing: there are no certificates."""

    async def stop(self, grace_s: float) -> bool:
        """Give calls in flight `grace_s` seconds; return whether all of it has ended a little later.

        Its own stop waits for ever for a handler that swallows its cancellation, and once cancelled never ends; so it
        runs in a task of its own, once, and is left behind if it must be.
        """
        if self._stopping is None:
            self._stopping = asyncio.create_task(self.server.stop(grace_s))
        done, _ = await asyncio.wait({self._stopping}, timeout=grace_s + _STOP_MARGIN_S)
        self._calls.leave()
        for task in done:
            task.result()
        return bool(done)


def _imported() -> Any:  # noqa: ANN401 - a module that may not be there
    try:
        # In this form: `from pygrpc_native import aio` calls itself without end in 0.5.0.
        import pygrpc_native.aio as aio  # noqa: PLC0415, PLR0402 - an optional package
    except ImportError as error:
        allowed = 'grpcio; or native after `pip install "learning-sidecar[native]"`'
        raise InvalidSettings("LEARNING_TRANSPORT", "native", allowed) from error
    return aio


def _check_temporary_directory() -> None:
    directory = tempfile.gettempdir()
    if len(os.fsencode(directory)) + len(_FALLBACK_SOCKET) > _SOCKET_PATH_MAX:
        longest = _SOCKET_PATH_MAX - len(_FALLBACK_SOCKET)
        allowed = f"a directory whose path has at most {longest} bytes: the transport `native` keeps a socket in it"
        raise InvalidSettings("TMPDIR", directory, allowed)


def _check_private(directory: Path) -> None:
    """Whoever may enter the directory may call, and whoever may write to it may take the socket's place."""
    found = directory.stat()
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid() or mode & 0o077:
        allowed = "for the transport `native`, a socket in a directory of this user alone, with mode 0700"
        raise InvalidSettings("LEARNING_ADDRESS", f"unix:{directory}/... (mode 0{mode:03o})", allowed)
