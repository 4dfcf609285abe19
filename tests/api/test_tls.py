"""Goal: with TLS only whom it is meant for gets through, and certificates change without a restart.

Method: real sidecars, certificates made by openssl, real handshakes.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidecar.api.transports import transport_of
from sidecar.errors import InvalidSettings
from sidecar.settings.service import ServiceSettings, read_service_settings
from sidecar.telemetry.metrics import Metrics
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub
from tests.conftest import Sidecars
from tests.ops.test_openssl import libraries
from tests.store.servers import certificates

from .bare import PATH, echo, register
from .callers import entry, written

WAIT_S = 30.0
ASK = pb.RecommendRequest(domain="route", candidates=[pb.Candidate(arm="a"), pb.Candidate(arm="b")])
TLS = {"tls_certificate": "/c", "tls_key": "/k"}


@pytest.fixture(scope="module")
def transport() -> str:
    """Name the only transport with TLS."""
    return "grpcio"


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    """Make an authority, and certificates of localhost, of another host and of a client."""
    directory = tmp_path / "pki"
    certificates(directory)
    return directory


def variables(pki: Path, *, clients: bool = False) -> dict[str, str]:
    """Make a sidecar's environment for TLS, or for mTLS."""
    made = {"LEARNING_TLS_CERTIFICATE": str(pki / "localhost.pem"), "LEARNING_TLS_KEY": str(pki / "localhost.key")}
    return made | ({"LEARNING_TLS_CLIENT_AUTHORITY": str(pki / "ca.pem")} if clients else {})


def trusting(authority: Path, client: Path | None = None) -> grpc.ChannelCredentials:
    """Make what a client has: the authority that it trusts, and a certificate of its own."""
    pair = (client.with_suffix(".key").read_bytes(), client.read_bytes()) if client else (None, None)
    return grpc.ssl_channel_credentials(authority.read_bytes(), *pair)


async def tried(address: str, authority: Path, name: str = "localhost", client: Path | None = None) -> str:
    """How a call over a new connection ends: OK, or the status."""
    credentials = trusting(authority, client)
    options = [("grpc.ssl_target_name_override", name), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
        try:
            await LearningStub(channel).Recommend(ASK, timeout=30)  # type: ignore[no-untyped-call]  # generated
        except grpc.aio.AioRpcError as error:
            return error.code().name
    return "OK"


async def awaited(address: str, authority: Path, name: str, ended: str = "OK") -> None:
    """Connect anew until it ends so."""
    deadline = time.monotonic() + WAIT_S
    while await tried(address, authority, name) != ended:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


async def logged(one: Any, text: str) -> None:
    """Wait for a line in a sidecar's log."""
    deadline = time.monotonic() + WAIT_S
    while text not in one.log:
        assert time.monotonic() < deadline, one.log
        await asyncio.sleep(0.1)


async def test_tls(sidecars: Sidecars, pki: Path, tmp_path: Path) -> None:
    """Clients that trust its authority and name get through, those that do not or speak in clear do not."""
    one = sidecars(environment=variables(pki))
    certificates(tmp_path / "elsewhere")

    assert await tried(one.address, pki / "ca.pem") == "OK"
    assert await tried(one.address, pki / "ca.pem", name="other.example") == "UNAVAILABLE"
    assert await tried(one.address, tmp_path / "elsewhere" / "ca.pem") == "UNAVAILABLE"
    async with grpc.aio.insecure_channel(one.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await LearningStub(channel).Recommend(ASK, timeout=30)  # type: ignore[no-untyped-call]  # generated
    assert "libssl" not in libraries(one.process.pid)  # gRPC brings its own


async def test_mtls(sidecars: Sidecars, pki: Path, tmp_path: Path) -> None:
    """Only clients with a certificate of the authority get through."""
    one = sidecars(environment=variables(pki, clients=True))
    certificates(tmp_path / "elsewhere")

    assert await tried(one.address, pki / "ca.pem", client=pki / "client.pem") == "OK"
    assert await tried(one.address, pki / "ca.pem") == "UNAVAILABLE"
    assert await tried(one.address, pki / "ca.pem", client=tmp_path / "elsewhere" / "client.pem") == "UNAVAILABLE"


async def test_tls_on_a_socket(sidecars: Sidecars, pki: Path, data_dir: Path) -> None:
    """A socket may have it, too."""
    one = sidecars(environment=variables(pki), arguments=("--address", f"unix:{data_dir}/s"))
    assert await tried(one.address, pki / "ca.pem") == "OK"


async def test_certificates_change_without_a_restart(sidecars: Sidecars, pki: Path) -> None:
    """New connections get the new one; calls on old connections go on; what does not fit changes nothing, said once."""
    one = sidecars(environment=variables(pki))
    ca, pem, key = pki / "ca.pem", pki / "localhost.pem", pki / "localhost.key"
    good = pem.read_bytes(), key.read_bytes()
    credentials = grpc.ssl_channel_credentials(ca.read_bytes())
    options = [("grpc.ssl_target_name_override", "localhost")]
    async with grpc.aio.secure_channel(one.address, credentials, options=options) as channel:
        stub: Any = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        await stub.Recommend(ASK, timeout=30)

        pem.write_bytes((pki / "other.pem").read_bytes())  # the key is still that of localhost
        await logged(one, "stays in force")
        assert await tried(one.address, ca, "localhost") == "OK"
        key.unlink()
        await logged(one, "a readable file")
        key.write_bytes((pki / "other.key").read_bytes())
        await awaited(one.address, ca, "other.example")
        assert await tried(one.address, ca, "localhost") == "UNAVAILABLE"
        await stub.Recommend(ASK, timeout=30)

        pem.write_bytes(b"-----BEGIN nonsense")
        await logged(one, "fits the key")
        await asyncio.sleep(3)  # it is looked at three times more
        assert await tried(one.address, ca, "other.example") == "OK"
        pem.write_bytes(good[0])
        key.write_bytes(good[1])
        await awaited(one.address, ca, "localhost")
    said = [line.partition("stays in force: ")[2] for line in one.log.splitlines() if "stays in force" in line]
    assert all(before != after for before, after in pairwise(said)), said
    assert len(said) <= 5, said


async def test_another_authority_of_clients_is_taken_up(sidecars: Sidecars, pki: Path, tmp_path: Path) -> None:
    """Who was signed by the old one is let in no longer."""
    one = sidecars(environment=variables(pki, clients=True))
    certificates(tmp_path / "new")
    server = (pki / "ca.pem").read_bytes()
    trusted = tmp_path / "server.pem"
    trusted.write_bytes(server)
    assert await tried(one.address, trusted, client=pki / "client.pem") == "OK"
    (pki / "ca.pem").write_bytes((tmp_path / "new" / "ca.pem").read_bytes())
    deadline = time.monotonic() + WAIT_S
    while await tried(one.address, trusted, client=tmp_path / "new" / "client.pem") != "OK":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
    assert await tried(one.address, trusted, client=pki / "client.pem") == "UNAVAILABLE"


@pytest.mark.parametrize(
    ("files", "variable"),
    [
        ({"localhost.key": "other.key"}, "LEARNING_TLS_CERTIFICATE"),
        ({"localhost.pem": ""}, "LEARNING_TLS_CERTIFICATE"),
        ({"localhost.key": ""}, "LEARNING_TLS_KEY"),
        ({"localhost.key": "localhost.pem"}, "LEARNING_TLS_CERTIFICATE"),
        ({"ca.pem": "ca.key"}, "LEARNING_TLS_CLIENT_AUTHORITY"),
        ({"ca.pem": ""}, "LEARNING_TLS_CLIENT_AUTHORITY"),
    ],
)
async def test_what_cannot_be_used_is_refused_at_the_start(pki: Path, files: dict[str, str], variable: str) -> None:
    """By the variable; the content is not shown."""
    for name, content in files.items():
        (pki / name).write_bytes((pki / content).read_bytes() if content else b"")
    settings = read_service_settings(variables(pki, clients=True) | {"LEARNING_ADDRESS": "127.0.0.1:0"})
    with pytest.raises(InvalidSettings) as refused:
        transport_of(settings, Metrics(()))
    assert refused.value.field == variable
    assert "BEGIN" not in str(refused.value)


async def test_a_missing_file_is_refused_at_the_start(pki: Path) -> None:
    """The command ends with code 2 and a sentence."""
    environment = {**os.environ, **variables(pki), "LEARNING_TLS_KEY": str(pki / "nowhere")}
    command = [sys.executable, "-m", "sidecar", "serve", "--address", "127.0.0.1:0", "--management-address", "off"]
    environment["LEARNING_REDIS_URL"] = "redis://127.0.0.1:1"
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "LEARNING_TLS_KEY" in done.stderr
    assert "Traceback" not in done.stderr


async def test_looking_at_a_pair_leaves_nothing_open(pki: Path) -> None:
    """The server that gRPC is asked with does not stay."""
    settings = read_service_settings(variables(pki) | {"LEARNING_ADDRESS": "127.0.0.1:0"})
    transport = transport_of(settings, Metrics(()))
    register(transport.server, echo)
    port = transport.bind()
    await transport.start()
    deadline = time.monotonic() + WAIT_S
    while listening() - {port}:
        assert time.monotonic() < deadline, listening()
        await asyncio.sleep(0.05)
    credentials = grpc.ssl_channel_credentials((pki / "ca.pem").read_bytes())
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        assert await channel.unary_unary(PATH)(b"x", timeout=30) == b"x"
    await transport.stop(0)


def listening() -> set[int]:
    """Find the TCP ports that this process listens on."""
    inodes = set()
    for one in Path("/proc/self/fd").iterdir():
        try:
            inodes.add(str(one.readlink()).removeprefix("socket:[").rstrip("]"))
        except FileNotFoundError:
            continue
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and columns[9] in inodes:
                found.add(int(columns[1].rpartition(":")[2], 16))
    return found


def test_native_has_no_tls() -> None:
    """Whether the settings come from the environment or not."""
    environment = {"LEARNING_TRANSPORT": "native", "LEARNING_TLS_CERTIFICATE": "/c", "LEARNING_TLS_KEY": "/k"}
    with pytest.raises(InvalidSettings, match=r"LEARNING_TRANSPORT: got 'native'.*no TLS"):
        read_service_settings(environment)
    with pytest.raises(InvalidSettings, match="no TLS"):
        transport_of(ServiceSettings(transport="native", **TLS), Metrics(()))


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({"CERTIFICATE": "/c"}, "KEY"),
        ({"KEY": "/k"}, "CERTIFICATE"),
        ({"CLIENT_AUTHORITY": "/a"}, "CLIENT_AUTHORITY"),
    ],
)
def test_what_belongs_together_is_given_together(environment: dict[str, str], variable: str) -> None:
    """A certificate with its key, an authority with both."""
    with pytest.raises(InvalidSettings) as refused:
        read_service_settings({f"LEARNING_TLS_{name}": value for name, value in environment.items()})
    assert refused.value.field == f"LEARNING_TLS_{variable}"


OPEN = ("0.0.0.0:50051", "[::]:50051", "10.1.2.3:50051", "128.0.0.1:50051")
FULL = {"LEARNING_TLS_CERTIFICATE": "/c", "LEARNING_TLS_KEY": "/k"}


@pytest.mark.parametrize("address", OPEN)
@pytest.mark.parametrize("given", [{}, FULL, {"LEARNING_TOKENS": "/t"}])
def test_other_addresses_are_refused(address: str, given: dict[str, str]) -> None:
    """Without anything, with TLS alone, with tokens alone; it says what to do."""
    with pytest.raises(InvalidSettings) as refused:
        read_service_settings({"LEARNING_ADDRESS": address, **given})
    assert refused.value.field == "LEARNING_ADDRESS"
    for variable in (
        "LEARNING_TLS_CERTIFICATE",
        "LEARNING_TLS_KEY",
        "LEARNING_TLS_CLIENT_AUTHORITY",
        "LEARNING_TOKENS",
    ):
        assert variable in refused.value.allowed


@pytest.mark.parametrize("address", OPEN)
@pytest.mark.parametrize("more", [{"LEARNING_TOKENS": "/t"}, {"LEARNING_TLS_CLIENT_AUTHORITY": "/a"}])
def test_other_addresses_are_allowed_with_both(address: str, more: dict[str, str]) -> None:
    """TLS, and something that tells who calls."""
    assert read_service_settings({"LEARNING_ADDRESS": address, **FULL, **more}).address == address


@pytest.mark.parametrize(
    "address", ["localhost:1", "0:1", "unix:x", "unix-abstract:x", "dns:///a:1", ":1", "a b:1", ""]
)
def test_names_are_no_addresses(address: str) -> None:
    """What a name resolves to is not for us to know, so it is refused with TLS, too."""
    with pytest.raises(InvalidSettings):
        read_service_settings({"LEARNING_ADDRESS": address, **FULL, "LEARNING_TOKENS": "/t"})


async def test_a_sidecar_for_other_machines(sidecars: Sidecars, pki: Path, tmp_path: Path) -> None:
    """On every address, over TLS, with a token; and the commands reach it by their options and variables."""
    key = "k" * 32
    tokens = written(tmp_path / "t.json", entry("operator", key, "read", "admin"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    one = sidecars(
        environment={**variables(pki, clients=True), "LEARNING_TOKENS": str(tokens)},
        arguments=("--address", f"0.0.0.0:{port}"),
    )
    assert one.address == f"0.0.0.0:{port}"
    token = tmp_path / "token"
    token.write_text(f"{key}\n")
    given = {
        "token-file": token, "tls-authority": pki / "ca.pem", "tls-certificate": pki / "client.pem",
        "tls-key": pki / "client.key", "tls-name": "localhost",
    }  # fmt: skip
    options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    of_clients = {f"LEARNING_CLIENT_{name.upper().replace('-', '_')}": str(value) for name, value in given.items()}
    address = ("--address", f"127.0.0.1:{port}")
    for command in (("sidecar", "status"), ("sidecar", "health"), ("sidecar.ops.rl_snapshot", "dump")):
        by_options = await ran(*command, *address, *options)
        by_variables = await ran(*command, *address, environment=of_clients)
        without = await ran(*command, *address)
        assert (by_options.returncode, by_variables.returncode) == (0, 0), by_options.stderr + by_variables.stderr
        assert without.returncode in (1, 2)
        assert key not in by_options.stdout + by_options.stderr + without.stderr


async def ran(*command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end."""
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", *command], env={**os.environ, **(environment or {})},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
