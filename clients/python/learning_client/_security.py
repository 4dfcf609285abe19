"""How the client and the sidecar know each other: certificates, and a token."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Speaks TLS with the sidecar. All three are paths of PEM files, read when the client is made."""

    ca: str | PathLike[str] | None = None
    """The authority that signed the sidecar's certificate. None: those that gRPC trusts by itself."""
    cert: str | PathLike[str] | None = None
    """The client's own certificate chain, for a sidecar that asks for one (mTLS)."""
    key: str | PathLike[str] | None = None
    """The private key of `cert`."""

    def __post_init__(self) -> None:
        """Refuse half of a pair: gRPC would leave it out and then be turned away by the sidecar."""
        if (self.cert is None) is not (self.key is None):
            message = "cert and key belong together: give both, or neither"
            raise ValueError(message)

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files.

        Raises:
            OSError: One cannot be read.
        """
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.cert))


def _read(path: str | PathLike[str] | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


def bearer(token: object) -> tuple[str, str]:
    """Return the metadata that carries a token.

    Raises:
        TypeError: It is not a string.
        ValueError: It is empty, or has characters that metadata cannot carry; they are not repeated here.
    """
    if not isinstance(token, str):
        message = f"token must be a string, not {type(token).__name__}"
        raise TypeError(message)
    if not (token and token.isascii() and token.isprintable() and " " not in token):
        message = "token must have printable ASCII characters without spaces; is there a line break at its end?"
        raise ValueError(message)
    return ("authorization", f"Bearer {token}")
