"""An open loop: requests leave when they are due, whether or not earlier ones were answered. A process of its own.

Arrivals are a Poisson process with a fixed seed, spread over a few connections in turn. A latency counts from when the
request was due, so that a client or a server that is late cannot hide it. h2load has a paced mode, but it sends what is
due in bursts from all its connections at once, and its timing scripts drift.

    python benchmarks/serving/paced.py 127.0.0.1:50051 /learning.v1.Learning/Recommend body.bin --rate 1000 --seconds 2
"""

from __future__ import annotations

import argparse
import json
import random
import select
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # a command, not an installed package
    sys.path.insert(0, str(Path(__file__).parents[1]))

from serving import http2

_PATIENCE_S = 10.0


class Line:
    """One connection with requests on it.

    Args:
        address: host and port.
        method: the path of the call.
        body: the message, framed for gRPC.
    """

    def __init__(self, address: str, method: str, body: bytes) -> None:
        """Connect and say the opening."""
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(http2.opening())
        self._headers, self._body = http2.header_block(method, address), body
        self._arrived = bytearray()
        self._next, self._window = 1, http2.WINDOW
        self.due: dict[int, float] = {}

    @property
    def has_room(self) -> bool:
        """Whether the server's window takes one more request."""
        return self._window >= len(self._body)

    def send(self, due: float) -> None:
        """Send one request."""
        stream, self._next = self._next, self._next + 2
        self.due[stream] = due
        self._window -= len(self._body)
        head = http2.frame(http2.HEADERS, http2.END_HEADERS, stream, self._headers)
        self.socket.sendall(head + http2.frame(http2.DATA, http2.END_STREAM, stream, self._body))

    def receive(self) -> tuple[list[float], int]:
        """Read what is there: when each request was due that is now answered, and how many failed."""
        read = self.socket.recv(262_144)
        if not read:
            raise ConnectionError("the server closed the connection")
        self._arrived += read
        answered, failed = [], 0
        for one in http2.taken(self._arrived):
            if one.kind in (http2.HEADERS, http2.DATA) and one.flags & http2.END_STREAM:
                answered.append(self.due.pop(one.stream))
            elif one.kind == http2.RST_STREAM:
                failed += self.due.pop(one.stream, None) is not None
            else:
                self._control(one)
        return answered, failed

    def _control(self, one: http2.Frame) -> None:
        if one.kind == http2.SETTINGS and not one.flags & http2.ACK:
            self.socket.sendall(http2.frame(http2.SETTINGS, http2.ACK, 0))
        elif one.kind == http2.PING and not one.flags & http2.ACK:
            self.socket.sendall(http2.frame(http2.PING, http2.ACK, 0, one.payload))
        elif one.kind == http2.WINDOW_UPDATE and one.stream == 0:
            self._window += int.from_bytes(one.payload, "big")
        elif one.kind == http2.GOAWAY:
            raise ConnectionError("the server ends the connection")


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """When requests are due, in seconds from the start."""
    rng, now, due = random.Random(seed), 0.0, []
    while (now := now + rng.expovariate(rate)) < seconds:
        due.append(now)
    return due


def run(lines: Sequence[Line], offsets: Sequence[float]) -> tuple[list[float], int]:
    """Latencies in seconds, each from when the request was due, and how many failed."""
    sockets = {line.socket: line for line in lines}
    latencies: list[float] = []
    failed = sent = 0
    start = time.perf_counter() + 0.05
    deadline = start + offsets[-1] + _PATIENCE_S
    while len(latencies) + failed < len(offsets) and (now := time.perf_counter()) < deadline:
        while sent < len(offsets) and start + offsets[sent] <= now and lines[sent % len(lines)].has_room:
            lines[sent % len(lines)].send(start + offsets[sent])
            sent += 1
        pause = max(0.0, start + offsets[sent] - time.perf_counter()) if sent < len(offsets) else 0.05
        for ready in select.select(list(sockets), [], [], pause)[0]:
            answered, lost = sockets[ready].receive()
            done = time.perf_counter()
            latencies += [done - due for due in answered]
            failed += lost
    return latencies, len(offsets) - len(latencies)


def main() -> None:
    """Run one load and print what was seen, as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("address")
    parser.add_argument("method")
    parser.add_argument("body", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    body = options.body.read_bytes()
    lines = [Line(options.address, options.method, body) for _ in range(options.connections)]
    began = time.perf_counter()
    latencies, failed = run(lines, arrivals(options.rate, options.seconds, options.seed))
    print(
        json.dumps(
            {
                "requests": len(latencies) + failed,
                "failed": failed,
                "seconds": time.perf_counter() - began,
                "cpu_s": time.process_time(),
                "latencies_us": [round(one * 1e6) for one in latencies],
            }
        )
    )


if __name__ == "__main__":
    main()
