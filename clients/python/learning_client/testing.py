"""Fakes for the tests of an app: the clients themselves, with a sidecar that lives in memory.

`FakeLearning` is a `LearningClient` and `AsyncFakeLearning` an `AsyncLearningClient`; only the wire is replaced, so
blocks, timing and reports are the real thing.

    fake = FakeLearning(lambda domain, candidates, context: "large")
    answer = handle_request(fake, question)
    assert fake.rewards[0].signals["quality"] == 1.0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message

from learning_client._async_client import AsyncLearningClient
from learning_client._calls import Failure, Method
from learning_client._client import LearningClient
from learning_client._endpoint import Endpoint
from learning_client._transport import AsyncTransport, Transport
from learning_client.v1 import learning_pb2 as pb

__all__ = ["AsyncFakeLearning", "Chooser", "FakeLearning", "FakeReward"]

Chooser = Callable[[str, list[str], Mapping[str, float]], str | None]
"""Takes the domain, the candidates and the context; returns the arm to execute, or None to refuse."""

_EXPIRES_AT_UNIX_MS = 4_102_444_800_000  # the year 2100: a fake does not forget


@dataclass(frozen=True, slots=True)
class FakeReward:
    """One reward that a fake has received."""

    domain: str
    """The kind of decision."""
    decision_id: str
    """The decision that is rewarded."""
    arm: str
    """The arm that was executed; empty when the fake does not know the decision."""
    signals: dict[str, float]
    """What was reported, `latency_ms` included."""
    more_to_come: bool
    """Whether it was a partial report."""


@dataclass(slots=True)
class _FakeSidecar:
    """Answers as a sidecar does that never forgets and never learns."""

    chooser: Chooser
    away: bool = False
    arms: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    rewards: list[FakeReward] = field(default_factory=list)
    released: list[str] = field(default_factory=list)

    def answer(self, request: Message) -> Message | Failure:
        if self.away:
            return Failure("UNAVAILABLE", "the fake is away")
        if isinstance(request, pb.RecommendRequest):
            return self._recommend(request)
        if isinstance(request, pb.RewardRequest):
            return self._reward(request)
        if isinstance(request, pb.ReleaseRequest):
            return self._release(request)
        return Failure("UNIMPLEMENTED", f"the fake does not answer {type(request).__name__}")

    def _recommend(self, request: pb.RecommendRequest) -> pb.RecommendResponse:
        candidates = [candidate.arm for candidate in request.candidates]
        replay = request.decision_id in self.arms
        arm = self.arms.get(request.decision_id) or self.chooser(request.domain, candidates, dict(request.context))
        if arm is None:
            return pb.RecommendResponse(outcome=pb.RECOMMEND_OUTCOME_REFUSED, baseline=candidates[0])
        if arm not in candidates:
            message = f"the chooser gave {arm!r}, which is not one of the candidates {candidates}"
            raise ValueError(message)
        self.arms[request.decision_id] = arm
        return pb.RecommendResponse(
            arm=arm,
            outcome=pb.RECOMMEND_OUTCOME_CHOSEN,
            decision_id=request.decision_id,
            propensity=1.0,
            baseline=candidates[0],
            proposal=arm,
            mode=pb.MODE_UNGATED,
            source=pb.SOURCE_REPLAY if replay else pb.SOURCE_LEARNED,
            expires_at_unix_ms=_EXPIRES_AT_UNIX_MS,
            policy="fake",
        )

    def _reward(self, request: pb.RewardRequest) -> pb.RewardResponse:
        arm = self.arms.get(request.decision_id, "")
        signals = {spec.name: value for spec, value in request.signals.ListFields()}
        self.rewards.append(FakeReward(request.domain, request.decision_id, arm, signals, request.more_to_come))
        if not arm:
            return pb.RewardResponse(outcome=pb.REWARD_OUTCOME_UNKNOWN)
        if request.decision_id in self.closed:
            return pb.RewardResponse(outcome=pb.REWARD_OUTCOME_DUPLICATE)
        if request.more_to_come:
            return pb.RewardResponse(outcome=pb.REWARD_OUTCOME_COLLECTED)
        self.closed.add(request.decision_id)
        return pb.RewardResponse(outcome=pb.REWARD_OUTCOME_APPLIED, reward=signals.get("reward"), arm=arm)

    def _release(self, request: pb.ReleaseRequest) -> pb.ReleaseResponse:
        if request.decision_id not in self.arms:
            return pb.ReleaseResponse(outcome=pb.RELEASE_OUTCOME_UNKNOWN)
        if request.decision_id in self.closed:
            return pb.ReleaseResponse(outcome=pb.RELEASE_OUTCOME_ALREADY_CLOSED)
        self.closed.add(request.decision_id)
        self.released.append(request.decision_id)
        return pb.ReleaseResponse(outcome=pb.RELEASE_OUTCOME_RELEASED)


class _FakeTransport:
    """Sends calls to a sidecar in memory."""

    def __init__(self, sidecar: _FakeSidecar) -> None:
        self._sidecar = sidecar

    def call(self, method: Method, request: Message) -> Message | Failure:
        del method  # the request says it all
        return self._sidecar.answer(request)

    def close(self) -> None:
        self._sidecar.away = True


class _AsyncFakeTransport:
    """Likewise, for asyncio."""

    def __init__(self, sidecar: _FakeSidecar) -> None:
        self._sidecar = sidecar

    async def call(self, method: Method, request: Message) -> Message | Failure:
        del method  # the request says it all
        return self._sidecar.answer(request)

    async def close(self) -> None:
        self._sidecar.away = True


def _first(domain: str, candidates: list[str], context: Mapping[str, float]) -> str:
    del domain, context  # always-first looks at neither
    return candidates[0]


class _Records:
    """What a test can ask of a fake."""

    def __init__(self, chooser: Chooser = _first) -> None:
        """Make a fake that answers what `chooser` says; by default always the first candidate."""
        self._sidecar = _FakeSidecar(chooser)
        super().__init__()

    @property
    def rewards(self) -> list[FakeReward]:
        """Every reward that came, in order."""
        return self._sidecar.rewards

    @property
    def released(self) -> list[str]:
        """The ids of the decisions that were released, in order."""
        return self._sidecar.released

    @property
    def away(self) -> bool:
        """Whether the sidecar is played as missing: set it to see the app fall back."""
        return self._sidecar.away

    @away.setter
    def away(self, value: bool) -> None:
        self._sidecar.away = value


class FakeLearning(_Records, LearningClient):
    """A `LearningClient` without a sidecar. A chooser that returns no candidate raises ValueError in `decide`."""

    def _connect(self, to: Endpoint) -> Transport:
        del to  # there is nothing to connect to
        return _FakeTransport(self._sidecar)


class AsyncFakeLearning(_Records, AsyncLearningClient):
    """An `AsyncLearningClient` without a sidecar; otherwise as `FakeLearning`."""

    def _connect(self, to: Endpoint) -> AsyncTransport:
        del to  # there is nothing to connect to
        return _AsyncFakeTransport(self._sidecar)
