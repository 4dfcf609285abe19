"""How commands reach a running sidecar, over TLS and with a token where it asks for them."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from sidecar.errors import InvalidInput, SidecarError
from sidecar.settings.service import ServiceSettings
from sidecar.v1.learning_pb2_grpc import LearningStub

MESSAGE_BYTES_MAX = 64 << 20

_OPTIONS = {
    "token_file": ("FILE", "holds the token that it asks for"),
    "tls_authority": ("FILE", "PEM of the authority that signed its certificate; TLS is spoken if this is given"),
    "tls_certificate": ("FILE", "PEM of the certificate that it asks of its clients"),
    "tls_key": ("FILE", "PEM of the private key of that"),
    "tls_name": ("NAME", "the name in its certificate, if it is not the host of the address"),
}


class CallFailed(SidecarError):
    """A running sidecar answered a command's call with an error."""

    reason = "CALL_FAILED"


class Reach(NamedTuple):
    """Where a sidecar listens, and the files with what it asks for; empty: nothing of the kind."""

    address: str
    token_file: str = ""
    tls_authority: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    tls_name: str = ""


def reach_from_environment(address: str) -> Reach:
    """The sidecar at an address, with what LEARNING_CLIENT_* say that it asks for."""
    return Reach(address, **{name: os.environ.get(_variable(name), "") for name in _OPTIONS})


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options that `reach_of` reads; what is not given comes from LEARNING_ADDRESS and LEARNING_CLIENT_*."""
    usual = reach_from_environment(os.environ.get("LEARNING_ADDRESS") or ServiceSettings().address)
    command.add_argument("--address", default=usual.address, help="where the sidecar listens (default %(default)s)")
    for name, (metavar, text) in _OPTIONS.items():
        option, whole = f"--{name.replace('_', '-')}", f"{text} (variable {_variable(name)})"
        command.add_argument(option, metavar=metavar, default=getattr(usual, name), help=whole)


def reach_of(asked: argparse.Namespace) -> Reach:
    """What the options say."""
    return Reach(**{name: getattr(asked, name) for name in Reach._fields})


@asynccontextmanager
async def reaching(reach: Reach) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a sidecar.

    Raises:
        InvalidInput: one of the files cannot be read.
    """
    options: list[tuple[str, Any]] = [
        (f"grpc.max_{way}_message_length", MESSAGE_BYTES_MAX) for way in ("receive", "send")
    ]
    if not reach.tls_authority:
        async with grpc.aio.insecure_channel(reach.address, options=options) as channel:
            yield channel
        return
    if reach.tls_name:
        options.append(("grpc.ssl_target_name_override", reach.tls_name))
    credentials = grpc.ssl_channel_credentials(
        _content("--tls-authority", reach.tls_authority),
        _content("--tls-key", reach.tls_key) if reach.tls_key else None,
        _content("--tls-certificate", reach.tls_certificate) if reach.tls_certificate else None,
    )
    async with grpc.aio.secure_channel(reach.address, credentials, options=options) as channel:
        yield channel


@asynccontextmanager
async def calling(reach: Reach) -> AsyncIterator[Any]:
    """A stub of the service; errors of calls become CallFailed with the server's sentence.

    Raises:
        InvalidInput: one of the files cannot be read.
        CallFailed: a call was answered with an error.
    """
    token = _content("--token-file", reach.token_file).decode(errors="replace").strip() if reach.token_file else ""
    async with reaching(reach) as channel:
        stub: Any = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        try:
            yield _WithToken(stub, token) if token else stub
        except grpc.aio.AioRpcError as error:
            raise CallFailed(f"{reach.address} answered {error.code().name}: {error.details()}") from error


class _WithToken:
    """A stub whose every call carries a token. gRPC's own call credentials would be refused without TLS.

    Args:
        stub: of the service.
        token: the secret.
    """

    def __init__(self, stub: Any, token: str) -> None:  # noqa: ANN401 - generated without types
        """Keep both."""
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {token}"),)

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 - a call of any method
        """The method's call, with the token."""
        call = getattr(self._stub, method)
        return lambda request, **options: call(request, metadata=self._metadata, **options)


def _variable(name: str) -> str:
    return f"LEARNING_CLIENT_{name.upper()}"


def _content(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(option, path, f"a readable file ({error.strerror})") from error
