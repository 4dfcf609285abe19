"""TLS of the gRPC address: certificates are read from files, and taken up again when the files change.

gRPC brings its own TLS, so that Python's is not loaded for it (docs/decisions/0010). Only gRPC can tell whether a
certificate fits its key; so it is asked, with a server that nobody knows of and that ends at once.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import grpc

from sidecar.errors import InvalidSettings
from sidecar.settings.reloading import Reloading
from sidecar.settings.service import PREFIX, ServiceSettings

_PEM_BYTES_MAX = 1 << 20


class Pems(NamedTuple):
    """The content of the files; `authority` is None where clients need no certificate."""

    certificate: bytes
    key: bytes
    authority: bytes | None


class TlsCredentials:
    """What the server proves itself with, and whose clients it takes.

    Args:
        settings: with `tls_certificate` and `tls_key`; with `tls_client_authority`, clients need a certificate of it.

    Raises:
        InvalidSettings: a file cannot be read, or gRPC cannot use what is in them.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        """Read the files."""
        self._settings = settings
        self._refused: tuple[Pems, InvalidSettings] | None = None
        paths = [settings.tls_certificate, settings.tls_key, settings.tls_client_authority]
        files = [Path(path) for path in paths if path]
        self._reloading = Reloading("the TLS certificate", self._read, lambda _: files)
        self._given = self._reloading.value

    def credentials(self) -> grpc.ServerCredentials:
        """For one server; each new connection gets what was read last."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._given),
            self._changed,  # type: ignore[arg-type]  # the stubs forget that None is allowed
            bool(self._settings.tls_client_authority),
        )

    async def refresh(self) -> None:
        """Take up files that have changed; what is not usable leaves everything as it is."""
        await asyncio.to_thread(self._reloading.refresh)

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What gRPC asks in a thread of its own at each new connection: None means what it has."""
        latest = self._reloading.value
        if latest is self._given:
            return None
        self._given = latest
        return _configuration(latest)

    def _read(self) -> Pems:
        one = self._settings
        authority = _content("tls_client_authority", one.tls_client_authority) if one.tls_client_authority else None
        pems = Pems(_content("tls_certificate", one.tls_certificate), _content("tls_key", one.tls_key), authority)
        if self._refused is not None and self._refused[0] == pems:
            raise self._refused[1]  # gRPC writes lines of its own each time that it is asked
        try:
            _try(pems, one)
        except InvalidSettings as error:
            self._refused = (pems, error)
            raise
        return pems


def _configuration(pems: Pems) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pems.key, pems.certificate)], pems.authority)


def _content(field: str, path: str) -> bytes:
    variable = f"{PREFIX}{field.upper()}"
    try:
        with Path(path).open("rb") as file:
            content = file.read(_PEM_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidSettings(variable, path, f"a readable file ({error.strerror})") from None
    if b"-----BEGIN " not in content or len(content) > _PEM_BYTES_MAX:
        raise InvalidSettings(variable, path, f"a file of PEM, of at most {_PEM_BYTES_MAX} bytes")
    return content


def _try(pems: Pems, settings: ServiceSettings) -> None:
    """Let gRPC make a server of it on a free port of this machine.

    Raises:
        InvalidSettings: it cannot; names the authority if it is that, else the certificate.
    """
    if _fits(pems):
        return
    if pems.authority is not None and _fits(pems._replace(authority=None)):
        allowed = "a file of PEM with the certificates of authorities"
        raise InvalidSettings(f"{PREFIX}TLS_CLIENT_AUTHORITY", settings.tls_client_authority, allowed)
    allowed = f"a chain of certificates in PEM, the first of which fits the key in {settings.tls_key}"
    raise InvalidSettings(f"{PREFIX}TLS_CERTIFICATE", settings.tls_certificate, allowed)


def _fits(pems: Pems) -> bool:
    server = grpc.server(ThreadPoolExecutor(1))
    tried = grpc.ssl_server_credentials([(pems.key, pems.certificate)], pems.authority, pems.authority is not None)
    try:
        server.add_secure_port("127.0.0.1:0", tried)
    except RuntimeError:
        return False
    server.start()  # only what was started gives its port back
    server.stop(None)
    return True
