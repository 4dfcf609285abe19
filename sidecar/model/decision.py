"""A request for a decision, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from sidecar.errors import InvalidInput
from sidecar.model.mode import Mode
from sidecar.model.names import Scope

CANDIDATES_MAX = 1_000
CONTEXT_FEATURES_MAX = 64
REWARD_DEADLINE_MS_MAX = 604_800_000


class Source(StrEnum):
    """Who chose the executed arm."""

    __hash__ = str.__hash__  # a key of every decision's counters; the enum's own is a call of Python

    LEARNED = "learned"
    BASELINE = "baseline"
    REPLAY = "replay"
    DEGRADED = "degraded"
    SHIELD = "shield"


class Shield(StrEnum):
    """A limit that is enforced before an arm is returned."""

    BUDGET = "budget"
    LATENCY = "latency"


class ShieldEffect(StrEnum):
    """What a shield did with an arm."""

    STEPPED_OVER = "stepped_over"
    FASTEST_ANYWAY = "fastest_anyway"
    CHEAPEST_ANYWAY = "cheapest_anyway"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ShieldAction:
    """One thing that a shield did."""

    shield: Shield
    effect: ShieldEffect
    arm: str


class Candidate(NamedTuple):
    """One option of a request; `cost_ceiling_nano` is the most it can cost, when the app knows."""

    arm: str
    cost_ceiling_nano: int | None = None


class Ask(Struct, frozen=True):
    """A validated request for one decision; the first candidate is the baseline.

    An id that is not `repeatable` was made for this very request, so nothing can be known of it yet.
    Who is `strict` wants an error, not the baseline, while the store is away.

    Raises:
        InvalidInput: no candidates, too many, or one arm twice.
    """

    scope: Scope
    decision_id: str
    candidates: tuple[Candidate, ...]
    context: Mapping[str, float] = {}
    max_latency_us: int | None = None
    reward_deadline_ms: int | None = None
    repeatable: bool = True
    strict: bool = False

    def __post_init__(self) -> None:
        """Check what concerns the candidates as a whole."""
        if not 1 <= len(self.candidates) <= CANDIDATES_MAX:
            raise InvalidInput("candidates", len(self.candidates), f"1 to {CANDIDATES_MAX} candidates")
        if len({candidate.arm for candidate in self.candidates}) != len(self.candidates):
            arms = [candidate.arm for candidate in self.candidates]
            twice = next(arm for arm in arms if arms.count(arm) > 1)
            raise InvalidInput("candidates", twice, "each arm once")

    @property
    def baseline(self) -> str:
        """What the app would have done without learning."""
        return self.candidates[0].arm


class Decision(Struct, frozen=True, array_like=True):
    """One answered request, and why. `arm` is empty when the budget shield refused.

    `sampled` says that the gate counts it as evidence: the coin was tossed, or in shadow the baseline is observed.
    `mark` tells which sidecar made it, and when. It comes last, so that what the store keeps of it ends with that.
    """

    decision_id: str
    arm: str
    baseline: str
    mode: Mode
    source: Source
    propensity: float = 1.0
    proposal: str = ""
    shields: tuple[ShieldAction, ...] = ()
    policy: str = ""
    statistics_version: int = 0
    reserved_nano: int = 0
    sampled: bool = False
    expires_at_unix_ms: int = 0
    mark: str = ""

    @property
    def refused(self) -> bool:
        """No candidate was affordable and the domain declares that then none is executed."""
        return not self.arm
