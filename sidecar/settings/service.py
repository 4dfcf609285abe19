"""How one sidecar process runs, from `LEARNING_*` environment variables."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import fields

from sidecar.errors import InvalidSettings
from sidecar.settings.file import converted
from sidecar.settings.redis_url import target_of

PREFIX = "LEARNING_"
NATIVE_HAS_NO_TLS = "grpcio, with LEARNING_TLS_CERTIFICATE: the transport `native` has no TLS"
OF_COMMANDS = frozenset(
    f"{PREFIX}CLIENT_{name}" for name in ("TOKEN_FILE", "TLS_AUTHORITY", "TLS_CERTIFICATE", "TLS_KEY", "TLS_NAME")
)
"""Variables of the commands that call a sidecar; see docs/security.md."""

_LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|\[::1\]):\d{1,5}")
_NUMERIC = re.compile(r"(\d{1,3}(\.\d{1,3}){3}|\[[0-9A-Fa-f:.]{2,45}\]):\d{1,5}")


class ServiceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Each field is the variable `LEARNING_` and its name in capitals."""

    address: str = "127.0.0.1:50051"
    """Where gRPC listens: `127.0.0.1:PORT`, `[::1]:PORT` or `unix:/absolute/path`. Port 0 takes a free one. Any other
    address, such as `0.0.0.0:PORT`, needs TLS, and client certificates or tokens; see docs/security.md."""
    socket_mode: Annotated[str, Meta(pattern=r"^(0[0-7]{3})?$")] = ""
    """The rights of a unix socket, in octal, such as `0666`: who may connect, of those who may enter its directory.
    Empty: what the umask leaves, usually only its own user."""
    transport: Literal["grpcio", "native"] = "grpcio"
    """What speaks gRPC. `native` is experimental, needs `pip install "learning-sidecar[native]"`, and is for trusted
    callers only; docs/transport.md says why."""
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """So many processes answer calls on one port. The system spreads connections over them, not calls."""
    tls_certificate: str = ""
    """A file of PEM: the chain that gRPC proves itself with, its own certificate first. Empty: no TLS."""
    tls_key: str = ""
    """A file of PEM: the private key of that certificate."""
    tls_client_authority: str = ""
    """A file of PEM: clients need a certificate that one of these authorities has signed. Empty: they need none."""
    tokens: str = ""
    """The file of bearer tokens, YAML, TOML or JSON. Empty: whoever can connect may do everything."""
    management_address: str = "127.0.0.1:9464"
    """Where `/livez`, `/readyz`, `/startupz`, `/metrics` and the page are served, as `HOST:PORT`; `off` for nowhere."""
    config: str = ""
    """The file of domains, YAML or TOML. Empty: every domain has the defaults."""
    redis_url: str = ""
    """`redis://`, `rediss://` or `unix://`; `redis+sentinel://HOST:PORT,.../SERVICE` for whichever server Sentinels say
    is the primary, `redis+cluster://HOST:PORT,...` for a cluster; see docs/topologies.md. Empty: a private embedded
    server."""
    data_dir: str = ""
    """Where the embedded server keeps its data. Empty: `$XDG_DATA_HOME/learning-sidecar`, usually
    `~/.local/share/learning-sidecar`."""
    spool_dir: str = ""
    """Where reports wait while the store is away. Empty: `spool` in the data directory; `off`: nowhere, they are then
    answered UNAVAILABLE."""
    spool_bytes_max: Annotated[int, Meta(ge=4096, le=1 << 40)] = 64 << 20
    """The spool grows no larger; beyond it reports are answered RESOURCE_EXHAUSTED."""
    spool_keep_s: Annotated[float, Meta(ge=0, le=86_400)] = 300.0
    """What was replayed is kept so long, in case the server loses it in a failover."""
    recall_s: Annotated[float, Meta(ge=0, le=3600)] = 60.0
    """What was done in so many last seconds is sent again when another server answers. 0: nothing is."""
    key_prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}$")] = "learning"
    """Every key in the store starts with it."""
    store_timeout_ms: Annotated[float, Meta(gt=0, le=60_000)] = 1000.0
    """How long the store may take before an answer is degraded; a call's own deadline may be shorter."""
    in_flight_max: Annotated[int, Meta(ge=1, le=100_000)] = 128
    """More calls than this at once, for longer than a tenth of a second, are answered RESOURCE_EXHAUSTED: more only
    wait longer, see docs/transport.md. A burst may be eight times as large."""
    message_bytes_max: Annotated[int, Meta(ge=1024, le=1 << 30)] = 16 << 20
    """The largest message in either direction; snapshots of many arms are large."""
    shutdown_grace_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0
    """How long calls in flight may take after SIGTERM."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """At `debug`, one line a decision."""
    log_format: Literal["text", "json"] = "text"
    """`json` writes one object a line."""


def read_service_settings(environment: Mapping[str, str]) -> ServiceSettings:
    """Settings from `LEARNING_*` variables.

    Raises:
        InvalidSettings: names the variable.
    """
    values = {
        field.name: environment[PREFIX + field.name.upper()]
        for field in fields(ServiceSettings)
        if PREFIX + field.name.upper() in environment
    }
    try:
        settings = converted(values, ServiceSettings, path="", strict=False)
    except InvalidSettings as error:
        raise InvalidSettings(PREFIX + error.field.upper(), values.get(error.field), error.allowed) from error
    _check_tls(settings)
    _check_address(settings)
    _check_workers(settings)
    _check_redis_url(settings.redis_url)
    return settings


def is_loopback(address: str) -> bool:
    """Whether it is a TCP address that only this machine reaches.

    >>> is_loopback("127.0.0.1:50051"), is_loopback("0.0.0.0:50051")
    (True, False)
    """
    return bool(_LOOPBACK.fullmatch(address))


def _check_tls(settings: ServiceSettings) -> None:
    certificate, key, authority = settings.tls_certificate, settings.tls_key, settings.tls_client_authority
    if bool(certificate) != bool(key):
        missing, other = ("KEY", "CERTIFICATE") if certificate else ("CERTIFICATE", "KEY")
        raise InvalidSettings(f"{PREFIX}TLS_{missing}", "", f"a file that goes with {PREFIX}TLS_{other}")
    if authority and not certificate:
        allowed = f"empty, or together with {PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY"
        raise InvalidSettings(f"{PREFIX}TLS_CLIENT_AUTHORITY", authority, allowed)
    if certificate and settings.transport == "native":
        raise InvalidSettings(f"{PREFIX}TRANSPORT", "native", NATIVE_HAS_NO_TLS)


def _check_address(settings: ServiceSettings) -> None:
    address = settings.address
    if is_loopback(address) or (address.startswith("unix:/") and Path(address[5:]).is_absolute()):
        return
    allowed = "127.0.0.1:PORT, [::1]:PORT or unix:/absolute/path"
    if _NUMERIC.fullmatch(address):
        if settings.tls_certificate and (settings.tls_client_authority or settings.tokens):
            return
        allowed += (
            f"; an address that other machines reach needs {PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY, and "
            f"{PREFIX}TLS_CLIENT_AUTHORITY or {PREFIX}TOKENS, for it would be open to everybody"
        )
    raise InvalidSettings(f"{PREFIX}ADDRESS", address, allowed)


def _check_workers(settings: ServiceSettings) -> None:
    if settings.workers > 1 and settings.address.startswith("unix:"):
        allowed = "1 on a unix socket: only a TCP port can be shared by several processes"
        raise InvalidSettings(f"{PREFIX}WORKERS", settings.workers, allowed)
    if settings.workers > 1 and sys.platform != "linux":
        raise InvalidSettings(f"{PREFIX}WORKERS", settings.workers, "1: only Linux spreads connections over processes")


def _check_redis_url(url: str) -> None:
    if url:
        target_of(url)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """`LEARNING_*` variables that mean nothing here: perhaps typos, so worth a warning.

    Not an error: Kubernetes itself sets such variables for a Service whose name begins alike.
    """
    known = {PREFIX + field.name.upper() for field in fields(ServiceSettings)} | OF_COMMANDS
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
