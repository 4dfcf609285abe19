"""The file of bearer tokens: who may call, for which tenants and workspaces, and what for.

It holds digests, never secrets; what is wrong in it is said without its values, since people paste secrets into files.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from sidecar.errors import InvalidInput, InvalidSettings
from sidecar.model.names import valid_name
from sidecar.settings.file import converted, plain_document

VARIABLE = "LEARNING_TOKENS"
ANY = "*"
TOKENS_MAX = 10_000
SECRET_LENGTH_MIN, SECRET_LENGTH_MAX = 24, 512

_SECRET = re.compile(rf"[A-Za-z0-9._~+/=-]{{{SECRET_LENGTH_MIN},{SECRET_LENGTH_MAX}}}")
_SECRET_BYTES_MAX = 4096
_HIDDEN = "a value that is not shown"


class Right(StrEnum):
    """What a token may do; none includes another."""

    READ = "read"
    """Status, Snapshot."""
    DECIDE = "decide"
    """Recommend, RecommendBatch, Release."""
    REWARD = "reward"
    """Reward, RewardBatch."""
    ADMIN = "admin"
    """Restore, SetMode."""


class Token(NamedTuple):
    """One token: the digest of its secret, and what it is good for. `*` stands for every tenant or workspace."""

    name: str
    digest: bytes
    tenants: frozenset[str]
    workspaces: frozenset[str]
    rights: frozenset[Right]
    rewards_per_s: float | None


class TokenFile(NamedTuple):
    """What the file declares, and every file that was read for it."""

    tokens: tuple[Token, ...]
    files: tuple[Path, ...]


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A token, as written. Exactly one of `sha256` and `token_file` is given."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    tenants: Annotated[list[str], Meta(min_length=1, max_length=10_000)]
    workspaces: Annotated[list[str], Meta(min_length=1, max_length=10_000)]
    rights: Annotated[list[Right], Meta(min_length=1, max_length=16)]
    sha256: Annotated[str, Meta(pattern=r"^([0-9a-fA-F]{64})?$")] = ""
    token_file: str = ""
    rewards_per_s: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    tokens: Annotated[list[_Entry], Meta(max_length=TOKENS_MAX)]


def read_tokens(path: Path) -> TokenFile:
    """Read the file by its suffix (.yaml, .yml, .json, .toml), and the secrets that it points to.

    Raises:
        InvalidSettings: it cannot be read or has a value that is not allowed; names the key, never a value.
    """
    try:
        entries = converted(_plain(path), _Document, path="").tokens
    except InvalidSettings as error:
        field = error.field if error.field.startswith(VARIABLE) else f"{VARIABLE} {path}: {error.field}"
        raise InvalidSettings(field, _HIDDEN, error.allowed) from None
    files = [path]
    tokens: dict[bytes, Token] = {}
    names: set[str] = set()
    for at, entry in enumerate(entries):
        where = f"{VARIABLE} {path}: tokens.{at}"
        if entry.token_file:
            files.append(path.parent / entry.token_file)
        token = _token(where, entry, path.parent)
        if token.name in names or token.digest in tokens:
            raise InvalidSettings(where, token.name, "a name and a secret that no other token has")
        names.add(token.name)
        tokens[token.digest] = token
    return TokenFile(tuple(tokens.values()), tuple(files))


def digest_of(secret: str) -> bytes:
    """The SHA-256 digest of a secret."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _plain(path: Path) -> Any:  # noqa: ANN401 - any document
    try:
        return plain_document(path)
    except OSError as error:
        raise InvalidSettings(f"{VARIABLE} {path}", error.strerror, "a readable YAML, TOML or JSON file") from None
    except (ValueError, RecursionError) as error:
        mark = getattr(error.__cause__, "problem_mark", None)
        at = f", line {mark.line + 1}" if mark else ""
        raise InvalidSettings(f"{VARIABLE} {path}{at}", _HIDDEN, "valid YAML, TOML or JSON") from None


def _token(where: str, entry: _Entry, directory: Path) -> Token:
    if bool(entry.sha256) == bool(entry.token_file):
        raise InvalidSettings(where, entry.name, "either sha256 or token_file")
    for field in ("tenants", "workspaces"):
        for name in getattr(entry, field):
            try:
                valid_name(f"{where}.{field}", name)
            except InvalidInput as error:
                raise InvalidSettings(error.field, name, f"{error.allowed}, or {ANY} for every one") from None
    return Token(
        name=entry.name,
        digest=bytes.fromhex(entry.sha256) if entry.sha256 else _digest_in(where, directory / entry.token_file),
        tenants=frozenset(entry.tenants),
        workspaces=frozenset(entry.workspaces),
        rights=frozenset(entry.rights),
        rewards_per_s=entry.rewards_per_s,
    )


def _digest_in(where: str, path: Path) -> bytes:
    """The digest of the secret that a file holds, without the white space around it."""
    field = f"{where}.token_file {path}"
    try:
        with path.open("rb") as file:
            secret = file.read(_SECRET_BYTES_MAX).decode("ascii").strip()
    except OSError as error:
        raise InvalidSettings(field, error.strerror, "a readable file") from None
    except UnicodeDecodeError:
        secret = ""
    if not _SECRET.fullmatch(secret):
        allowed = f"{SECRET_LENGTH_MIN} to {SECRET_LENGTH_MAX} letters, digits and ._~+/=-"
        raise InvalidSettings(field, _HIDDEN, allowed)
    return digest_of(secret)
