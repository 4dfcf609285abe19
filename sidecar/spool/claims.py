"""Who uses which directory: each process of a store has one of its own, numbered, and holds a lock on it.

    <base>/<store>-0/lock   <base>/<store>-1/lock ...

The system frees a lock when its process ends, however it ends; what lies there then is anybody's to replay. `<store>`
stands for one store and one prefix of its keys, so that nobody replays reports of another one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from urllib.parse import urlsplit

from sidecar.spool.disk import Disk

_DIRECTORIES_MOST = 1024


class Claim:
    """A directory that this process alone uses until it is closed."""

    def __init__(self, directory: Path, lock: int) -> None:
        """Keep both."""
        self.directory = directory
        self._lock = lock

    def close(self) -> None:
        """Leave it to others."""
        os.close(self._lock)


def store_name(url: str, prefix: str) -> str:
    """What stands for a store: the same whatever the credentials and options in its URL.

    >>> store_name("redis://a:b@h:1/0?x=y", "p") == store_name("redis://h:1/0", "p") != store_name("redis://i:1/0", "p")
    True
    """
    parts = urlsplit(url)
    place = f"{parts.netloc.rpartition('@')[2]}{parts.path} {prefix}"
    return blake2b(place.encode(), digest_size=4).hexdigest()


def abandoned(base: Path, store: str) -> Iterator[Claim]:
    """Claim every directory of a store that holds segments and that no living process uses."""
    for path in sorted(base.glob(f"{store}-*")):
        if any(path.glob("*.seg")) and (claim := _claimed(path)):
            yield claim


def of_others(base: Path, store: str) -> list[Path]:
    """Directories of other stores that hold segments and that no living process uses."""
    found = []
    for path in sorted(base.glob("????????-*")):
        if not path.name.startswith(f"{store}-") and any(path.glob("*.seg")) and (claim := _claimed(path)):
            claim.close()
            found.append(path)
    return found


def fresh(base: Path, store: str, disk: Disk) -> Claim:
    """Claim the first directory that nobody uses; it is made when it is not there.

    Raises:
        OSError: it cannot be made, or too many are in use.
    """
    for number in range(_DIRECTORIES_MOST):
        path = base / f"{store}-{number}"
        disk.make_directory(path)
        if claim := _claimed(path):
            return claim
    raise OSError(f"{base}: {_DIRECTORIES_MOST} directories are in use")


def _claimed(path: Path) -> Claim | None:
    lock = os.open(path / "lock", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return Claim(path, lock)
