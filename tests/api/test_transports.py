"""Goal: a transport that cannot be used says so and why. Method: the transports themselves, and commands."""

from __future__ import annotations

import asyncio
import builtins
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidecar.api.transports import Transport, transport_of
from sidecar.api.transports.native import NativeTransport
from sidecar.errors import InvalidSettings
from sidecar.settings.service import ServiceSettings
from sidecar.telemetry.metrics import Metrics

from .bare import PATH, echo, register

FALLBACK = len("/pygrpc-native-12345678/fallback.sock")


def made(transport: str, address: str = "127.0.0.1:0") -> Transport:
    """A transport that listens nowhere yet."""
    return transport_of(ServiceSettings(address=address, transport=transport), Metrics(()))  # type: ignore[arg-type]


async def stopped(transport: Transport) -> None:
    """Stop one that has an address: one that is dropped leaves its threads behind."""
    await transport.start()
    await transport.stop(0)


async def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the variable, the value, and what to install."""
    real = builtins.__import__

    def without(name: str, *more: Any, **others: Any) -> Any:
        if name.startswith("pygrpc_native"):
            raise ImportError(name)
        return real(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InvalidSettings, match=r'LEARNING_TRANSPORT: got \'native\'.*"learning-sidecar\[native\]"'):
        made("native")


async def test_grpcio_needs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is made without the other one's package."""
    monkeypatch.setattr("sidecar.api.transports.native._imported", lambda: pytest.fail("it was imported"))
    transport = made("grpcio")
    transport.bind()
    await stopped(transport)


async def test_native_is_for_this_machine_only() -> None:
    """Also when the settings were not read from the environment."""
    with pytest.raises(InvalidSettings, match="LEARNING_ADDRESS"):
        made("native", "0.0.0.0:0").bind()


@pytest.fixture
def longest_and_longer(short_dir: Path) -> tuple[Path, Path]:
    """Make the directory with the longest name that the second server's socket allows, and one longer by a byte."""
    longest = short_dir / ("x" * (107 - FALLBACK - len(str(short_dir)) - 1))
    longer = Path(f"{longest}x")
    for one in (longest, longer):
        one.mkdir()
    return longest, longer


@pytest.fixture
def directory(data_dir: Path, mode: int) -> Path:
    """Make a directory with a mode."""
    data_dir.mkdir()
    data_dir.chmod(mode)
    return data_dir


@pytest.mark.parametrize(("mode", "good"), [(0o700, True), (0o750, False), (0o701, False), (0o777, False)])
async def test_native_sockets_lie_in_closed_directories(directory: Path, mode: int, *, good: bool) -> None:
    """Whoever may enter could call, and whoever may write could take the socket's place."""
    transport = made("native", f"unix:{directory}/a.sock")
    if good:
        transport.bind()
        await stopped(transport)
    else:
        with pytest.raises(InvalidSettings, match=f"mode 0{mode:o}.*0700"):
            transport.bind()


async def test_a_long_temporary_directory_is_a_sentence(
    longest_and_longer: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest that works, and one byte more, which is refused before anything starts."""
    longest, longer = longest_and_longer
    monkeypatch.setattr(tempfile, "tempdir", str(longest))
    transport = NativeTransport(ServiceSettings(address="127.0.0.1:0", transport="native"), Metrics(()))
    register(transport.server, echo)
    transport.server.add_generic_rpc_handlers([_Nothing()])  # so that the second server is started
    port = transport.bind()
    await transport.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert await channel.unary_unary(PATH)(b"x") == b"x"
    await transport.stop(0)

    monkeypatch.setattr(tempfile, "tempdir", str(longer))
    with pytest.raises(InvalidSettings, match="TMPDIR"):
        made("native")


@pytest.mark.parametrize("transport", ["grpcio", "native"])
async def test_a_port_is_taken_once(transport: str) -> None:
    """By whichever transport: two would share it in silence."""
    first = made(transport)
    port = first.bind()
    for other in ("grpcio", "native"):
        with pytest.raises(InvalidSettings, match="LEARNING_ADDRESS"):
            made(other, f"127.0.0.1:{port}").bind()
    await stopped(first)


def test_native_warns_and_grpcio_does_not(sidecars: Callable[..., Any], transport: str) -> None:
    """Whoever runs it is told what it lacks."""
    log = sidecars().log
    assert ("experimental" in log) == (transport == "native")


def test_the_command_refuses_other_transports() -> None:
    """An option is one of two, and so is the variable."""
    option = [sys.executable, "-m", "sidecar", "serve", "--transport", "http3"]
    done = subprocess.run(option, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert "native" in done.stderr


async def test_unknown_methods_are_unimplemented(sidecars: Callable[..., Any]) -> None:
    """On either transport, whether the service or only its method is unknown."""
    async with grpc.aio.insecure_channel(sidecars().address) as channel:
        paths = ("/learning.v1.Learning/Forget", "/nobody.Knows/It")
        calls = [channel.unary_unary(path)(b"") for path in paths]
        answers = await asyncio.gather(*calls, return_exceptions=True)

    assert {one.code() for one in answers if isinstance(one, grpc.aio.AioRpcError)} == {grpc.StatusCode.UNIMPLEMENTED}


class _Nothing(grpc.GenericRpcHandler):
    """Serves no method."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
        """Know none."""
