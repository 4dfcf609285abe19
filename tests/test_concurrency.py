"""Many clients, two sidecars, one server: whatever the order of events, every figure is exact.

One run of 20,000 decisions serves all tests here. In the workspace `strict` no cost is reported late, so there
must be no overrun at all; in `loose` costs come late and exhausted budgets execute the cheapest arm, so the
overrun must be exactly what the clients know was spent beyond reservations.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import grpc
import pytest

from sidecar.model.arm import Arm
from sidecar.model.units import MICRO, NANO, reward_sq_nano
from sidecar.model.view import Account, WorkspaceView
from sidecar.store.connection import Connection
from sidecar.store.redis_store import RedisStore
from sidecar.store.transitions import Read
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

from .conftest import Sidecars

pytestmark = pytest.mark.timeout(300)

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


async def carry_out(addresses: Sequence[str], redis_url: str) -> Run:
    """Let every client decide, then wait until the sidecars have closed what was left open."""
    run, store = Run(), RedisStore(Connection(redis_url, timeout_s=10.0))
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


@pytest.fixture(scope="module")
def run(module_sidecars: Sidecars, redis_url: str) -> Run:
    """Carry out the run on two sidecars, once."""
    patient = {"LEARNING_STORE_TIMEOUT_MS": "30000"}
    addresses = [module_sidecars(CONFIG, environment=patient).address for _ in range(2)]
    return asyncio.run(carry_out(addresses, redis_url))


def total(stories: Sequence[Story], figure: Callable[[Story], int]) -> int:
    """Sum a figure over decisions."""
    return sum(figure(story) for story in stories)


def applied(view: WorkspaceView) -> int:
    """Sum what the arms counted."""
    return sum(arm.count for domain in view.domains.values() for arm in domain.arms.values())


def counter(view: WorkspaceView, name: str) -> int:
    """Sum a counter over the domains."""
    return sum(domain.counters[name] for domain in view.domains.values())


def expected_account(stories: Sequence[Story]) -> Account:
    """Work out what an account must be when everything is closed."""
    paid, overrun = total(stories, lambda s: s.paid_nano), total(stories, lambda s: s.overrun_nano)
    return Account("total", paid, 0, overrun, len(stories))


def test_every_decision_was_issued_by_one_sidecar_and_known_to_the_other(run: Run) -> None:
    """All 20,000 decisions were issued, and those asked twice at once were answered alike."""
    assert len(run.stories) - len(run.of(STRICT, "retrieval")) == DECISIONS
    assert run.replayed > DECISIONS // 25


def test_what_the_run_covers(run: Run) -> None:
    """Every fate, every outcome, every shield effect of the budget, and overrun, did occur."""
    effects = {action.effect for story in run.stories for action in story.answer.shields}
    assert {story.fate for story in run.stories} == set(Fate)
    assert effects >= {pb.SHIELD_EFFECT_STEPPED_OVER, pb.SHIELD_EFFECT_CHEAPEST_ANYWAY}
    assert all(run.answered(LOOSE, outcome) for outcome in (1, 2, 3, 5))
    assert run.refused
    assert run.answered(LOOSE, pb.REWARD_OUTCOME_UNKNOWN) == run.answered(STRICT, pb.REWARD_OUTCOME_UNKNOWN) == 0


def test_no_decision_was_applied_twice(run: Run) -> None:
    """No decision got more than one APPLIED, and none was both applied and released."""
    assert max(story.answers[pb.REWARD_OUTCOME_APPLIED] for story in run.stories) == 1
    assert not [story for story in run.stories if story.applied and story.released]


@pytest.mark.parametrize(("level", "limit_usd"), LIMITS_USD.items(), ids=str)
def test_limit_held_at_every_instant(run: Run, level: tuple[str, str], limit_usd: float) -> None:
    """At each sampled instant spent and reserved money lay within the limit, but for booked overrun."""
    workspace, name = level
    accounts = [views[workspace].accounts.get(name, Account()) for _, views in run.samples]
    assert len(accounts) == SAMPLES
    assert max(a.spent_nano + a.reserved_nano - a.overrun_nano for a in accounts) <= round(limit_usd * NANO)


def test_limits_were_tight(run: Run) -> None:
    """At each level with a limit nearly all of it was used, so the shield had something to do."""
    for (workspace, name), limit_usd in LIMITS_USD.items():
        account = run.end[workspace].accounts[name]
        assert account.spent_nano >= (limit_usd - 0.011) * NANO, (name, account)


def test_no_overrun_under_true_ceilings(run: Run) -> None:
    """Without late costs no level ever overran, at no sampled instant and not at the end."""
    views = [views[STRICT] for _, views in run.samples] + [run.end[STRICT]]
    assert {account.overrun_nano for view in views for account in view.accounts.values()} == {0}


def test_pace_held_at_every_instant(run: Run) -> None:
    """A paced domain never had spent and reserved more than its decisions had released."""
    accounts = [views[STRICT].accounts.get("domain/route", Account()) for _, views in run.samples]
    assert all(a.spent_nano + a.reserved_nano <= 4_000_000 * a.decisions for a in accounts)


def test_levels_agreed_at_every_instant(run: Run) -> None:
    """The workspace's account was always the sum of its domains' accounts."""
    for view in (view for _, views in run.samples for view in views.values()):
        domains = [account for level, account in view.accounts.items() if level != "workspace"]
        whole = view.accounts.get("workspace", Account())
        for figure in ("spent_nano", "reserved_nano", "overrun_nano", "decisions"):
            assert getattr(whole, figure) == sum(getattr(account, figure) for account in domains)


def test_counts_agreed_at_every_instant(run: Run) -> None:
    """Arms counted what the domain counted as applied, never less than clients had been told before."""
    for told, views in run.samples:
        assert all(applied(view) == counter(view, "applied") for view in views.values())
        assert sum(applied(view) for view in views.values()) >= told


def test_every_decision_was_in_one_state_at_every_instant(run: Run) -> None:
    """Each decision was open, applied, released or expired, and in exactly one of these."""
    for view in (view for _, views in run.samples for view in views.values()):
        for domain in view.domains.values():
            closed = sum(domain.counters[name] for name in ("applied", "released", "expired"))
            assert domain.counters["decisions"] == domain.open + closed
            assert domain.counters["decisions"] == sum(arm.pulls for arm in domain.arms.values())


@pytest.mark.parametrize("workspace", [STRICT, LOOSE], ids=["strict", "loose"])
def test_counters_are_what_clients_were_told(run: Run, workspace: str) -> None:
    """Applied, duplicate, late and released answers are counted one by one."""
    end, stories = run.end[workspace], run.of(workspace)
    assert counter(end, "applied") == run.answered(workspace, pb.REWARD_OUTCOME_APPLIED)
    assert counter(end, "duplicates") == run.answered(workspace, pb.REWARD_OUTCOME_DUPLICATE)
    assert counter(end, "late") == run.answered(workspace, pb.REWARD_OUTCOME_LATE)
    assert counter(end, "released") == total(stories, lambda story: story.released)
    assert counter(end, "expired") == total(stories, lambda story: not (story.applied or story.released))
    assert counter(end, "refused") == (run.refused if workspace == STRICT else 0)


@pytest.mark.parametrize("workspace", [STRICT, LOOSE], ids=["strict", "loose"])
def test_arms_learned_exactly_what_was_applied(run: Run, workspace: str) -> None:
    """Of each arm, counts, reward sums, sums of squares and costs equal the clients' ledger to the integer."""
    figures = ("pulls", "count", "defaulted", "reward_micro", "reward_sq_nano", "cost_nano")
    for name, domain in run.end[workspace].domains.items():
        learned = [story.learned for story in run.of(workspace, name)]
        for arm in domain.arms.values():
            expected = [sum(getattr(one, f) for one in learned if one.name == arm.name) for f in figures]
            assert [getattr(arm, figure) for figure in figures] == expected, (name, arm.name)


@pytest.mark.parametrize("workspace", [STRICT, LOOSE], ids=["strict", "loose"])
def test_money_is_exact_at_the_end(run: Run, workspace: str) -> None:
    """Spent money and overrun equal the clients' ledger to the nano-dollar, and no reservation is left."""
    end = run.end[workspace]
    expected = {f"domain/{name}": expected_account(run.of(workspace, name)) for name in end.domains}
    assert dict(end.accounts) == expected | {"workspace": expected_account(run.of(workspace))}


def test_nothing_is_open_at_the_end(run: Run) -> None:
    """Once every deadline has passed, no decision is open and nothing is reserved."""
    assert {domain.open for view in run.end.values() for domain in view.domains.values()} == {0}
    assert {account.reserved_nano for view in run.end.values() for account in view.accounts.values()} == {0}
