"""The vocabulary of the store: what may happen to the state, and what the store answers.

A store has one method, `apply(transition) -> reply`; each transition is one script, applied atomically.
The flows of the engine produce transitions and consume replies without knowing which store it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from sidecar.model.arm import SlidingAverage
from sidecar.model.gate import Cell, GateState
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

    What is available is what the pace released so far, or with `unpaced` all that is left of the limit. One that
    `needs_room` is skipped when the gate's allowance has none for an exposure; if it is `sampled` it takes that room.
    """

    threshold_nano: int | None
    arm: str
    ceiling_nano: int
    answer: str
    unpaced: bool = False
    sampled: bool = False
    needs_room: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """What makes a decision evidence for the gate: the coin's side and share, and how long an epoch is."""

    exposed: bool = False
    share_ppm: int = 0
    epoch_decisions: int = 1
    epoch_ms: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Menu:
    """What may be issued, and under which conditions. Many decisions are made from one menu, each by an `Issue`.

    Offers come dearest first; unless they are `complete`, cheaper ones were left out. `proposal` is what the policy
    would execute, `agrees` whether that is the baseline. Menus are compared by identity: the wire keeps what it made.
    """

    scope: Scope
    reward_deadline_ms: int
    default_reward_micro: int | None
    shape: Shape
    domain_level: Level
    workspace_level: Level
    proposal: str
    agrees: bool
    sample: Sample
    offers: tuple[Offer, ...]
    complete: bool = True


Recalls = Literal["nothing", "kept", "all"]
"""What is said again: nothing to an id made for this call, decisions that were not released, or all of them."""


class Issue(Struct, frozen=True):
    """Issue the first affordable offer, unless the id `recalls` one; statistics of `wanted` arms may come along."""

    menu: Menu
    decision_id: str
    known_version: int
    known_revision: int
    freshness: Freshness = "any"
    recalls: Recalls = "kept"
    wanted: tuple[str, ...] = ()


class Issued(Struct, frozen=True):
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


@dataclass(frozen=True, slots=True)
class Short:
    """No offer is affordable, but the menu is not complete; nothing was written."""


# --- settle


@dataclass(frozen=True, slots=True)
class Settle:
    """Take one report. `collected` is what had been collected when the reward was computed.

    `held` and `exposed` are what it adds to the sums of `phase` if the baseline or the proposal was executed, if any.
    """

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
    phase: int = 0
    held: tuple[int, ...] = ()
    exposed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """The reward was credited to `arm`; cost and latency are the arm's averages afterwards.

    `view` comes along when an epoch of the gate may be folded.
    """

    arm: str
    version: int
    ceiling_nano: int
    cost: SlidingAverage
    latency: SlidingAverage
    view: DomainView | None = None


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


# --- release, expire


@dataclass(frozen=True, slots=True)
class Release:
    """Close a decision that was not acted on; one whose answer does not end with `ending` stays as it is."""

    scope: Scope
    decision_id: str
    shape: Shape
    ending: str = ""


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
    """So many decisions were closed or forgotten. `view` comes along when an epoch of the gate may be folded."""

    count: int
    view: DomainView | None = None


# --- set_mode, fold


@dataclass(frozen=True, slots=True)
class SetMode:
    """Set mode and reason and begin the phase `gate`, if the control is still at `known_revision`.

    `settings_json` empty keeps the settings laid before. `reinstate` exchanges what was learned for the checkpoint.
    """

    scope: Scope
    known_revision: int
    mode: str
    reason: str
    settings_json: str
    gate: GateState
    reinstate: bool = False


@dataclass(frozen=True, slots=True)
class ModeSet:
    """The control afterwards is at `revision`; `previous` is empty when none was set."""

    revision: int
    previous: str
    reinstated: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """Fold the epoch `cell` in the phase `phase`: the gate is then as `gate` says, if nobody was faster."""

    scope: Scope
    phase: int
    cell: Cell
    gate: GateState
    released_ppm: int
    new_phase: bool = False
    checkpoint: Literal["", "keep", "reinstate"] = ""


@dataclass(frozen=True, slots=True)
class Folded:
    """It was folded."""

    view: DomainView


@dataclass(frozen=True, slots=True)
class Outrun:
    """Another sidecar was faster, or the phase is another; nothing was written."""

    view: DomainView


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


Transition = Issue | Settle | Release | Expire | SetMode | Fold | Read | Restore
Reply = (
    Issued | Replayed | Stale | Refused | Short | Applied | Collected | Merge | Duplicate | Late | Unknown
    | Released | Closed | Swept | ModeSet | Folded | Outrun | WorkspaceView | Restored | Conflict
)  # fmt: skip
