"""Goal: what the image is made of is written down whole, for every machine. Method: the files are read and resolved."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from .engine import ROOT
from .locked import DIRECTORY, locked, requirements

pytestmark = [pytest.mark.image, pytest.mark.timeout(600)]

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")


@pytest.mark.parametrize("python", PYTHONS)
def test_locked_versions_fit_what_is_declared(python: str) -> None:
    """Each requirement of pyproject.toml is met by one exact version; if not, run deploy/image/lock.py."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = declared["project"]
    run_time = [*project["dependencies"], *project["optional-dependencies"]["native"]]
    for name, wanted in {"requirements": run_time, "build-requirements": declared["build-system"]["requires"]}.items():
        versions = locked(f"{name}.txt", f"{python}.5")
        for one in map(Requirement, wanted):
            assert one.specifier.contains(versions[one.name.lower()]), one


@pytest.mark.parametrize("name", ["requirements.txt", "build-requirements.txt"])
def test_every_version_is_exact_and_has_hashes(name: str) -> None:
    """No line lets an installer choose, and none names where a package comes from."""
    text = (DIRECTORY / name).read_text(encoding="utf-8")
    stated = re.findall(r"^([a-z0-9-]+==\S+).*?((?: \\\n +--hash=sha256:[0-9a-f]{64})+)$", text, flags=re.MULTILINE)

    assert len(stated) == len(requirements(name)) > 0
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links", text)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_machine_has_wheels(python: str, machine: str, tmp_path: Path) -> None:
    """For each Python and machine there is a wheel with a hash that is written down, of every package."""
    done = subprocess.run(
        [
            sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--target", str(tmp_path / "none"),
            "--python-version", python, "--python-platform", f"{machine}-manylinux_2_28",
            "--require-hashes", "--only-binary", ":all:", "-r", str(DIRECTORY / "requirements.txt"),
        ],
        check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    for name, version in locked("requirements.txt", f"{python}.5").items():
        assert f"+ {name}=={version}" in done.stderr


def test_the_dockerfile_is_clean() -> None:
    """The linter finds nothing, and nothing is hidden from it."""
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert "hadolint ignore" not in (ROOT / "Dockerfile").read_text(encoding="utf-8")
