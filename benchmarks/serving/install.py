"""Peers that are installed once, into `.bench/`: envoyproxy/ratelimit by Go, and those that run in process by pip."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from serving.errors import NoPeer

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".bench"
RATELIMIT_MODULE = "github.com/envoyproxy/ratelimit"
RATELIMIT_VERSION = "v1.4.1-0.20260122083618-3fb702589d36"
_INSTALL_S = 900.0

Tell = Callable[[str], None]


def ratelimit(tell: Tell) -> Path:
    """The binary of envoyproxy/ratelimit.

    Raises:
        NoPeer: it cannot be built here.
    """
    directory = HOME / f"ratelimit-{RATELIMIT_VERSION}"
    binary = directory / "service_cmd"
    if not binary.exists():
        go = shutil.which("go")
        if go is None:
            raise NoPeer("Go is not installed: `apt-get install golang`, or from go.dev")
        tell("building envoyproxy/ratelimit, once")
        module = f"{RATELIMIT_MODULE}/src/service_cmd@{RATELIMIT_VERSION}"
        _done([go, "install", module], {"GOBIN": str(directory)})
    return binary


def in_process_python(tell: Tell) -> Path:
    """A Python with the dependency group `bench`, apart from ours so that nothing of it changes what is measured.

    Raises:
        NoPeer: it cannot be installed here.
    """
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    group = tomllib.loads(pyproject)["dependency-groups"]["bench"]
    directory = HOME / f"peers-{hashlib.blake2b(repr((group, sys.version)).encode(), digest_size=6).hexdigest()}"
    python, complete = directory / "bin" / "python", directory / "complete"
    if not complete.exists():
        tell("installing LiteLLM, Vowpal Wabbit and MABWiser, once")
        _done([sys.executable, "-m", "venv", "--clear", str(directory)])
        _done([str(python), "-m", "pip", "install", "--quiet", "--no-compile", *group])
        complete.touch()
    return python


def _done(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    ran = subprocess.run(
        command, env=os.environ | (environment or {}), capture_output=True, text=True, timeout=_INSTALL_S, check=False
    )
    if ran.returncode:
        raise NoPeer(f"`{' '.join(command)}` failed: {ran.stderr.strip()[-400:]}")
