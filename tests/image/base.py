"""A base with Python, made of Debian packages: the tests reach no registry of images."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from .engine import Engine

_SUITE = "bookworm"
_MADE = (
    "mmdebstrap",
    "--variant=essential",
    "--include=python3,python3-venv,python3-pip,ca-certificates,libstdc++6",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "info", "locale")),
    _SUITE,
)
BASE = f"localhost/base-python:3.11-{hashlib.sha256(' '.join(_MADE).encode()).hexdigest()[:8]}"
"""Another name when it is made in another way, so that what was made before does not count."""


def make_base(engine: Engine) -> None:
    """Make the base, unless it is there; it takes a minute or so."""
    if engine.has(BASE):
        return
    with TemporaryDirectory(prefix="base-", dir=engine.directory) as context:
        engine(*_MADE, str(Path(context, "base.tar")))
        Path(context, "Containerfile").write_text("FROM scratch\nADD base.tar /\n")
        engine("buildah", "bud", "--isolation", "chroot", "-t", BASE, context)
