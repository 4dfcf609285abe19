"""What happened, as one frozen record for each observer: logs and metrics see the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct

from sidecar.model.decision import Decision
from sidecar.model.gate import GateEvent
from sidecar.model.names import Scope


class Decided(Struct, frozen=True):
    """A Recommend was answered after `seconds`."""

    scope: Scope
    decision: Decision
    seconds: float


class Reported(Struct, frozen=True):
    """A Reward was answered with `outcome` after `seconds`; `reward` when it counted."""

    scope: Scope
    decision_id: str
    outcome: str
    reward: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Administered:
    """An operator changed something: `what` (set_mode, restore), and a sentence for people."""

    scope: Scope
    what: str
    message: str


@dataclass(frozen=True, slots=True)
class GateMoved:
    """The gate moved a domain to another stage."""

    scope: Scope
    event: GateEvent


Event = Decided | Reported | Administered | GateMoved
Observer = Callable[[Event], None]
