"""Goal: the image holds what the sidecar runs on, and nothing else. Method: its files are laid open and looked at."""

from __future__ import annotations

import re
import stat
from importlib.metadata import distributions
from pathlib import Path

import pytest

from .conftest import IMAGE
from .engine import ROOT, Engine
from .locked import locked

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

OWN = ("var/lib/learning", "run/learning")
MEBIBYTES_MAX = 150
"""137 were measured, of which 55 are numpy with its linear algebra; a tenth more may come unnoticed."""

_TOOLS = re.compile(
    r"(ba|da|z|c|k)?sh|busybox|pip[0-9.]*|apt.*|dpkg.*|perl.*|curl|wget|nc|gcc.*|g\+\+.*|cc|ld|make|uv|hatchling"
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{32}")
_IMPORT_ALL = """
import importlib, pkgutil, ssl, sidecar, numpy, hiredis, msgspec, yaml, grpc, pygrpc_native.aio, google._upb._message
for module in pkgutil.walk_packages(sidecar.__path__, "sidecar."):
    importlib.import_module(module.name)
assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 0
"""


def entries(root: Path) -> list[Path]:
    """Every file and directory."""
    return sorted(root.rglob("*"))


def test_no_tool_is_left(root: Path) -> None:
    """There is no shell, no package manager and nothing to build or to fetch with."""
    commands = [path for path in entries(root) if "bin" in path.parts and not path.is_dir()]

    assert {path.name for path in commands} >= {"python", "learning-sidecar", "rl_snapshot"}
    assert not [path for path in commands if _TOOLS.fullmatch(path.name)]


def test_python_packages_are_the_locked_ones(root: Path) -> None:
    """What is installed is what requirements.txt names for this Python, and the sidecar."""
    (site_packages,) = root.glob("opt/venv/lib/python3.*/site-packages")
    python = site_packages.parent.name.removeprefix("python")
    installed = {one.name.lower().replace("_", "-"): one.version for one in distributions(path=[str(site_packages)])}

    del installed["learning-sidecar"]
    installed.pop("async-timeout", None)  # for 3.11.0 to 3.11.2 only
    assert installed == locked("requirements.txt", f"{python}.99")


def test_everything_can_be_imported(engine: Engine, image: str) -> None:
    """Every module of the sidecar, and every library with code of its own, finds all that it needs."""
    done = engine.tried("podman", "run", "--rm", "--network=none", "--entrypoint=python", image, "-c", _IMPORT_ALL)

    assert done.returncode == 0, done.stderr


def test_files_belong_to_root_and_stay_as_they_are(root: Path) -> None:
    """The user 65532 owns two directories, both empty, and may write nowhere else but in /tmp."""
    own = {root / name for name in OWN}
    for path in entries(root):
        found = path.lstat()
        assert (found.st_uid, found.st_gid) == ((65532, 65532) if path in own else (0, 0)), path
        writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not path.is_symlink()
        assert not writable or path == root / "tmp", path
        assert not found.st_mode & (stat.S_ISUID | stat.S_ISGID), path

    assert not [path for one in own for path in one.iterdir()]


def test_no_secret_is_in_it(engine: Engine, root: Path, image: str) -> None:
    """Neither the files, nor the variables, nor the history hold a key, a token or the address of a registry."""
    config = engine.inspect("image", image)
    said = str(config["Config"]["Env"]) + str(config["History"])

    assert not re.search(r"(?i)password|secret|token|index-url|https?://", said)
    assert not [path for path in entries(root) if path.name in {"pip.conf", ".netrc", ".pypirc", ".git", ".env"}]
    files = [path for path in entries(root) if path.is_file() and not path.is_symlink()]
    assert not [path for path in files if _PRIVATE_KEY.search(path.read_bytes())]


def test_size(engine: Engine, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The image stays small."""
    mebibytes = engine.inspect("image", image)["Size"] / (1 << 20)
    with capsys.disabled():
        print(f"\n{IMAGE}: {mebibytes:.1f} MiB")  # noqa: T201 - the size is to be seen in every run

    assert mebibytes <= MEBIBYTES_MAX


def test_how_it_is_run_is_declared(engine: Engine, image: str) -> None:
    """User, signal, command, volume and health check are in the image, and no word of them goes through a shell."""
    config = engine.inspect("image", image)["Config"]

    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/opt/venv/bin/learning-sidecar"]
    assert config["Cmd"] == ["serve"]
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["Volumes"]) == {"/var/lib/learning"}
    assert engine.inspect("image", image)["Healthcheck"]["Test"] == ["CMD", "/opt/venv/bin/learning-sidecar", "health"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "learning-sidecar"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_the_page_says_what_is_set(engine: Engine, image: str) -> None:
    """docs/image.md names each variable of the image with its value."""
    page = (ROOT / "docs" / "image.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([A-Z_]+=\S+)` \|", page, flags=re.MULTILINE))

    assert set(engine.inspect("image", image)["Config"]["Env"]) == named


def test_scanners_find_debian_packages(root: Path) -> None:
    """Where a scanner looks for them stand the packages whose libraries are here, and no others."""
    listed = {path.name: path.read_text() for path in (root / "var/lib/dpkg/status.d").iterdir()}

    assert {"libc6", "libssl3", "libstdc++6"} <= set(listed)
    assert not {"dpkg", "bash", "python3-pip"} & set(listed)
    assert all(f"Package: {name}\n" in text and "\nVersion: " in text for name, text in listed.items())


def test_the_build_sees_nothing_but_what_it_needs(engine: Engine, tmp_path: Path) -> None:
    """Of the working tree, with all that lies about in it, only the named files reach the builder."""
    (tmp_path / "Containerfile").write_text("FROM scratch\nCOPY . /\n")
    engine("buildah", "bud", "--isolation", "chroot", "-t", "localhost/context", "-f", str(tmp_path / "Containerfile"))
    made = engine("buildah", "from", "localhost/context")
    top = Path(engine("buildah", "mount", made))
    seen = {str(path.relative_to(top)) for path in entries(top) if path.is_file()}
    engine("buildah", "rm", made)
    engine("buildah", "rmi", "localhost/context")

    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "sidecar").rglob("*") if "__pycache__" not in path.parts}
    image = {f"deploy/image/{name}" for name in ("gather.py", "requirements.txt", "build-requirements.txt")}
    assert seen <= sources | image | {"pyproject.toml", "README.md", "LICENSE"}
    assert "sidecar/__main__.py" in seen
