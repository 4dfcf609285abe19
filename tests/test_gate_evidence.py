"""Three sidecars, one server: the gate's evidence is that of the pure computation on the same log, to the integer.

One run of 20,000 decisions serves all tests here: first in canary, then in live. Rewards come out of order, twice, in
parts, too late or never, through any sidecar, on either transport; one sidecar is killed in the middle of each part
and another takes its place. What the clients were told is the log. The pure computation knows nothing of sidecars,
scripts or arrival.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc
import pytest
from redis.asyncio import Redis

from sidecar.gate.coin import toss
from sidecar.gate.detector import after_epoch
from sidecar.gate.phase import Phase
from sidecar.model.gate import GateState
from sidecar.model.names import Scope
from sidecar.model.units import reward_micro
from sidecar.model.view import DomainView, WorkspaceView
from sidecar.store.connection import Connection
from sidecar.store.keys import domain_keys
from sidecar.store.redis_store import RedisStore
from sidecar.store.transitions import Read
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

from .conftest import SidecarProcess, Sidecars

pytestmark = pytest.mark.timeout(600)

SEED = 20_261_123
CLIENTS = 48
TRANSPORTS = ("grpcio", "native", "grpcio")
PARTS = {"canary": 14_000, "live": 6_000}
WORKSPACE = f"evidence-{secrets.token_hex(4)}"
SCOPE = Scope("default", WORKSPACE, "route")
# So little error, so large an allowance and so long an attempt that canary neither opens nor closes by itself.
CONFIG = """
domains:
  route:
    mode: gated
    policy: {name: epsilon_greedy, parameters: {epsilon: 0.6}}
    reward: {deadline_s: 60}
    gate:
      {alpha: 0.0001, share: 0.3, canary_loss_max: 1000000, live_loss_max: 1000000, shadow_decisions: 100,
       attempt_decisions: 1000000, epoch_decisions: 40, safety_margin: 0.1}
"""
MEANS = {"base": 0.6, "same": 0.6, "worse": 0.45}
FATES = ("rewarded", "twice", "in parts", "part only", "released", "forgotten", "too late")
WEIGHTS = (70, 8, 6, 3, 4, 5, 4)
SHORT_MS = 700


@dataclass(slots=True)
class Entry:
    """One sampled decision, as its client knows it; `reward` is None when none was settled in time."""

    decision_id: str
    exposed: bool
    reward: float | None = None
    safety: float | None = None


@dataclass(slots=True)
class Part:
    """What is known at the end of one part: the clients' log, the view, and each decision's phase, epoch and side."""

    log: dict[str, Entry]
    view: DomainView
    samples: dict[str, tuple[int, int, int]]
    status: pb.GateStatus

    @property
    def gate(self) -> GateState:
        """The gate's state."""
        return self.view.gate

    def of_phase(self) -> list[Entry]:
        """The log of the phase that was present at the end."""
        revision = self.view.control.revision
        return [entry for name, entry in self.log.items() if self.samples.get(name, (-1, 0, 0))[0] == revision]

    def pure(self, entry: Entry, phase: Phase) -> tuple[int, ...]:
        """What the entry adds, by the pure computation."""
        charged = phase.charged(exposed=entry.exposed)
        if entry.reward is None:
            return charged
        safety = None if entry.safety is None else reward_micro(entry.safety)
        settled = phase.settled(reward_micro(entry.reward), safety, exposed=entry.exposed)
        return _sum(charged, settled)


@dataclass(slots=True)
class Fleet:
    """The sidecars; one may be killed and replaced at any time."""

    start: Any
    running: list[SidecarProcess] = field(default_factory=list)
    channels: list[grpc.aio.Channel] = field(default_factory=list)
    stubs: list[LearningStub] = field(default_factory=list)

    async def add(self, at: int | None = None) -> None:
        """Start one, in the place of another if that is given."""
        transport = TRANSPORTS[len(self.running) if at is None else at]
        process = await asyncio.to_thread(self.start, CONFIG, transport=transport)
        channel = grpc.aio.insecure_channel(process.address)
        stub = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        self.channels.append(channel)
        if at is None:
            self.running.append(process)
            self.stubs.append(stub)
        else:
            self.running[at], self.stubs[at] = process, stub

    async def crash(self, at: int) -> None:
        """Kill one, as the machine would, and start another."""
        self.running[at].kill()
        await self.add(at)

    async def call(self, name: str, request: Any, rng: random.Random) -> Any:
        """Call any sidecar; when it is gone, or the store was slow, call another with the same request."""
        for _ in range(200):
            try:
                return await getattr(rng.choice(self.stubs), name)(request, timeout=30)
            except grpc.aio.AioRpcError as error:
                assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED), error  # noqa: PT017
                await asyncio.sleep(0.02)
        pytest.fail(f"{name} found no sidecar")


def _request(decision_id: str, fate: str) -> pb.RecommendRequest:
    return pb.RecommendRequest(
        workspace=WORKSPACE,
        domain="route",
        decision_id=decision_id,
        candidates=[pb.Candidate(arm=arm) for arm in MEANS],
        reward_deadline_ms=SHORT_MS if fate in ("part only", "forgotten", "too late") else None,
        strict=True,
    )


def _report(decision_id: str, *, more: bool = False, **signals: float) -> pb.RewardRequest:
    return pb.RewardRequest(
        workspace=WORKSPACE,
        domain="route",
        decision_id=decision_id,
        signals=pb.Signals(**signals),
        more_to_come=more,
    )


async def _one_decision(fleet: Fleet, decision_id: str, rng: random.Random, log: dict[str, Entry]) -> None:
    """Decide, and do with the reward what fate has in mind; note what must have come of it."""
    fate = rng.choices(FATES, WEIGHTS)[0]
    answer: pb.RecommendResponse = await fleet.call("Recommend", _request(decision_id, fate), rng)
    if rng.random() < 0.05:
        again = await fleet.call("Recommend", _request(decision_id, fate), rng)
        assert again.arm == answer.arm, "a retry gets the same arm"
    entry = Entry(decision_id, exposed=answer.arm != answer.baseline)
    if answer.sampled:
        log[decision_id] = entry
    reward, safety = min(1.0, max(0.0, rng.gauss(MEANS[answer.arm], 0.25))), round(rng.random(), 3)
    await asyncio.sleep(rng.random() ** 4 * 0.4)
    if fate in ("rewarded", "twice"):
        done = await fleet.call("Reward", _report(decision_id, reward=reward, safety=safety), rng)
        if fate == "twice":
            await fleet.call("Reward", _report(decision_id, reward=1.0 - reward), rng)
    elif fate == "in parts":
        await fleet.call("Reward", _report(decision_id, more=True, reward=reward), rng)
        done = await fleet.call("Reward", _report(decision_id, safety=safety), rng)
    elif fate == "part only":
        done = await fleet.call("Reward", _report(decision_id, more=True, reward=reward), rng)
        safety = None
    elif fate == "released":
        await fleet.call(
            "Release", pb.ReleaseRequest(workspace=WORKSPACE, domain="route", decision_id=decision_id), rng
        )
        return
    elif fate == "too late":
        await asyncio.sleep(SHORT_MS / 1000 + 0.05)
        late = await fleet.call("Reward", _report(decision_id, reward=1.0 if entry.exposed else 0.0), rng)
        assert late.outcome == pb.REWARD_OUTCOME_LATE, late
        return
    else:
        return
    # A duplicate is the second try of a report whose answer a crash took away; a late one came after the deadline.
    if done.outcome != pb.REWARD_OUTCOME_LATE:
        entry.reward, entry.safety = reward, safety


async def _drive(fleet: Fleet, part: str, decisions: int) -> dict[str, Entry]:
    """Make so many decisions with many clients, and crash a sidecar on the way."""
    log: dict[str, Entry] = {}
    numbers = count()

    async def client(number: int) -> None:
        rng = random.Random(SEED * 1000 + number)
        while (at := next(numbers)) < decisions:
            if at == decisions // 2:
                await fleet.crash(rng.randrange(3))
            await _one_decision(fleet, f"{part}-{at}", rng, log)

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return log


async def _settled(store: RedisStore, fleet: Fleet) -> DomainView:
    """Wait until every epoch is folded; asking for the status folds what is complete."""
    rng = random.Random(SEED)
    for _ in range(600):
        await fleet.call("Status", pb.StatusRequest(workspace=WORKSPACE), rng)
        whole = await store.apply(Read("default", WORKSPACE))
        assert isinstance(whole, WorkspaceView)
        if not whole.domains["route"].gate.cells:
            return whole.domains["route"]
        await asyncio.sleep(0.1)
    pytest.fail("epochs stay open")


async def _part(fleet: Fleet, store: RedisStore, client: Any, name: str) -> Part:
    log = await _drive(fleet, name, PARTS[name])
    view = await _settled(store, fleet)
    closed = await client.hgetall(domain_keys("learning", SCOPE)[4])
    rng = random.Random(SEED)
    status = await fleet.call("Status", pb.StatusRequest(workspace=WORKSPACE, domain="route"), rng)
    return Part(log, view, dict(_samples(closed)), status.domains[0].gate)


def _samples(closed: dict[bytes, bytes]) -> Iterator[tuple[str, tuple[int, int, int]]]:
    for name, record in closed.items():
        parts = record.decode().split("\t")
        if len(parts) > 1 and parts[7]:
            phase, epoch, side = map(int, parts[7].split(" ")[:3])
            yield name.decode(), (phase, epoch, side)


@asynccontextmanager
async def _fleet(sidecars: Sidecars) -> AsyncIterator[Fleet]:
    fleet = Fleet(sidecars)
    for _ in range(3):
        await fleet.add()
    yield fleet
    for channel in fleet.channels:
        await channel.close()


@pytest.fixture(scope="module")
def transport() -> str:
    """Run once: the sidecars differ among themselves."""
    return TRANSPORTS[0]


@pytest.fixture(scope="module")
def parts(module_sidecars: Sidecars, redis_url: str, admin_url: str) -> dict[str, Part]:
    """Run both parts once: canary by itself from shadow, then live by an operator's pin."""

    async def run() -> dict[str, Part]:
        store = RedisStore(Connection(redis_url, timeout_s=10.0))
        client: Any = Redis.from_url(admin_url)
        async with _fleet(module_sidecars) as fleet:
            canary = await _part(fleet, store, client, "canary")
            pin = pb.SetModeRequest(workspace=WORKSPACE, domain="route", mode=pb.MODE_LIVE, reason="second part")
            await fleet.call("SetMode", pin, random.Random(SEED))
            live = await _part(fleet, store, client, "live")
        await store.close()
        await client.aclose()
        return {"canary": canary, "live": live}

    return asyncio.run(run())


@pytest.fixture(params=["canary", "live"])
def part(request: pytest.FixtureRequest, parts: dict[str, Part]) -> Part:
    """Look at each part."""
    return parts[request.param]


def _sum(row: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(row, more, strict=True))


def test_the_parts_are_what_they_claim_to_be(parts: dict[str, Part]) -> None:
    """Both parts have thousands of samples on both sides, and rewards that are missing on both."""
    for name, part in parts.items():
        entries = part.of_phase()
        assert part.gate.stage == name
        assert len(entries) > PARTS[name] // 4
        for exposed in (False, True):
            side = [entry for entry in entries if entry.exposed is exposed]
            assert len(side) > 150
            assert sum(entry.reward is None for entry in side) > 10


def test_evidence_is_that_of_the_pure_computation(part: Part) -> None:
    """Every sum of the gate equals the sum over the clients' log, in any order, to the nano-nat."""
    phase = Phase(part.gate.terms)
    whole = (0,) * phase.width
    for entry in part.of_phase():
        whole = _sum(whole, part.pure(entry, phase))
    assert part.gate.totals == whole


def test_detector_is_that_of_the_pure_computation(parts: dict[str, Part]) -> None:
    """The detector equals the pure one, run over the log's epochs in their order."""
    part = parts["live"]
    phase, epochs = Phase(part.gate.terms), defaultdict(list)
    for entry in part.of_phase():
        epochs[part.samples[entry.decision_id][1]].append(part.pure(entry, phase))
    assert sorted(epochs) == list(range(1, part.gate.folded + 1))
    detector: tuple[int, ...] = ()
    for number in sorted(epochs):
        sums = (0,) * phase.width
        for row in epochs[number]:
            sums = _sum(sums, row)
        detector = after_epoch(detector, phase.regression(sums))
    assert part.gate.detector == detector


def test_coins_are_those_of_the_salt(part: Part) -> None:
    """Every sample's side is its coin's, so no retry, crash or sidecar tossed another."""
    share = part.gate.terms.share_ppm
    for entry in part.of_phase():
        phase, _, side = part.samples[entry.decision_id]
        assert entry.exposed == bool(side) == toss(part.gate.salt, phase, entry.decision_id, share)


def test_nothing_is_left_unfolded(part: Part) -> None:
    """At the end no exposure holds any of the allowance, and every sample of the phase was counted once."""
    assert part.gate.unfolded_ppm == 0
    assert part.status.decisions == len(part.of_phase())
    assert part.status.unfolded == 0
