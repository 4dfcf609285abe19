"""Full-information logs: one JSON object a line, with what every arm would have given.

    {"arms": {"small": {"quality": 0.7, "cost_usd": 0.0001}, "large": {"quality": 0.9, "cost_usd": 0.002}},
     "context": {"prompt_length": 412}, "segment": "support"}

An arm has any of `reward`, `quality`, `groundedness`, `safety`, `cost_usd` and `latency_ms`; with `reward` the reward
is given outright, else the other signals make it. Further keys beside `arms` are left alone: logs carry ids and texts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sidecar.errors import InvalidInput
from sidecar.features.context import numeric_context
from sidecar.model.decision import CANDIDATES_MAX
from sidecar.model.names import valid_name
from sidecar.model.signals import Signals
from sidecar.rewards.engine import RewardEngine

Numbered = tuple[str, Mapping[str, Any]]
"""A row as written, and where: `FILE:LINE`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One request: what each arm would have given, as signals and as one reward in [0, 1]."""

    where: str
    signals: Mapping[str, Signals]
    rewards: Mapping[str, float]
    context: Mapping[str, float]
    segment: str


class _Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reward: float | None = None
    quality: float | None = None
    groundedness: float | None = None
    safety: float | None = None
    cost_usd: float | None = None
    latency_ms: float | None = None


def lines_of(path: Path) -> Iterator[Numbered]:
    """The objects of a file, one a line; blank lines are passed over.

    Raises:
        InvalidInput: the file cannot be read, or a line is not a JSON object.
    """
    try:
        with path.open("rb") as file:
            yield from objects_of(file, str(path))
    except OSError as error:
        raise InvalidInput("FILE", str(path), f"a readable file ({error.strerror})") from error


def objects_of(lines: Iterable[bytes], name: str) -> Iterator[Numbered]:
    """The objects of lines of JSON, numbered from 1.

    Raises:
        InvalidInput: a line is not a JSON object; names it.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"{name}:{number}", _object(f"{name}:{number}", line)


def rows_from(
    numbered: Iterable[Numbered], engine: RewardEngine, *, segments: Collection[str] = (), rows_max: int | None = None
) -> list[Row]:
    """Validated rows.

    Args:
        numbered: as written.
        engine: makes the reward of an arm that has none outright.
        segments: keep only these; empty keeps all.
        rows_max: keep no more than the first so many.

    Raises:
        InvalidInput: names the line and the field, or there is no row at all.
    """
    rows: list[Row] = []
    for where, values in numbered:
        if rows_max is not None and len(rows) >= rows_max:
            break
        row = _row(where, values, engine)
        if not segments or row.segment in segments:
            rows.append(row)
    if not rows:
        raise InvalidInput("FILE", 0, "at least one row" + (" of the segments asked for" if segments else ""))
    return rows


def baseline_of(rows: Sequence[Row], asked: str | None) -> str:
    """The arm that would be used without learning: the one asked for, else the first of the first row.

    Raises:
        InvalidInput: a row does not have it; names the line.
    """
    arm = asked or next(iter(rows[0].signals))
    for row in rows:
        if arm not in row.signals:
            raise InvalidInput(f"{row.where}: arms", sorted(row.signals), f"the baseline {arm!r} among them")
    return arm


def _object(where: str, line: bytes) -> Mapping[str, Any]:
    try:
        values = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(where, line.decode(errors="replace").strip(), f"one JSON object a line ({error})") from error
    if not isinstance(values, dict):
        raise InvalidInput(where, values, "one JSON object a line")
    return values


def _row(where: str, values: Mapping[str, Any], engine: RewardEngine) -> Row:
    arms = values.get("arms")
    if not isinstance(arms, dict) or not 1 <= len(arms) <= CANDIDATES_MAX:
        raise InvalidInput(f"{where}: arms", arms, f"an object of 1 to {CANDIDATES_MAX} arms")
    signals, rewards = {}, {}
    for name, outcome in arms.items():
        valid_name(f"{where}: arms", name)
        signals[name], rewards[name] = _scored(f"{where}: arms.{name}", outcome, engine)
    segment = values.get("segment", "")
    if not isinstance(segment, str):
        raise InvalidInput(f"{where}: segment", segment, "text")
    return Row(where, signals, rewards, _context(where, values.get("context", {})), segment)


def _scored(field: str, outcome: object, engine: RewardEngine) -> tuple[Signals, float]:
    try:
        signals = Signals(**msgspec.structs.asdict(msgspec.convert(outcome, _Outcome)))
        engine.check(signals)
        return signals, engine.result(signals).reward
    except msgspec.ValidationError as error:
        message, _, below = str(error).partition(" - at `$")
        raise InvalidInput(field + below.rstrip("`"), outcome, message) from error
    except InvalidInput as error:
        raise InvalidInput(error.field.replace("signals", field, 1), error.value, error.allowed) from error


def _context(where: str, context: object) -> Mapping[str, float]:
    try:
        return numeric_context(msgspec.convert(context, dict[str, float]))
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{where}: context", context, "an object of numbers") from error
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.field}", error.value, error.allowed) from error
