"""What 64 clients of two sidecars do, and what they know of it: the ledger that the state must equal.

In the workspace `strict` no cost is reported late; in `loose` costs come late, and exhausted budgets execute the
cheapest arm.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import grpc

from sidecar.model.arm import Arm
from sidecar.model.units import MICRO, NANO, reward_sq_nano
from sidecar.model.view import WorkspaceView
from sidecar.store.connection import Connection
from sidecar.store.redis_store import RedisStore
from sidecar.store.transitions import Read
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

SEED = 20_260_131
DECISIONS = 20_000
REFUSABLE = 600  # more calls, in a domain that refuses when its money is gone
CLIENTS = 64
SAMPLES = 1_000

STRICT, LOOSE = (f"{name}-{secrets.token_hex(4)}" for name in ("strict", "loose"))
CEILINGS_USD = {"large": 0.01, "small": 0.001, "cached": 0.0}
REWARDS = {"large": 0.9, "small": 0.6, "cached": 0.2}
LIMITS_USD = {
    (STRICT, "workspace"): 15.0,
    (STRICT, "domain/route"): 6.0,
    (STRICT, "domain/retrieval"): 0.2,
    (LOOSE, "workspace"): 18.0,
    (LOOSE, "domain/tool_planning"): 7.0,
}
DEFAULT_REWARD = {"plugin_runtime": 0.25}
CONFIG = f"""
defaults:
  mode: ungated
  arms: {{large: {{cost_ceiling_usd: 0.01}}, small: {{cost_ceiling_usd: 0.001}}, cached: {{cost_ceiling_usd: 0}}}}
domains:
  route:
    budget: {{limit_usd: 6, pace_usd_per_decision: 0.004, when_exhausted: refuse}}
  prompt:
    policy: {{name: epsilon_greedy, parameters: {{epsilon: 0.2}}}}
  retrieval:
    budget: {{limit_usd: 0.2, when_exhausted: refuse}}
  tool_planning:
    budget: {{limit_usd: 7}}
  plugin_runtime:
    policy: {{name: epsilon_greedy, parameters: {{epsilon: 0.2}}}}
    reward: {{missing_reward: 0.25}}
workspaces:
  default/{STRICT}: {{budget: {{limit_usd: 15, when_exhausted: refuse}}}}
  default/{LOOSE}: {{budget: {{limit_usd: 18, pace_usd_per_decision: 0.003}}}}
"""


class Fate(Enum):
    """What the client does after a decision."""

    REWARDED = auto()
    REWARDED_THRICE = auto()
    REWARDED_IN_PARTS = auto()
    ONLY_A_PART = auto()
    RELEASED = auto()
    REWARDED_AND_RELEASED = auto()
    AT_THE_DEADLINE = auto()
    LATE_TWICE = auto()
    FORGOTTEN = auto()


WEIGHTS = {
    Fate.REWARDED: 56, Fate.REWARDED_THRICE: 8, Fate.REWARDED_IN_PARTS: 8, Fate.ONLY_A_PART: 4, Fate.RELEASED: 6,
    Fate.REWARDED_AND_RELEASED: 4, Fate.AT_THE_DEADLINE: 2, Fate.LATE_TWICE: 6, Fate.FORGOTTEN: 6,
}  # fmt: skip
DEADLINES_MS = {Fate.ONLY_A_PART: 8000, Fate.AT_THE_DEADLINE: 100, Fate.LATE_TWICE: 400, Fate.FORGOTTEN: 400}
# In `strict` these report no cost: whether they come in time is not known, and a late cost would be overrun.
COSTLESS = {Fate.REWARDED_AND_RELEASED, Fate.AT_THE_DEADLINE, Fate.LATE_TWICE}


@dataclass(slots=True)
class Story:
    """One decision as its client knows it; `collected` once a partial report with reward and cost was kept."""

    workspace: str
    domain: str
    fate: Fate
    answer: pb.RecommendResponse
    reward: float
    cost_usd: float | None
    answers: Counter[int] = field(default_factory=Counter)
    collected: bool = False
    released: bool = False

    @property
    def due_s(self) -> float:
        """When the client goes on with it: at once, or when it is too late."""
        return self.answer.expires_at_unix_ms / 1000 + 0.005 if self.fate is Fate.LATE_TWICE else 0.0

    @property
    def reserved_nano(self) -> int:
        """What was set aside for it."""
        return round(self.answer.reserved_usd * NANO)

    @property
    def applied(self) -> bool:
        """Whether a report of it was APPLIED."""
        return self.answers[pb.REWARD_OUTCOME_APPLIED] > 0

    @property
    def paid_nano(self) -> int:
        """What is to be spent for it in the end."""
        cost = None if self.cost_usd is None else round(self.cost_usd * NANO)
        if self.applied:
            return self.reserved_nano if cost is None else cost
        counts = self.collected or self.answers[pb.REWARD_OUTCOME_LATE]
        return cost if cost is not None and counts else 0

    @property
    def overrun_nano(self) -> int:
        """What is to be spent for it beyond its reservation; a late cost has none any more."""
        held = self.applied or self.collected
        return max(0, self.paid_nano - (self.reserved_nano if held else 0))

    @property
    def learned(self) -> Arm:
        """What its arm is to learn from it."""
        reward: float | None = self.reward if self.applied or self.collected else DEFAULT_REWARD.get(self.domain)
        if reward is None or self.released:
            return Arm(self.answer.arm, pulls=1)
        micro, counted = round(reward * MICRO), self.applied or self.collected
        return Arm(
            self.answer.arm,
            pulls=1,
            count=int(self.applied),
            defaulted=int(not self.applied),
            reward_micro=micro,
            reward_sq_nano=reward_sq_nano(micro),
            cost_nano=round((self.cost_usd or 0) * NANO) if counted else 0,
        )


@dataclass(slots=True)
class Run:
    """Everything that is known about the run: what clients were told, what was seen on the way, and the end."""

    stories: list[Story] = field(default_factory=list)
    refused: int = 0
    replayed: int = 0
    called: int = 0
    told_applied: int = 0
    samples: list[tuple[int, dict[str, WorkspaceView]]] = field(default_factory=list)
    end: dict[str, WorkspaceView] = field(default_factory=dict)

    def of(self, workspace: str, domain: str | None = None) -> list[Story]:
        """The decisions of a workspace, or of one domain."""
        return [s for s in self.stories if s.workspace == workspace and domain in (None, s.domain)]

    def answered(self, workspace: str, outcome: int) -> int:
        """How many reports in a workspace were answered so."""
        return sum(story.answers[outcome] for story in self.of(workspace))


class Client:
    """One client of both sidecars."""

    def __init__(self, stubs: Sequence[LearningStub], run: Run, seed: int) -> None:
        """Keep where to call and where to write down."""
        self._stubs = stubs
        self._run = run
        self._rng = random.Random(seed)

    async def decide(self, places: Sequence[tuple[str, str]]) -> None:
        """Make a decision at each place, five at a time, and finish those that are due in any order."""
        waiting: list[Story] = []
        for first in range(0, len(places), 5):
            made = [await self._recommend(*place) for place in places[first : first + 5]]
            waiting += [story for story in made if story]
            self._rng.shuffle(waiting)
            now = time.time()
            ready = [one for one in waiting if one.due_s <= now]
            await self._report_together([one for one in ready if one.fate is Fate.REWARDED])
            for story in ready:
                await self._finish(story)
            waiting = [one for one in waiting if one.due_s > now]
        for story in waiting:
            await asyncio.sleep(max(0.0, story.due_s - time.time()))
            await self._finish(story)

    async def _recommend(self, workspace: str, domain: str) -> Story | None:
        fate = self._rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        arms = ["cached", "small", "large"] if domain in ("route", "prompt") else ["small", "large"]
        request = pb.RecommendRequest(
            workspace=workspace,
            domain=domain,
            decision_id=f"{self._rng.getrandbits(64):016x}",
            candidates=[pb.Candidate(arm=arm) for arm in arms],
            reward_deadline_ms=DEADLINES_MS.get(fate, 600_000),
            strict=True,
        )
        twice = domain != "retrieval" and self._rng.random() < 0.05
        answers = await asyncio.gather(*(stub.Recommend(request) for stub in (self._stubs if twice else [self._any()])))
        self._run.called += 1
        answer = answers[0]
        assert {one.arm for one in answers} == {answer.arm}
        assert sum(one.source != pb.SOURCE_REPLAY for one in answers) == 1
        self._run.replayed += len(answers) - 1
        if answer.outcome == pb.RECOMMEND_OUTCOME_REFUSED:
            self._run.refused += 1
            return None
        reward = min(1.0, max(0.0, self._rng.gauss(REWARDS[answer.arm], 0.1)))
        cost = None if workspace == STRICT and fate in COSTLESS else self._rng.uniform(0, CEILINGS_USD[answer.arm])
        self._run.stories.append(Story(workspace, domain, fate, answer, reward, cost))
        return self._run.stories[-1]

    async def _finish(self, story: Story) -> None:
        match story.fate:
            case Fate.REWARDED_THRICE:
                await asyncio.gather(*(self._report(story) for _ in range(3)))
            case Fate.REWARDED_IN_PARTS:
                await self._send(story, pb.Signals(latency_ms=self._rng.uniform(1, 2000)), more_to_come=True)
                await self._report(story)
            case Fate.ONLY_A_PART:
                told = await self._send(story, self._signals(story), more_to_come=True)
                story.collected = told == pb.REWARD_OUTCOME_COLLECTED
            case Fate.RELEASED:
                await self._release(story)
            case Fate.REWARDED_AND_RELEASED:
                await asyncio.gather(self._report(story), self._release(story))
            case Fate.AT_THE_DEADLINE:
                at = story.answer.expires_at_unix_ms / 1000 - self._rng.uniform(-0.002, 0.02)
                await asyncio.sleep(max(0.0, at - time.time()))
                await self._report(story)
            case Fate.LATE_TWICE:
                await self._report(story)
                await self._report(story)
            case Fate.REWARDED | Fate.FORGOTTEN:
                pass  # reported together with others, or never

    async def _report(self, story: Story) -> None:
        await self._send(story, self._signals(story))

    async def _report_together(self, stories: Sequence[Story]) -> None:
        if stories:
            requests = [_reward_request(story, self._signals(story)) for story in stories]
            answer: pb.RewardBatchResponse = await self._any().RewardBatch(pb.RewardBatchRequest(requests=requests))
            for story, result in zip(stories, answer.results, strict=True):
                self._note(story, result.response.outcome)

    async def _send(self, story: Story, signals: pb.Signals, *, more_to_come: bool = False) -> int:
        request = _reward_request(story, signals, more_to_come=more_to_come)
        answer: pb.RewardResponse = await self._any().Reward(request)
        self._note(story, answer.outcome)
        return answer.outcome

    def _note(self, story: Story, outcome: int) -> None:
        story.answers[outcome] += 1
        self._run.told_applied += outcome == pb.REWARD_OUTCOME_APPLIED

    async def _release(self, story: Story) -> None:
        request = pb.ReleaseRequest(
            workspace=story.workspace, domain=story.domain, decision_id=story.answer.decision_id
        )
        answer: pb.ReleaseResponse = await self._any().Release(request)
        story.released = answer.outcome == pb.RELEASE_OUTCOME_RELEASED

    def _signals(self, story: Story) -> pb.Signals:
        return pb.Signals(reward=story.reward, cost_usd=story.cost_usd)

    def _any(self) -> LearningStub:
        return self._rng.choice(self._stubs)


def _reward_request(story: Story, signals: pb.Signals, *, more_to_come: bool = False) -> pb.RewardRequest:
    return pb.RewardRequest(
        workspace=story.workspace,
        domain=story.domain,
        decision_id=story.answer.decision_id,
        signals=signals,
        more_to_come=more_to_come,
    )


def places() -> list[list[tuple[str, str]]]:
    """Where each client is to decide."""
    rng = random.Random(SEED)
    domains = [(STRICT, "route"), (STRICT, "prompt"), (LOOSE, "tool_planning"), (LOOSE, "plugin_runtime")]
    whole = [domains[number % 4] for number in range(DECISIONS)] + [(STRICT, "retrieval")] * REFUSABLE
    rng.shuffle(whole)
    return [whole[number::CLIENTS] for number in range(CLIENTS)]


async def watch(store: RedisStore, run: Run) -> None:
    """Read both workspaces, each at one instant, as the run goes on."""
    for number in range(SAMPLES):
        while run.called < (DECISIONS + REFUSABLE) * number // SAMPLES:  # noqa: ASYNC110 - a number to reach, not an event
            await asyncio.sleep(0.002)
        told = run.told_applied
        run.samples.append((told, {name: await state(store, name) for name in (STRICT, LOOSE)}))


async def state(store: RedisStore, workspace: str) -> WorkspaceView:
    """Read a workspace at one instant."""
    view = await store.apply(Read("default", workspace))
    assert isinstance(view, WorkspaceView)
    return view


async def carry_out(addresses: Sequence[str], redis_url: str, prefix: str) -> Run:
    """Let every client decide, then wait until the sidecars have closed what was left open."""
    run, store = Run(), RedisStore(Connection(redis_url, timeout_s=10.0), prefix=prefix)
    channels = [grpc.aio.insecure_channel(address) for address in addresses]
    stubs = [LearningStub(channel) for channel in channels]
    watching = asyncio.create_task(watch(store, run))
    await asyncio.gather(*(Client(stubs, run, SEED + at).decide(mine) for at, mine in enumerate(places())))
    await watching
    async with asyncio.timeout(60):
        while not run.end or any(one.open for view in run.end.values() for one in view.domains.values()):
            await asyncio.sleep(0.1)
            run.end = {name: await state(store, name) for name in (STRICT, LOOSE)}
    for channel in channels:
        await channel.close()
    await store.close()
    return run
