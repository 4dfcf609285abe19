"""Real servers with options of their own, and TLS in front of one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from sidecar.store.embedded import find_binary

from .scripted import turns

_START_S = 30.0
_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@contextlib.contextmanager
def valkey(directory: Path, *options: str) -> Iterator[Path]:
    """Run a server that keeps nothing, until the end; gives its socket."""
    directory.mkdir(exist_ok=True)
    path, log = directory / "s", directory / "log"
    common = ("--port", "0", "--unixsocket", str(path), "--dir", str(directory), "--logfile", str(log), "--save", "")
    process = subprocess.Popen([str(find_binary()), *common, *options], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(path):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.005)
        yield path
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """Find a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        try:
            one.connect(str(path))
            one.sendall(b"PING\r\n")
            return bool(one.recv(1))  # whatever it says: it may want a password first, or be loading
        except OSError:
            return False


# --- TLS, which the server in the wheel is built without


def certificates(directory: Path) -> None:
    """Make an authority (`ca.pem`) and certificates of localhost, of another host, and of a client."""
    directory.mkdir()
    _openssl(directory, "req", "-x509", *_EC_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority",
             "-days", "2")  # fmt: skip
    for name, host in (("localhost", "localhost"), ("other", "other.example"), ("client", "client.example")):
        _openssl(directory, "req", "-x509", *_EC_KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj",
                 f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-addext", "basicConstraints=critical,CA:FALSE", "-days", "2")  # fmt: skip


def _openssl(directory: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@contextlib.asynccontextmanager
async def tls_before(path: Path, certificate: Path, *, clients: Path | None = None) -> AsyncIterator[int]:
    """Take TLS connections and pass what they say on to a socket; gives the port.

    With `clients`, only those are let in whose certificate that authority signed.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    if clients is not None:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    passing: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        passing.add(task)
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        try:
            await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            inner_writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await turns(5)  # asyncio cannot close while it accepts
        server.close()
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()
