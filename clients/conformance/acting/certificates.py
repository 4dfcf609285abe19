"""Certificates for one run: an authority, the sidecar's and a client's, and an authority that nobody should trust."""

from __future__ import annotations

import subprocess
from pathlib import Path

from acting.errors import ConformanceError

_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
_LEAF = ("-addext", "basicConstraints=critical,CA:FALSE")


def make(directory: Path) -> None:
    """Make `ca`, `other_ca`, `server` and `client`, each as `.pem` and `.key`.

    Raises:
        ConformanceError: openssl is not there or does not do it (the options need 3.0 or later).
    """
    directory.mkdir()
    for name in ("ca", "other_ca"):
        _openssl(directory, name, "/CN=authority")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", *_LEAF)
    _openssl(directory, "server", "/CN=sidecar", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", *signed)
    _openssl(directory, "client", "/CN=app", *signed)


def _openssl(directory: Path, name: str, subject: str, *more: str) -> None:
    files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
    command = ["openssl", "req", "-x509", *_EC_KEY, *files, "-subj", subject, *more]
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    except FileNotFoundError:
        raise ConformanceError("certificates are made by openssl, which is not installed") from None
    if done.returncode:
        raise ConformanceError(f"{' '.join(command)}: {done.stderr.strip()}")
