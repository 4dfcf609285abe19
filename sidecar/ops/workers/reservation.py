"""One port for several processes, and for nobody else.

Workers share the port by SO_REUSEPORT, which by itself lets anybody of the same user in, in silence. So the parent
takes three steps, each of which fails aloud:

1. a lock, an abstract socket whose name is the address: against another parent. The kernel frees it with the process;
2. a probe, bound as an ordinary server binds: against whoever listens already;
3. a hold, bound with SO_REUSEPORT and never listening: it keeps ordinary servers out for as long as the parent lives,
   also while no worker does, and makes port 0 one port for all.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack

from sidecar.errors import InvalidSettings


class Reservation:
    """Holds a TCP port until it is closed.

    Args:
        address: `127.0.0.1:PORT` or `[::1]:PORT`; port 0 takes a free one.

    Raises:
        InvalidSettings: the port is in use, or cannot be had.
    """

    def __init__(self, address: str) -> None:
        """Take the port."""
        host, _, port = address.rpartition(":")
        self._family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        self._place = (host.strip("[]"), int(port))
        with ExitStack() as stack:
            try:
                if self._place[1]:
                    self._lock(stack)
                    self._probe()
                free = self._hold(stack)
            except (OSError, OverflowError) as error:
                allowed = "a loopback address with a free port"
                raise InvalidSettings("LEARNING_ADDRESS", address, allowed) from error
            self._held = stack.pop_all()
        self.address = f"{host}:{free}"

    def close(self) -> None:
        """Give the port back."""
        self._held.close()

    def _lock(self, stack: ExitStack) -> None:
        lock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        lock.bind("\0learning-sidecar/{}/{}".format(*self._place))

    def _probe(self) -> None:
        with socket.socket(self._family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger are no server
            probe.bind(self._place)

    def _hold(self, stack: ExitStack) -> int:
        hold = stack.enter_context(socket.socket(self._family, socket.SOCK_STREAM))
        hold.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        hold.bind(self._place)
        port: int = hold.getsockname()[1]
        return port
