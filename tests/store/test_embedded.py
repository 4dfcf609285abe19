"""The private server: durable, alone in its directory, and clear when it cannot run."""

from __future__ import annotations

import asyncio
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.errors import StoreUnavailable
from sidecar.store import embedded
from sidecar.store.embedded import EmbeddedServer, default_data_dir
from sidecar.store.transitions import WorkspaceView
from tests.conftest import RedisStores

from .conftest import Transitions


async def test_state_survives_a_restart(data_dir: Path, redis_stores: RedisStores, made: Transitions) -> None:
    """After stop and start all statistics, open decisions and accounts are as before."""
    views = []
    for number in range(2):
        with EmbeddedServer(data_dir) as server:
            store = redis_stores(server.url)
            if number == 0:
                await store.apply(made.issue("d1"))
                await store.apply(made.settle("d1", cost=5))
                await store.apply(made.issue("d2"))
            view = await store.apply(made.read())
            assert isinstance(view, WorkspaceView)
            views.append((view.accounts, view.domains["route"].arms, view.domains["route"].open))
            await store.close()
    assert views[0] == views[1]
    assert views[1][2] == 1


async def test_state_survives_a_crash(data_dir: Path, redis_stores: RedisStores, made: Transitions) -> None:
    """After the server was killed, what it had answered a moment before is still known."""
    server = EmbeddedServer(data_dir)
    server.start()
    first = redis_stores(server.url)
    await first.apply(made.issue("d1"))
    await asyncio.sleep(0.1)
    assert server._process is not None
    server._process.kill()
    server.stop()
    with EmbeddedServer(data_dir) as again:
        view = await redis_stores(again.url).apply(made.read())
        assert isinstance(view, WorkspaceView)
        assert view.domains["route"].open == 1


def test_second_process_is_refused(data_dir: Path) -> None:
    """Another process that wants the same directory is told that it is in use; the first goes on."""
    code = (
        "import pathlib, sys; from sidecar.store.embedded import *; EmbeddedServer(pathlib.Path(sys.argv[1])).start()"
    )
    with EmbeddedServer(data_dir) as server:
        second = subprocess.run(
            [sys.executable, "-c", code, str(data_dir)], capture_output=True, text=True, check=False
        )
        assert f"{data_dir} is used by another process" in second.stderr
        assert server._answers()


def test_directory_is_free_again_after_stop(data_dir: Path) -> None:
    """Stopping twice is harmless, and the directory can be used again."""
    server = EmbeddedServer(data_dir)
    for _ in range(2):
        server.start()
        assert server.pid is not None
        server.stop()
        server.stop()
        assert server.pid is None


def test_only_the_owner_may_connect(data_dir: Path) -> None:
    """Directory and socket are closed to other users."""
    with EmbeddedServer(data_dir) as server:
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(server.socket_path.stat().st_mode) == 0o700


def test_long_path_is_refused(tmp_path: Path) -> None:
    """A directory whose socket would have too long a path is refused before anything is made."""
    long = tmp_path / ("x" * 120)
    with pytest.raises(StoreUnavailable, match="too long for a socket's path"):
        EmbeddedServer(long).start()
    assert not long.exists()


def test_server_that_does_not_come_up(data_dir: Path) -> None:
    """A server that ends at once is reported with the place of its log, and the directory is free again."""
    server = EmbeddedServer(data_dir)
    server.binary = Path("/bin/false")
    with pytest.raises(StoreUnavailable, match=r"did not come up; see .*store\.log"):
        server.start()
    server.binary = embedded.find_binary()
    with server:
        assert server._answers()


def test_without_any_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no server to run, the error names the variable that points to one."""
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(StoreUnavailable, match="set LEARNING_REDIS_URL"):
        embedded.find_binary()


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_server_on_path_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """Without the package, a server on PATH is taken."""
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.find_binary() == tmp_path / name


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({"XDG_DATA_HOME": "/x"}, "/x"), ({"HOME": "/h"}, "/h/.local/share"), ({}, "/tmp/.local/share")],  # noqa: S108 - only a name
)
def test_default_directory(environment: dict[str, str], expected: str) -> None:
    """State lies where the desktop's convention puts it."""
    assert default_data_dir(environment) == Path(expected) / "learning-sidecar"


def test_a_server_left_over_is_ended(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After its sidecar was killed, the next one ends it first: two on one append-only file would destroy it."""
    code = (
        "import os, pathlib, signal, sys; from sidecar.store.embedded import *; "
        "EmbeddedServer(pathlib.Path(sys.argv[1])).start(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(data_dir)], check=False)
    with EmbeddedServer(data_dir):
        log = (data_dir / "store.log").read_text(encoding="utf-8")

    assert killed.returncode == -signal.SIGKILL
    assert "left over" in caplog.text
    assert log.count("Ready to accept connections") == 2
    assert log.index("User requested shutdown") < log.rindex("Ready to accept connections")
