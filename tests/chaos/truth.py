"""What clients were told in one round, and what the store must hold because of it.

`Story` is one decision as its app knows it, `Ledger` all of a round. An answer that never came leaves a *maybe*: what
was asked may have happened or not. For these alone the clients' log gives an interval; which of them did happen is then
read from the store's own record of the decision, and every sum has to fit these records to the integer.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from learning_client._calls import Failure
from learning_client.v1 import learning_pb2 as pb

from sidecar.model.units import MICRO, NANO

APPLIED, DUPLICATE = pb.REWARD_OUTCOME_APPLIED, pb.REWARD_OUTCOME_DUPLICATE
LATE, COLLECTED = pb.REWARD_OUTCOME_LATE, pb.REWARD_OUTCOME_COLLECTED
SPOOLED = dict(pb.RewardOutcome.items()).get("REWARD_OUTCOME_SPOOLED", -1)
"""-1 as long as the API has no such outcome; then no answer is."""
MISSED = -2
"""Stands for an outcome where no answer came."""
SPOOLED_LATE = -3
"""Stands for SPOOLED where the deadline had passed before the disk was known to be empty: the report may have come to
the store too late, as the API says."""

_EXCUSABLE = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
"""What a store or a sidecar that is away may be answered with."""


class Verdict(StrEnum):
    """What became of a decision's reward, as far as its app knows."""

    COUNTED = "counted"
    """A final report was acknowledged."""
    KEPT = "kept"
    """A partial report was acknowledged and nothing followed: it counts at the deadline."""
    NOTHING = "nothing"
    """Nothing was reported, or the app was told that it does not count."""
    MAYBE = "maybe"
    """It was reported, and no answer came."""


@dataclass(slots=True)
class Story:
    """One decision as its app knows it: micro-units of reward and safety, nano-dollars of cost.

    `finals`, `parts` and `releases` count outcomes, an answer that never came as MISSED.
    """

    workspace: str
    domain: str
    decision_id: str
    answer: pb.RecommendResponse | None = None
    """The first answer that said the decision was recorded."""
    degraded: list[pb.RecommendResponse] = field(default_factory=list)
    unheard: int = 0
    """Recommend calls that had no answer; the sidecar may have given one, and set money aside for it."""
    late_early: int = 0
    """How often it was told LATE before its deadline."""
    arms: set[str] = field(default_factory=set)
    """Arms named by answers that said it was recorded; more than one would be a contradiction."""
    reward_micro: int | None = None
    safety_micro: int | None = None
    cost_nano: int | None = None
    finals: Counter[int] = field(default_factory=Counter)
    parts: Counter[int] = field(default_factory=Counter)
    releases: Counter[int] = field(default_factory=Counter)

    @property
    def verdict(self) -> Verdict:
        """What became of its reward."""
        if self.finals[APPLIED] or self.finals[SPOOLED] or (self.finals[DUPLICATE] and not self.parts):
            return Verdict.COUNTED
        told = self.finals + self.parts
        if told[LATE] or told[pb.REWARD_OUTCOME_UNKNOWN] or self.releases[pb.RELEASE_OUTCOME_RELEASED]:
            return Verdict.NOTHING
        if self.parts[COLLECTED] or self.parts[SPOOLED] or self.parts[DUPLICATE]:
            return Verdict.MAYBE if self.finals[MISSED] else Verdict.KEPT
        return Verdict.MAYBE if told[MISSED] or told[SPOOLED_LATE] else Verdict.NOTHING

    @property
    def due_ms(self) -> int:
        """Its deadline, in milliseconds since the Unix epoch; 0 when no answer named one."""
        return self.answer.expires_at_unix_ms if self.answer else 0

    @property
    def acknowledged(self) -> bool:
        """Whether the app was told that its reward counts."""
        return self.verdict in (Verdict.COUNTED, Verdict.KEPT)

    @property
    def spooled(self) -> bool:
        """Whether a report was acknowledged from the sidecar's disk."""
        told = self.finals + self.parts
        return bool(told[SPOOLED] or told[SPOOLED_LATE])


class Asked(NamedTuple):
    """One Recommend: when (monotonic seconds), why it has no answer, whether its sidecar was killed, and which."""

    began: float
    ended: float
    failure: str
    killed: bool
    sidecar: str = ""

    @property
    def took_s(self) -> float:
        """How long it took, in seconds."""
        return self.ended - self.began


@dataclass(slots=True)
class Ledger:
    """All that the clients of one round were told."""

    stories: dict[str, Story] = field(default_factory=dict)
    recommends: list[Asked] = field(default_factory=list)
    stalls: list[tuple[float, float]] = field(default_factory=list)
    """When this process itself stood still, for want of a processor; monotonic seconds."""
    refused_rewards: Counter[str] = field(default_factory=Counter)
    """Reward calls without an answer, by status; the client tries again or gives up."""
    broken: Counter[str] = field(default_factory=Counter)
    """Answers that no fault of the store or of the network excuses: INTERNAL, UNKNOWN and the like."""
    raised: list[str] = field(default_factory=list)
    """What the app's client raised; it must never."""

    def story(self, workspace: str, domain: str, decision_id: str) -> Story:
        """The decision of that id, new if it is not known."""
        found = self.stories.get(decision_id)
        if found is None:
            found = self.stories[decision_id] = Story(workspace, domain, decision_id)
        return found

    def note(
        self, request: object, reply: object, began: float, ended: float, *, killed: bool = False, sidecar: str = ""
    ) -> None:
        """Write down one call: what was asked, what came back, when, and whether its sidecar was being killed."""
        failure = reply.code if isinstance(reply, Failure) else ""
        full = failure == "RESOURCE_EXHAUSTED" and not isinstance(request, pb.RecommendRequest)  # the spool has an end
        if failure and failure not in _EXCUSABLE and not full:
            self.broken[f"{type(request).__name__} {reply}"] += 1
        if isinstance(request, pb.RecommendRequest):
            self.recommends.append(Asked(began, ended, failure, killed, sidecar))
            self._recommended(request, reply)
        elif isinstance(request, pb.RewardRequest):
            self._rewarded(request, reply)
        elif isinstance(request, pb.ReleaseRequest):
            story = self.story(request.workspace, request.domain, request.decision_id)
            story.releases[reply.outcome if isinstance(reply, pb.ReleaseResponse) else MISSED] += 1

    def failures(self) -> dict[str, Counter[str]]:
        """Recommend calls without an answer, by status.

        `covered`: the sidecar was being killed, so the app's client took the first candidate. `stalled`: time ran out
        while the machine itself stood still. `app`: all others, of which there must be none.
        """
        found: dict[str, Counter[str]] = {"app": Counter(), "covered": Counter(), "stalled": Counter()}
        for one in self.recommends:
            if one.failure:
                found[self._excuse(one)][one.failure] += 1
        return found

    @property
    def app_errors(self) -> list[Asked]:
        """Recommend calls without an answer that nothing excuses."""
        return [one for one in self.recommends if one.failure and self._excuse(one) == "app"]

    def _excuse(self, one: Asked) -> str:
        if one.killed:
            return "covered"
        stalled = any(start < one.ended and one.began < end for start, end in self.stalls)
        return "stalled" if stalled and one.failure == "DEADLINE_EXCEEDED" else "app"

    def _recommended(self, request: pb.RecommendRequest, reply: object) -> None:
        story = self.story(request.workspace, request.domain, request.decision_id)
        if not isinstance(reply, pb.RecommendResponse):
            story.unheard += 1
            return
        if reply.degraded:
            story.degraded.append(reply)
        elif reply.expires_at_unix_ms:
            story.answer = story.answer or reply
            story.arms.add(reply.arm)

    def _rewarded(self, request: pb.RewardRequest, reply: object) -> None:
        story = self.story(request.workspace, request.domain, request.decision_id)
        signals = request.signals
        if signals.HasField("reward") and story.reward_micro is None:
            story.reward_micro = round(signals.reward * MICRO)
            story.safety_micro = round(signals.safety * MICRO) if signals.HasField("safety") else None
        if signals.HasField("cost_usd") and story.cost_nano is None:
            story.cost_nano = round(signals.cost_usd * NANO)
        told = reply.outcome if isinstance(reply, pb.RewardResponse) else MISSED
        story.late_early += told == LATE and story.due_ms > time.time() * 1000 and not story.releases
        if isinstance(reply, Failure):
            self.refused_rewards[reply.code] += 1
        if not request.more_to_come:
            story.finals[told] += 1
        elif signals.HasField("reward"):  # a part that brings the reward may be all that ever comes
            story.parts[told] += 1

    def quiet(self, at_unix_ms: float) -> None:
        """Every report on disk has come to the store by then: SPOOLED was a promise where the deadline is later."""
        for story in self.stories.values():
            if story.due_ms <= at_unix_ms:
                for outcomes in (story.finals, story.parts):
                    outcomes[SPOOLED_LATE] += outcomes.pop(SPOOLED, 0)

    def inside(self, workspace: str) -> Ledger:
        """What clients were told of the decisions of one workspace."""
        return Ledger({name: story for name, story in self.stories.items() if story.workspace == workspace})

    def of(self, domain: str) -> Iterator[Story]:
        """The decisions of a domain."""
        return (story for story in self.stories.values() if story.domain == domain)

    @property
    def maybes(self) -> int:
        """How many rewards may count or not, as far as the clients know."""
        return sum(story.verdict is Verdict.MAYBE for story in self.stories.values())

    @property
    def acknowledged(self) -> int:
        """How many rewards clients were told to count."""
        return sum(story.acknowledged for story in self.stories.values())
