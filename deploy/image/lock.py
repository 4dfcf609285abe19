"""Write down what the image is made of: exact versions, and the hash of every file that may be installed.

`python deploy/image/lock.py` keeps versions that still fit pyproject.toml, `--upgrade` takes the newest. The files hold
for every machine and Python that the image may be built for: markers say where versions differ, and hashes are listed
for all wheels of a version.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1] / "pyproject.toml"
HEADING = "# Made by deploy/image/lock.py from pyproject.toml: {what}. Do not edit.\n"


def wanted() -> dict[str, tuple[str, list[str]]]:
    """File name -> what it is, and the requirements that it has to meet."""
    declared = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    project = declared["project"]
    run_time = [*project["dependencies"], *project["optional-dependencies"]["native"]]
    return {
        "requirements.txt": ("what the sidecar runs on", run_time),
        "build-requirements.txt": ("what builds its wheel", declared["build-system"]["requires"]),
    }


def lock(requirements: list[str], file: Path, *options: str) -> str:
    """The requirements with everything that they need, as pip reads it; versions in `file` are kept if they fit."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--universal", "--python-version=3.11", "--no-header"]
    command += ["--quiet", "--generate-hashes", "--only-binary=:all:", "--no-annotate", f"--output-file={file}", "-"]
    subprocess.run([*command, *options], input="\n".join(requirements), text=True, check=True)  # noqa: S603 - our own arguments
    return file.read_text(encoding="utf-8")


def main() -> None:
    """Write both files."""
    for name, (what, requirements) in wanted().items():
        file = HERE / name
        file.write_text(HEADING.format(what=what) + lock(requirements, file, *sys.argv[1:]), encoding="utf-8")


if __name__ == "__main__":
    main()
