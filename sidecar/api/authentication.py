"""Who calls: from `authorization: Bearer SECRET` in a call's metadata to what the token is good for."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable
from pathlib import Path

from sidecar.api.rates import Rate
from sidecar.errors import Unauthenticated
from sidecar.settings.reloading import Reloading
from sidecar.settings.tokens import SECRET_LENGTH_MAX, Token, TokenFile, digest_of, read_tokens

_KEY = "authorization"
_SCHEME = "bearer "
_HEADER_LENGTH_MAX = len(_SCHEME) + SECRET_LENGTH_MAX
_REMEMBERED_MOST = 1024


class Grant:
    """What one token is good for, and how much of it is used up.

    Args:
        token: as declared.
    """

    __slots__ = ("rewards", "token")

    def __init__(self, token: Token) -> None:
        """Start with the full rate."""
        self.token = token
        self.rewards = None if token.rewards_per_s is None else Rate("rewards", token.rewards_per_s)


class Authentication:
    """Knows every token.

    Args:
        path: the file that lists them.

    Raises:
        InvalidSettings: it cannot be read or is not valid.
    """

    def __init__(self, path: Path) -> None:
        """Read the file."""
        self._reloading: Reloading[TokenFile] = Reloading(
            "the tokens", lambda: read_tokens(path), lambda one: one.files
        )
        self._grants: dict[bytes, Grant] = {}
        self._remembered: dict[str, Grant] = {}
        self._take_up()

    async def refresh(self) -> None:
        """Take up files that have changed; what is not valid leaves everything as it is."""
        if await asyncio.to_thread(self._reloading.refresh):  # a long file takes seconds to read
            self._take_up()  # not in the thread: a call must not remember what has just been revoked

    def grant(self, metadata: Iterable[tuple[str, str | bytes]]) -> Grant:
        """What the caller's token is good for.

        Raises:
            Unauthenticated: there is none, more than one, or it is not known.
        """
        header: str | bytes | None = None
        for key, value in metadata:
            if key == _KEY:
                if header is not None:
                    raise Unauthenticated("more than one")
                header = value
        if not isinstance(header, str):
            raise Unauthenticated("none")
        # What is remembered is whole: a guess is found by the keyed hash of all of it, so time tells nothing.
        known = self._remembered.get(header)
        return known if known is not None else self._looked_up(header)

    def _looked_up(self, header: str) -> Grant:
        if len(header) > _HEADER_LENGTH_MAX or header[: len(_SCHEME)].lower() != _SCHEME:
            raise Unauthenticated("one of another form")
        digest = digest_of(header[len(_SCHEME) :])
        grant = self._grants.get(digest)
        if grant is None or not hmac.compare_digest(grant.token.digest, digest):
            raise Unauthenticated("an unknown one")
        if len(self._remembered) >= _REMEMBERED_MOST:
            self._remembered.clear()
        self._remembered[header] = grant
        return grant

    def _take_up(self) -> None:
        """Let the tokens that were read be in force; one that is as before keeps what it has used up."""
        before = self._grants
        self._grants = {
            token.digest: known if (known := before.get(token.digest)) and known.token == token else Grant(token)
            for token in self._reloading.value.tokens
        }
        self._remembered = {}
