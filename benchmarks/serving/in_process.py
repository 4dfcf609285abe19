"""Peers that decide in process: asked by a Python of their own, so that their dependencies never meet ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from serving import install
from serving.bench import Bench
from serving.errors import NoPeer

LIBRARIES = ("litellm", "vowpalwabbit", "mabwiser")
_SCRIPT = Path(__file__).with_name("in_process_peers.py")
_PATIENCE_S = 120.0


def measure(bench: Bench) -> dict[str, dict[str, Any]]:
    """Each library once; one that cannot be had is named with the reason."""
    found: dict[str, dict[str, Any]] = {}
    for library in LIBRARIES:
        bench.tell(f"in process: {library}")
        bench.store.empty()
        try:
            found[library] = _measured(bench, install.in_process_python(bench.tell), library)
        except (NoPeer, OSError, subprocess.SubprocessError) as error:
            bench.peers[library] = str(error)
    return found


def _measured(bench: Bench, python: Path, library: str) -> dict[str, Any]:
    command = [
        str(python),
        str(_SCRIPT),
        library,
        "--redis-url",
        bench.store.url,
        "--seconds",
        f"{bench.effort.seconds:g}",
    ]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False, start_new_session=True
    )
    if ran.returncode:
        raise NoPeer(ran.stderr.strip()[-300:])
    answer: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
    return answer
