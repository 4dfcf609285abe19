"""What a scenario consists of. Reading one is in `reading.py`, acting it out in `acting.py`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from acting.orders import AnyOrder


class Setting(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How a sidecar is started. Scenarios with the same setting share one, each in a workspace of its own."""

    settings: dict[str, str] = {}
    """Environment variables."""
    domains: dict[str, Any] = {}
    """As in the file of domains."""
    listens: Literal["tcp", "socket"] = "tcp"
    tls: Literal["none", "server", "mutual"] = "none"
    tokens: dict[str, list[str]] = {}
    """Rights by the name of a token; its secret is `$NAME_token`."""


class Peer(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A server in place of a sidecar: it chooses the last candidate, applies rewards, and remembers what came."""

    delay_ms: dict[str, float] = {}
    """How long it takes, by method; at once unless said."""
    fails: str | None = None
    """The gRPC status that it answers with."""
    times: int | None = None
    """It fails only so often; always unless said."""
    answers: Literal["well", "stranger"] = "well"
    """`stranger`: with an arm that nobody proposed."""


class Status(msgspec.Struct, forbid_unknown_fields=True):
    """Which domain to look at."""

    domain: str
    tenant: str | UnsetType = UNSET
    workspace: str | UnsetType = UNSET


class Look(msgspec.Struct, forbid_unknown_fields=True):
    """Ask the sidecar itself what became of it all."""

    status: Status


Fault = Literal["kill", "start", "freeze", "thaw", "store_away", "store_back"]


class Step(msgspec.Struct, forbid_unknown_fields=True):
    """One thing that is done, and what must be seen."""

    order: AnyOrder | UnsetType = UNSET
    sidecar: Look | Fault | UnsetType = UNSET
    peer: Literal["Recommend", "Reward", "Release"] | UnsetType = UNSET
    wait_ms: float | UnsetType = UNSET

    expect: Any = UNSET
    mistake: bool = False
    keep: dict[str, str] = {}
    """Names for later steps, by the key of the answer that they keep."""
    within_s: float = 0.0
    """Do it again until it is as expected, for so long."""


class Scenario(msgspec.Struct, forbid_unknown_fields=True):
    """One file."""

    about: str
    steps: list[Step]
    sidecar: Setting | UnsetType = UNSET
    peer: Peer | UnsetType = UNSET
    nobody: bool = False
    """Nobody listens at the address."""
    name: str = ""

    @property
    def has_sidecar(self) -> bool:
        """Whether there is one, and not a peer or nobody in its place."""
        return self.peer is UNSET and not self.nobody

    @property
    def faults(self) -> bool:
        """Whether it breaks its sidecar, which is then nobody else's."""
        return any(
            step.sidecar in {"kill", "start", "store_away", "store_back"}
            for step in self.steps
            if isinstance(step.sidecar, str)
        )

    @property
    def setting(self) -> Setting:
        """How its sidecar is started."""
        return Setting() if self.sidecar is UNSET else self.sidecar
