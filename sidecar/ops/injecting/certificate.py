"""The certificate that the API server trusts: read from files, tried first, and taken up again when they change."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.errors import InvalidSettings
from sidecar.settings.reloading import Reloading


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its key, ready for connections, and when it ends; the same files make an equal pair."""

    content: tuple[bytes, bytes]
    context: ssl.SSLContext = field(compare=False)
    ends_unix_s: int


class Certificate:
    """What the webhook proves itself with.

    Args:
        certificate: a file of PEM, the own certificate first.
        key: a file of PEM.

    Raises:
        InvalidSettings: they cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read them a first time."""
        files = (certificate, key)
        self._reloading = Reloading("the certificate of the injector", lambda: _read(certificate, key), lambda _: files)
        self.context = self._reloading.value.context
        """For every connection that is still to come: each gets what was read last."""
        self.context.sni_callback = self._latest

    @property
    def ends_unix_s(self) -> int:
        """When it ends, in seconds since the Unix epoch."""
        return self._reloading.value.ends_unix_s

    @property
    def refresh(self) -> Callable[[], bool]:
        """Read the files again if they have changed; whether they had. What is not usable changes nothing."""
        return self._reloading.refresh

    def _latest(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _first: ssl.SSLContext) -> None:
        connection.context = self._reloading.value.context


def _read(certificate: Path, key: Path) -> Pair:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        content = certificate.read_bytes(), key.read_bytes()
        context.load_cert_chain(certificate, key, password="")  # an encrypted key shall not ask a person
        return Pair(content, context, _ends(context, certificate))
    except (OSError, ValueError) as error:  # ssl's errors are OSErrors
        allowed = "a certificate that is in force, in PEM, and its key"
        raise InvalidSettings(f"{certificate}, {key}", str(error), allowed) from error


def _ends(serving: ssl.SSLContext, certificate: Path) -> int:
    """Shake hands with it in memory, as the API server will: a client that trusts this certificate, and no other."""
    trusting = ssl.create_default_context(cadata=certificate.read_text(encoding="ascii"))
    trusting.check_hostname = False
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(down, up)
    server = serving.wrap_bio(up, down, server_side=True)
    for one in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            one.do_handshake()
    found = client.getpeercert() or {}
    return ssl.cert_time_to_seconds(str(found["notAfter"]))
