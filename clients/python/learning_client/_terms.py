"""The words of an answer: each enum of the API as a `StrEnum`, so that it compares and logs as plain text.

Every enum ends with `UNSPECIFIED`: what a newer sidecar says that this client does not know yet.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from learning_client.v1 import learning_pb2 as pb


class Source(StrEnum):
    """Who chose the arm."""

    LEARNED = "learned"
    """The policy chose it."""
    BASELINE = "baseline"
    """It is the first candidate, because the domain's mode says so."""
    REPLAY = "replay"
    """This decision_id was answered before; this is that answer."""
    DEGRADED = "degraded"
    """The sidecar could not ask its store; it is the first candidate and was not recorded."""
    SHIELD = "shield"
    """A budget or latency shield chose it, because what would have been executed was not allowed."""
    FALLBACK = "fallback"
    """The sidecar was missing, late or failing, so the client took the first candidate."""
    UNSPECIFIED = "unspecified"


class Mode(StrEnum):
    """How far the domain lets the learner act."""

    OFF = "off"
    """The first candidate is executed and nothing is recorded."""
    SHADOW = "shadow"
    """The first candidate is executed; what the policy would have done is recorded."""
    CANARY = "canary"
    """Where the policy's choice differs from the first candidate, it is executed in a small share of the decisions."""
    LIVE = "live"
    """There it is executed in all but a small share of the decisions."""
    UNGATED = "ungated"
    """The policy's choice is executed, with no guarantee against the baseline."""
    GATED = "gated"
    """Shadow, canary or live, as far as evidence allows: what operators ask for. Decisions name the one in force."""
    UNSPECIFIED = "unspecified"
    """Not known: a fallback, or a sidecar newer than this client."""


class Shield(StrEnum):
    """A limit that is enforced before an arm is returned."""

    BUDGET = "budget"
    LATENCY = "latency"
    UNSPECIFIED = "unspecified"


class ShieldEffect(StrEnum):
    """What a shield did with an arm."""

    STEPPED_OVER = "stepped_over"
    """The arm was taken out of the choice."""
    FASTEST_ANYWAY = "fastest_anyway"
    """No arm was allowed, so the fastest was executed."""
    CHEAPEST_ANYWAY = "cheapest_anyway"
    """No arm was affordable, so the cheapest was executed."""
    REFUSED = "refused"
    """No arm was affordable, and the domain declares that then none is executed."""
    UNSPECIFIED = "unspecified"


class RewardOutcome(StrEnum):
    """What became of a reward."""

    APPLIED = "applied"
    """The statistics, the averages and the budget were updated."""
    DUPLICATE = "duplicate"
    """The decision was settled before; nothing changed."""
    LATE = "late"
    """The decision had expired or was released: nothing was learned; a reported cost was booked."""
    UNKNOWN = "unknown"
    """The sidecar knows no such decision; nothing changed."""
    COLLECTED = "collected"
    """A partial report was kept; the decision is still open."""
    SPOOLED = "spooled"
    """The sidecar's store is away: the report is on the sidecar's disk, and is applied once when the store is back."""
    UNSENT = "unsent"
    """Nothing was sent, or no answer came back in time. Sending it again is safe."""
    UNSPECIFIED = "unspecified"


class ReleaseOutcome(StrEnum):
    """What became of a release."""

    RELEASED = "released"
    """The reserved money was given back."""
    ALREADY_CLOSED = "already_closed"
    """The decision was settled, released or expired before; nothing changed."""
    SPOOLED = "spooled"
    """The sidecar's store is away: the release is on the sidecar's disk, and is carried out when the store is back."""
    UNKNOWN = "unknown"
    """The sidecar knows no such decision; nothing changed."""
    UNSENT = "unsent"
    """Nothing was sent, or no answer came back in time. Sending it again is safe."""
    UNSPECIFIED = "unspecified"


class OnError(StrEnum):
    """What is reported when the act raises an `Exception`; the exception itself always propagates untouched."""

    WORST = "worst"
    """A reward of 0 with the latency and whatever cost was observed: the arm failed."""
    RELEASE = "release"
    """The money is given back and nothing is learned: the arm is not to blame."""
    IGNORE = "ignore"
    """Nothing: at the deadline the sidecar applies the domain's rule for missing rewards."""


Term = TypeVar("Term", bound=StrEnum)


class _ProtoEnum(Protocol):
    def items(self) -> list[tuple[str, int]]: ...


class _Names(Generic[Term]):
    """Translates the numbers of one enum of the API; a number that is not known here is `UNSPECIFIED`."""

    def __init__(self, terms: type[Term], wire: _ProtoEnum, prefix: str) -> None:
        by_value = {term.value: term for term in terms}
        names = {number: name.removeprefix(prefix).lower() for name, number in wire.items()}
        self._unspecified = by_value["unspecified"]
        self._terms = {number: by_value[name] for number, name in names.items() if name in by_value}

    def __getitem__(self, number: int) -> Term:
        return self._terms.get(number, self._unspecified)


SOURCES = _Names(Source, pb.Source, "SOURCE_")
MODES = _Names(Mode, pb.Mode, "MODE_")
SHIELDS = _Names(Shield, pb.Shield, "SHIELD_")
SHIELD_EFFECTS = _Names(ShieldEffect, pb.ShieldEffect, "SHIELD_EFFECT_")
REWARD_OUTCOMES = _Names(RewardOutcome, pb.RewardOutcome, "REWARD_OUTCOME_")
RELEASE_OUTCOMES = _Names(ReleaseOutcome, pb.ReleaseOutcome, "RELEASE_OUTCOME_")
