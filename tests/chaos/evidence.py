"""What the store holds after a round, read past every proxy and with as little of the product's code as can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sidecar.model.gate import GateState
from sidecar.model.names import Scope
from sidecar.store.gate_fields import gate_from
from sidecar.store.keys import domain_keys, workspace_key

PREFIX = "learning"
_KEEP = "# keep"

Ask = Callable[..., Any]
"""Gives the server one command and returns its answer."""


@dataclass(frozen=True, slots=True)
class Record:
    """The store's own record of one decision, in nano-dollars: `open`, or as its scripts say how it was closed."""

    state: str
    arm: str
    ceiling_nano: int = 0
    sample: str = ""
    collected: str = ""
    deadline_ms: int = 0
    """Since the Unix epoch."""


@dataclass(slots=True)
class DomainEvidence:
    """One domain: fields of `arms` and `gate`, and records by decision id."""

    figures: dict[str, int] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    gate: GateState = field(default_factory=GateState)
    revision: int = 0

    @property
    def made_again(self) -> int:
        """How many decisions were released, and then made anew under the same id, of which there is one record."""
        return max(0, self.figures.get("decisions", 0) - len(self.records))

    def figure(self, name: str, arm: str) -> int:
        """One figure of one arm."""
        return self.figures.get(f"{name}:{arm}", 0)

    @property
    def arms(self) -> set[str]:
        """Arms with any figure, and arms with any record."""
        named = {field.partition(":")[2] for field in self.figures if ":" in field}
        return named | {record.arm for record in self.records.values()}


@dataclass(slots=True)
class Evidence:
    """A workspace: domains by name, and the fields of its accounts of money."""

    domains: dict[str, DomainEvidence] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)
    leases: dict[str, int] = field(default_factory=dict)
    """What each lease holds, in nano-dollars, by field."""
    read_ms: float = 0.0
    """When that was read, in milliseconds since the Unix epoch; not after the store's own clock."""

    def money(self, figure: str, level: str) -> int:
        """One figure of one level's account, in nano-dollars."""
        return self.accounts.get(f"{figure}_nano:{level}", 0)

    def leased(self, level: str) -> int:
        """What leases hold at a level."""
        return sum(held for name, held in self.leases.items() if level == "workspace" or name.startswith(f"{level}/"))


def money_of(raw: Mapping[bytes, bytes]) -> Evidence:
    """The accounts of a workspace's hash, without domains."""
    evidence = Evidence()
    for name, value in ((name.decode(), value.decode()) for name, value in raw.items()):
        figure, _, rest = name.partition(":")
        if figure == "lease_nano":
            evidence.leases[rest] = int(value.split(" ")[0])
        elif figure.endswith("_nano") or figure == "decisions":
            evidence.accounts[name] = int(value)
    return evidence


def read(ask: Ask, workspace: str) -> Evidence:
    """Read a workspace that nobody changes any more."""
    read_ms = time.time() * 1000
    raw = hash_of(ask("HGETALL", workspace_key(PREFIX, "default", workspace)))
    evidence = money_of(raw)
    evidence.read_ms = read_ms
    for name in _domains(raw):
        evidence.domains[name] = _domain(ask, Scope("default", workspace, name))
    return evidence


def awaited(ask: Ask, workspace: str, before_ms: float) -> dict[str, int]:
    """Open decisions whose deadline is before that (milliseconds since the Unix epoch): how many in which domain."""
    found = {}
    for name in _domains(hash_of(ask("HGETALL", workspace_key(PREFIX, "default", workspace)))):
        pending = domain_keys(PREFIX, Scope("default", workspace, name))[2]
        open_ = {k.decode(): v.decode() for k, v in hash_of(ask("HGETALL", pending)).items()}
        found[name] = sum(k != _KEEP and record_of(v, closed=False).deadline_ms < before_ms for k, v in open_.items())
    return {name: count for name, count in found.items() if count}


def _domains(raw: Mapping[bytes, bytes]) -> list[str]:
    return [one.decode().removeprefix("domain:") for one in raw if one.startswith(b"domain:")]


def hash_of(answer: Any) -> dict[bytes, bytes]:
    """A hash, as the driver or the server itself puts it."""
    if isinstance(answer, Mapping):
        return dict(answer)
    return dict(zip(answer[::2], answer[1::2], strict=True))


def _domain(ask: Ask, scope: Scope) -> DomainEvidence:
    arms, _, pending, _, settled, gate, *_ = domain_keys(PREFIX, scope)
    found = DomainEvidence({k.decode(): int(v) for k, v in hash_of(ask("HGETALL", arms)).items()})
    fields = {k.decode(): v.decode() for k, v in hash_of(ask("HGETALL", gate)).items()}
    found.gate, found.revision = gate_from(fields), int(fields.get("revision", 0))
    for key, closed in ((pending, False), (settled, True)):
        for name, value in hash_of(ask("HGETALL", key)).items():
            if name.decode() != _KEEP:
                found.records[name.decode()] = record_of(value.decode(), closed=closed)
    return found


def record_of(text: str, *, closed: bool) -> Record:
    """One field of `settled`, or of `pending`; see docs/keys.md."""
    state, _, rest = text.partition("\t") if closed else ("open", "", text)
    _, deadline, ceiling, _, arm, _, sample, collected = rest.split("\t", 7)
    return Record(state, arm, int(ceiling), sample, collected, int(deadline))
