"""What the spool asks of the file system, in one place: tests let each of these fail."""

from __future__ import annotations

import os
from pathlib import Path

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


class Disk:
    """The machine's own. Every method raises OSError when it fails."""

    def create(self, path: Path) -> int:
        """Make a file that is not there yet, in its directory for good, and open it to append."""
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, _FILE_MODE)
        try:
            self.sync_directory(path.parent)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        return file

    def write(self, file: int, data: bytes) -> None:
        """Write all of it; on an error any part of it may be there."""
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]

    def sync(self, file: int) -> None:
        """Return when what was written is durable."""
        os.fdatasync(file)

    def truncate(self, file: int, size: int) -> None:
        """Cut a file back, for good."""
        os.ftruncate(file, size)
        os.fsync(file)

    def replace(self, path: Path, data: bytes) -> None:
        """Exchange what a file holds: whoever opens it, now or after a crash, finds the old or the new."""
        beside = path.with_name(path.name + ".tmp")
        file = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, _FILE_MODE)
        try:
            self.write(file, data)
            os.fsync(file)
        finally:
            os.close(file)
        beside.rename(path)
        self.sync_directory(path.parent)

    def make_directory(self, path: Path) -> None:
        """Make a directory and those above it, for good."""
        if path.is_dir():
            return
        self.make_directory(path.parent)
        path.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        self.sync_directory(path.parent)

    def sync_directory(self, path: Path) -> None:
        """Return when what a directory lists is durable."""
        file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
