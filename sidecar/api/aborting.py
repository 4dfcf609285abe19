"""The one way to end a call with a status.

What a transport cannot encode it may answer with something else, or never: a native server leaves the client waiting.
So code, details and trailing metadata are checked here, where a fault still has an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import quote

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
Trailers = Sequence[tuple[str, str | bytes]]

RICH_STATUS = "grpc-status-details-bin"
BYTES_MAX = 8192
"""Details and trailing metadata as they travel; beyond it clients and proxies begin to refuse them."""

_KEY = re.compile(r"[a-z0-9._-]+")
_TEXT = re.compile(r"[\x20-\x7e]*")


async def abort(context: Context, code: grpc.StatusCode, details: str, trailers: Trailers = ()) -> NoReturn:
    """End the call.

    Raises:
        ValueError: a part could not be sent by every transport; a fault of ours.
        grpc.aio.AbortError: otherwise, for the transport to catch.
    """
    check_sendable(code, details, trailers)
    await abort_checked(context, code, details, trailers)


async def abort_checked(context: Context, code: grpc.StatusCode, details: str, trailers: Trailers) -> NoReturn:
    """End the call with what was checked before.

    Raises:
        grpc.aio.AbortError: for the transport to catch.
    """
    await context.abort(code, details, trailing_metadata=tuple(trailers))
    raise AssertionError("abort returned")


def check_sendable(code: object, details: object, trailers: Trailers) -> None:
    """Whether every transport can send this.

    Raises:
        ValueError: says which part it cannot send.
    """
    if not isinstance(code, grpc.StatusCode) or code is grpc.StatusCode.OK:
        raise ValueError(f"not the status of a failure: {code!r}")
    if not isinstance(details, str):
        raise ValueError(f"details must be text: {type(details).__name__}")  # noqa: TRY004 - a part like the others
    size = len(quote(details, safe="", errors="strict"))
    for key, value in trailers:
        _check_trailer(key, value)
        size += len(key) + (-(-len(value) // 3) * 4 if key.endswith("-bin") else len(value))
    if size > BYTES_MAX:
        raise ValueError(f"{size} bytes of details and trailing metadata, more than {BYTES_MAX}")


def _check_trailer(key: object, value: object) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key) or (key.startswith("grpc-") and key != RICH_STATUS):
        raise ValueError(f"not a key of trailing metadata: {key!r}")
    if key.endswith("-bin") != isinstance(value, bytes):
        raise ValueError(f"{key} must be {'bytes' if key.endswith('-bin') else 'text'}: {type(value).__name__}")
    if isinstance(value, str) and not _TEXT.fullmatch(value):
        raise ValueError(f"{key} has a character that does not travel: {value!r}")
    if not isinstance(value, (str, bytes)):
        raise ValueError(f"{key} is neither text nor bytes: {type(value).__name__}")  # noqa: TRY004 - likewise
