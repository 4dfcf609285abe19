"""What the doctor asks the server, all at once; what comes of it is judged elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sidecar.settings.redis_url import Target
from sidecar.store.inquiry import Inquiry
from sidecar.store.keys import SCHEMA
from sidecar.store.refusals import Refused
from sidecar.store.rights import ASKING_SCRIPT, HARMFUL, NEEDED, needed_for, samples

_PINGS = 20
_SCANS, _SCAN_COUNT = 200, 1000
_CONFIGURED = ("save", "appendfsync", "min-replicas-to-write", "maxmemory-policy", "protected-mode", "bind")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a server said. What it refused to say is None, or not there."""

    target: Target
    prefix: str
    timeout_ms: float
    info: Mapping[str, str]
    config: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    denied: Sequence[str] | None = None
    """Needed commands that the user may not use."""
    excess: Sequence[str] = ()
    """Commands that it may use and never needs."""
    round_trips_ms: Sequence[float] = ()
    skew_ms: float | None = None
    """By how much the server's clock is ahead of ours."""
    cluster: Mapping[str, str] | None = None
    schemas: Mapping[str, int] | None = None
    """How many keys there are of each other schema than ours."""
    scanned_whole: bool = True

    def number(self, name: str) -> int:
        """A figure of INFO; 0 where there is none."""
        text = self.info.get(name, "0")
        return int(text) if text.lstrip("-").isdigit() else 0

    @property
    def needed(self) -> tuple[str, ...]:
        """What the user needs besides NEEDED."""
        return needed_for(self.target)


async def facts_of(asked: Inquiry, target: Target, prefix: str, timeout_ms: float) -> Facts:
    """Ask for all of it.

    Raises:
        Refused: the server does not let us in.
        OSError: it cannot be reached, or did not answer in time.
    """
    info = _lines(await asked.text("INFO", "everything") or await asked.text("INFO") or "")
    denied, excess = await _rights(asked, (*NEEDED, *needed_for(target)), prefix)
    round_trips_ms, skew_ms = await _clock(asked)
    schemas, whole = await _schemas(asked, prefix)
    clustered = info.get("cluster_enabled") == "1"
    return Facts(
        target, prefix, timeout_ms, info,
        config=await _config(asked),
        user=await asked.text("ACL", "WHOAMI"),
        denied=denied,
        excess=excess,
        round_trips_ms=round_trips_ms,
        skew_ms=skew_ms,
        cluster=_lines(await asked.text("CLUSTER", "INFO") or "") if clustered else None,
        schemas=schemas,
        scanned_whole=whole,
    )  # fmt: skip


def _lines(text: str) -> dict[str, str]:
    return {name: value for line in text.splitlines() if ":" in line for name, _, value in [line.partition(":")]}


async def _config(asked: Inquiry) -> dict[str, str]:
    known: dict[str, str] = {}
    for name in _CONFIGURED:
        try:
            answer = await asked.ask("CONFIG", "GET", name)
        except Refused:
            continue
        if isinstance(answer, list) and len(answer) == 2:  # noqa: PLR2004 - the name and the value
            known[name] = answer[1].decode(errors="replace")
    return known


async def _rights(asked: Inquiry, needed: tuple[str, ...], prefix: str) -> tuple[list[str] | None, list[str]]:
    names = (*needed, *HARMFUL)
    try:
        answers: list[int] = await asked.ask("EVAL", ASKING_SCRIPT, 0, *samples(names, prefix))
    except Refused:
        return None, []
    allowed = dict(zip(names, answers, strict=True))
    return [name for name in needed if allowed[name] == 0], [name for name in HARMFUL if allowed[name] == 1]


async def _clock(asked: Inquiry) -> tuple[list[float], float | None]:
    """Round trips in milliseconds, and the difference of the clocks as of the shortest."""
    trips: list[tuple[float, float]] = []
    for _ in range(_PINGS):
        sent, began = time.time(), time.perf_counter()
        try:
            seconds, micros = await asked.ask("TIME")
        except Refused:
            return [], None
        took = time.perf_counter() - began
        trips.append((took * 1000, (int(seconds) + int(micros) / 1e6 - sent - took / 2) * 1000))
    return [took for took, _ in trips], min(trips)[1]


async def _schemas(asked: Inquiry, prefix: str) -> tuple[dict[str, int] | None, bool]:
    """How many keys of other schemas there are, among the first some hundred thousand keys."""
    ours, others, cursor = f"{prefix}:{SCHEMA}:", dict[str, int](), "0"
    for _ in range(_SCANS):
        try:
            answer: Any = await asked.ask("SCAN", cursor, "MATCH", f"{prefix}:*", "COUNT", _SCAN_COUNT)
        except Refused:
            return None, True
        cursor = answer[0].decode()
        for key in (one.decode(errors="replace") for one in answer[1]):
            if not key.startswith(ours):
                schema = key.removeprefix(f"{prefix}:").partition(":")[0]
                others[schema] = others.get(schema, 0) + 1
        if cursor == "0":
            return others, True
    return others, False
