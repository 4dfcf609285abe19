"""The vocabulary of the store: what may happen to the state, and what the store answers.

A store has one method, `apply(transition) -> reply`; each transition is one script, applied atomically.
The flows of the engine produce transitions and consume replies without knowing which store it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sidecar.model.arm import SlidingAverage
from sidecar.model.names import Scope
from sidecar.model.view import DomainView, WorkspaceView

Freshness = Literal["any", "refresh", "exact"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How averages forget and how long closed decisions are remembered."""

    ewma_length: int = 16
    recent_length: int = 32
    remember_ms: int = 86_400_000


@dataclass(frozen=True, slots=True)
class Level:
    """The limit of one budget level; None means no limit."""

    limit_nano: int | None = None
    window: str = "total"
    pace_nano: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """An arm to execute if at least `threshold_nano` is available; None if nothing need be.

    What is available is what the pace released so far, or with `unpaced` all that is left of the limit.
    """

    threshold_nano: int | None
    arm: str
    ceiling_nano: int
    answer: str
    unpaced: bool = False


# --- recommend


@dataclass(frozen=True, slots=True)
class Issue:
    """Issue the first offer that the budgets afford; offers come dearest first."""

    scope: Scope
    decision_id: str
    known_version: int
    known_revision: int
    freshness: Freshness
    reward_deadline_ms: int
    default_reward_micro: int | None
    shape: Shape
    domain_level: Level
    workspace_level: Level
    shadow_proposal: str
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Issued:
    """The decision was recorded. `view` comes along when it was asked for and is newer."""

    offer: int
    expires_at_unix_ms: int
    version: int
    view: DomainView | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """The id was known; this is what it was answered."""

    answer: str
    expires_at_unix_ms: int


@dataclass(frozen=True, slots=True)
class Stale:
    """The offers were made on what is no longer so; nothing was written."""

    view: DomainView


@dataclass(frozen=True, slots=True)
class Refused:
    """No offer is affordable."""


# --- settle


@dataclass(frozen=True, slots=True)
class Settle:
    """Take one report. `collected` is what had been collected when the reward was computed."""

    scope: Scope
    decision_id: str
    final: bool
    collected: str
    reward_micro: int | None
    reward_sq_nano: int | None
    cost_nano: int | None
    latency_us: int | None
    signals_json: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Applied:
    """The reward was credited to `arm`; cost and latency are the arm's averages afterwards."""

    arm: str
    version: int
    ceiling_nano: int
    cost: SlidingAverage
    latency: SlidingAverage


@dataclass(frozen=True, slots=True)
class Collected:
    """A partial report was kept."""

    arm: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Other signals had been collected: compute the reward with them and settle again."""

    collected: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The decision was settled before."""


@dataclass(frozen=True, slots=True)
class Late:
    """The decision had expired or was released."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No such decision."""


# --- release, expire, set_mode


@dataclass(frozen=True, slots=True)
class Release:
    """Close a decision that was not acted on."""

    scope: Scope
    decision_id: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Released:
    """The reservation was given back."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The decision was closed before."""


@dataclass(frozen=True, slots=True)
class Expire:
    """Close what is overdue and forget what is old, `most` decisions at most."""

    scope: Scope
    most: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Swept:
    """So many decisions were closed or forgotten."""

    count: int


@dataclass(frozen=True, slots=True)
class SetMode:
    """Set mode and reason; `settings_json` empty keeps the settings laid before."""

    scope: Scope
    mode: str
    reason: str
    settings_json: str


@dataclass(frozen=True, slots=True)
class ModeSet:
    """The control afterwards is at `revision`; `previous` is empty when none was set."""

    revision: int
    previous: str


# --- snapshot, restore


@dataclass(frozen=True, slots=True)
class Read:
    """Read a workspace at one instant. The store finds its domains by itself."""

    tenant: str
    workspace: str


@dataclass(frozen=True, slots=True)
class Restoration:
    """The statistics to put in one domain, as fields of its hashes, if its version is `expected_version`."""

    scope: Scope
    expected_version: int
    arms: Mapping[str, int]
    recent: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Restore:
    """Replace some domains of one workspace, and set fields of its accounts."""

    tenant: str
    workspace: str
    domains: tuple[Restoration, ...]
    accounts: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Restored:
    """All of it was written."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A version was another; nothing was written."""


Transition = Issue | Settle | Release | Expire | SetMode | Read | Restore
Reply = (
    Issued | Replayed | Stale | Refused | Applied | Collected | Merge | Duplicate | Late | Unknown
    | Released | Closed | Swept | ModeSet | WorkspaceView | Restored | Conflict
)  # fmt: skip
