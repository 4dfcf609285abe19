"""The image, built once for all tests of it, and containers that are gone afterwards."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

import pytest

from .base import BASE, make_base
from .engine import ROOT, Engine, require_tools

IMAGE = "localhost/learning-sidecar:test"
HARDENED = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges")
"""A read-only root without any room beside the volumes, as a restricted pod has it."""

_LISTENS = re.compile(r"listens on ([^\s\"]+)")
_START_S = 30.0


@dataclass(slots=True)
class Container:
    """A sidecar in a container: where it listens, seen from here."""

    engine: Engine
    image: str
    name: str
    run_dir: Path
    address: str = ""

    @property
    def log(self) -> str:
        """Everything that it wrote so far."""
        done = self.engine.tried("podman", "logs", self.name)
        return done.stdout + done.stderr

    @property
    def state(self) -> dict[str, Any]:
        """Whether it runs, its process and its exit code."""
        found: dict[str, Any] = self.engine.inspect("container", self.name)["State"]
        return found

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        return int(self.engine("podman", "wait", self.name))

    def await_listening(self) -> None:
        """Wait until it listens."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self.state["Running"]:
            found = _LISTENS.search(self.log)
            if found:
                self.address = found.group(1).replace("/run/learning", str(self.run_dir))
                return
            time.sleep(0.05)
        pytest.fail(f"the sidecar did not come up:\n{self.log}")


class Containers(Protocol):
    """Runs the image, hardened."""

    def __call__(self, *options: str) -> Container:
        """Run it with further options of `podman run`, and wait until it listens."""


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Keep images below .venv, where a second run finds them and git does not; nothing else stays."""
    require_tools()
    one = Engine(ROOT / ".venv" / ".image")
    yield one
    one("podman", "pod", "rm", "--all", "--force")
    one("podman", "rm", "--all", "--force", "--time=0")
    one("buildah", "rm", "--all")


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """Build the image as docs/image.md says, on a base made here."""
    make_base(engine)
    engine(
        "buildah", "bud", "--isolation", "chroot", "--format", "docker", "--layers",
        "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro", "--build-arg", f"BASE={BASE}", "-t", IMAGE, ".",
    )  # fmt: skip
    return IMAGE


@pytest.fixture(scope="session")
def root(engine: Engine, image: str) -> Iterator[Path]:
    """Lay the image's files open."""
    made = engine("buildah", "from", image)
    yield Path(engine("buildah", "mount", made))
    engine("buildah", "rm", made)


@pytest.fixture
def containers(engine: Engine, image: str) -> Iterator[Containers]:
    """Run the image as a restricted pod would, each time with a directory of its own at /run/learning."""
    made: list[Container] = []

    def run(*options: str) -> Container:
        run_dir = Path(mkdtemp(prefix="ls-", dir="/tmp"))
        shutil.chown(run_dir, 65532, 65532)
        one = Container(engine, image, f"learning-{secrets.token_hex(4)}", run_dir)
        made.append(one)
        volume = f"--volume={run_dir}:/run/learning"
        # Without systemd podman cannot time health checks; test_image_run.py runs the declared one itself.
        engine("podman", "run", "--detach", "--name", one.name, "--no-healthcheck", *HARDENED, volume, *options, image)
        one.await_listening()
        return one

    yield run
    for one in made:
        engine("podman", "rm", "--force", "--volumes", "--time=0", one.name)
        shutil.rmtree(one.run_dir)
