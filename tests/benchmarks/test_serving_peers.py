"""The peers and the open loop, end to end and small: what is beside ours must do what is claimed of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import speed
from serving import bodies, http2
from serving.paced import Line, arrivals, run
from serving.processes import Processes
from serving.redis_work import RedisWork
from serving.servers import Server, Servers
from serving.store import Store

from sidecar.store.lua import script

RATE, SECONDS = 300.0, 0.5


@pytest.fixture
def store(data_dir: Path) -> Iterator[Store]:
    """Run a store of its own: the benchmark empties it."""
    with ExitStack() as stack:
        yield Store(data_dir, stack)


@pytest.fixture
def servers(data_dir: Path, store: Store) -> Iterator[Servers]:
    """Start servers, and end them."""
    directory = data_dir.with_suffix(".files")
    directory.mkdir()
    with ExitStack() as stack:
        yield Servers(directory, Processes(directory, stack), store)


def loaded(server: Server) -> tuple[int, int]:
    """Load a server in an open loop; how many were answered, and how many failed."""
    body = bodies.framed(bodies.recommend().SerializeToString())
    lines = [Line(server.address, server.method, body) for _ in range(2)]
    latencies, failed = run(lines, arrivals(RATE, SECONDS, 1))
    for line in lines:
        line.socket.close()
    return len(latencies), failed


@pytest.mark.parametrize("transport", ["grpcio", "native"])
@pytest.mark.parametrize("pings", [False, True])
def test_an_open_loop_is_answered_by_an_empty_handler(servers: Servers, transport: str, pings: bool) -> None:
    """Every request that was due has an answer, on both transports, and a real client agrees."""
    server = servers.floor_and_ping(transport) if pings else servers.floor(transport)
    server.check()

    assert loaded(server) == (len(arrivals(RATE, SECONDS, 1)), 0)
    server.probe.close()


@pytest.mark.parametrize("name", ["naive", "redis-py", "bare"])
def test_a_peer_records_each_decision_once(servers: Servers, store: Store, name: str) -> None:
    """The same script with the same arguments leaves as many decisions in the store as were asked for."""
    server = servers.naive() if name == "naive" else servers.floor_and_store("grpcio", name)
    server.check()
    answered, failed = loaded(server)

    assert failed == 0
    assert store.decisions() == answered + 1
    server.probe.close()


def test_the_sidecar_is_probed_and_counted(servers: Servers, store: Store) -> None:
    """The store, the rpc Status and the load agree, and emptying the store forgets all of it."""
    server = servers.ours("grpcio")
    server.check()
    answered, _ = loaded(server)

    assert server.probe.decisions() == store.decisions() == answered + 1
    store.empty()
    server.check()
    assert server.probe.decisions() == store.decisions() == 1
    server.probe.close()


def test_copies_of_a_decision_wait_beside_it(servers: Servers, store: Store) -> None:
    """Only what waits grows: the counters stay as they are."""
    server = servers.ours("grpcio")
    one = server.probe.recommend().decision_id
    store.copy_pending(one, 2500)

    assert store.redis.zcard("learning:1:{default/main}:route:due") == 2502  # and the one that keeps the key
    assert store.decisions() == 1
    server.probe.close()


def test_the_redis_work_is_the_sidecar_s(servers: Servers) -> None:
    """Its own script, with a fresh id wherever the id stands, and money to reserve."""
    work = RedisWork(servers.config)
    one, two = work.arguments("a" * 32), work.arguments("b" * 32)

    assert work.script == script("recommend")
    assert one != two == [argument.replace("a" * 32, "b" * 32) for argument in one]
    assert "day" in one


def test_a_line_that_the_server_closes_is_an_error(servers: Servers) -> None:
    """Not a latency."""
    server = servers.floor("grpcio")
    line = Line(server.address, server.method, b"")
    server.process.stop()

    with pytest.raises(ConnectionError):
        for _ in iter(line.receive, None):
            pass
    line.socket.close()
    server.probe.close()


def test_the_opening_says_what_a_client_must() -> None:
    """The preface first, then settings."""
    opening = http2.opening()
    buffer = bytearray(opening.removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))

    assert [one.kind for one in http2.taken(buffer)] == [http2.SETTINGS, http2.WINDOW_UPDATE]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "--quick --json"),
        (["--only", "nothing"], 2, "no such part: nothing"),
        (["--only", "open"], 2, "open needs closed"),
    ],
)
def test_the_command_explains_itself(
    arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Help and errors are for people."""
    with pytest.raises(SystemExit) as ended:
        speed.main(arguments)
    shown = capsys.readouterr()

    assert ended.value.code == status
    assert said in shown.out + shown.err
