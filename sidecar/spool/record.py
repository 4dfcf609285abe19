"""One spooled call, as the JSON object in a frame."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from sidecar.model.names import Scope


class Record(Struct, frozen=True, omit_defaults=True):
    """A report or a release that was acknowledged; `accepted_unix_ms` by this machine's clock.

    `signals`, those that were observed, and `final` are a report's.
    """

    kind: Literal["reward", "release"]
    tenant: str
    workspace: str
    domain: str
    decision_id: str
    accepted_unix_ms: int
    signals: dict[str, float] = {}
    final: bool = True

    @property
    def scope(self) -> Scope:
        """Whose decision it is about."""
        return Scope(self.tenant, self.workspace, self.domain)


_DECODER = msgspec.json.Decoder(Record)


def encoded(record: Record) -> bytes:
    """The payload of a frame."""
    return msgspec.json.encode(record)


def decoded(payload: bytes) -> Record | None:
    """The record in a payload; None where there is none that this version knows."""
    try:
        return _DECODER.decode(payload)
    except msgspec.DecodeError:
        return None
