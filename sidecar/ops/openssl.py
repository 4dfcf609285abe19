"""Leaves OpenSSL out of a process in which Python speaks no TLS: 5 MB in every pod (docs/decisions/0010).

asyncio, hashlib and http.client load it wherever it is installed, and do without where it is not. gRPC brings its own,
so it is needed for `rediss://` and `rediss+...://` alone, and whether that is wanted is known before anything is
imported. What asks for it later gets it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.abc import MetaPathFinder

_MODULES = ("ssl", "_ssl", "_hashlib")
_USERS = ("asyncio", "hashlib", "hmac", "http.client")
_TLS = ("rediss:", "rediss+")


class _NotInstalled(MetaPathFinder):
    """Says that OpenSSL is not there."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - the import system's
        """Find nothing, and let nobody else look."""
        if name in _MODULES:
            raise ModuleNotFoundError(name=name)


def leave_out(words: Iterable[str]) -> None:
    """Import what would load OpenSSL without it, unless one of the words is the URL of a server with TLS.

    Args:
        words: of the command line and the environment.
    """
    if "asyncio" in sys.modules or any(one in word for word in words for one in _TLS):
        return
    finder = _NotInstalled()
    sys.meta_path.insert(0, finder)
    try:
        for name in _USERS:
            import_module(name)
    finally:
        sys.meta_path.remove(finder)
