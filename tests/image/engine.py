"""buildah and podman with a storage of their own, so that nothing of the machine's own containers is touched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "buildah": "buildah",
    "podman": "podman",
    "mmdebstrap": "mmdebstrap",
    "runc": "runc",
    "catatonit": "catatonit",
    "newuidmap": "uidmap",
}
"""Commands, and the Debian packages that have them."""

_CONTAINERS_CONF = """
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{run}/libpod"
"""

_STORAGE_CONF = """
[storage]
driver = "{driver}"
graphroot = "{graph}"
runroot = "{run}/containers"
"""


def require_tools() -> None:
    """Fail, with the line that mends it, unless every tool is there and may be used.

    Raises:
        AssertionError: says what to do.
    """
    assert os.geteuid() == 0, "tests of the image unpack file systems and run containers, which needs root"
    missing = sorted(package for command, package in PACKAGES.items() if shutil.which(command) is None)
    assert not missing, f"apt-get install -y --no-install-recommends {' '.join(missing)}"


class Engine:
    """Builds and runs images.

    Args:
        directory: where images are kept.
    """

    def __init__(self, directory: Path) -> None:
        """Write the configuration; overlays where the kernel and the file system have them, copies elsewhere."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        run = Path("/run") / f"learning-image-{hashlib.sha256(str(directory).encode()).hexdigest()[:8]}"
        self._environment = os.environ | {
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
        }
        (directory / "containers.conf").write_text(_CONTAINERS_CONF.format(run=run))
        for driver in ("overlay", "vfs"):
            text = _STORAGE_CONF.format(driver=driver, graph=directory / driver, run=run / driver)
            (directory / "storage.conf").write_text(text)
            if not self.tried("buildah", "info").returncode:
                break

    def tried(self, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """What a command came to, whether or not it went well."""
        variables = self._environment | dict(environment or {})
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=variables)

    def __call__(self, *command: str) -> str:
        """What a command printed; it has to go well."""
        done = self.tried(*command)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def has(self, image: str) -> bool:
        """Whether an image is there."""
        return not self.tried("podman", "image", "exists", image).returncode

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        """What is known of an image or a container."""
        found: dict[str, Any] = json.loads(self("podman", kind, "inspect", name))[0]
        return found
