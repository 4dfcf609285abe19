"""Goal: what waited, or was lost, is made up for in order and once. Method: a store that is cut off on command."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.clock import SystemClock
from sidecar.engine import flows
from sidecar.engine.flow import run
from sidecar.engine.flows import ReleaseOutcome, RewardOutcome
from sidecar.engine.recall import Made, PutBack, Told, put_back
from sidecar.engine.service import LearningService
from sidecar.errors import InvalidInput, Overloaded, StoreError, StoreMisbehaved, StoreUnavailable
from sidecar.model.decision import Candidate
from sidecar.model.mode import Mode
from sidecar.model.signals import Signals
from sidecar.settings.file import Configuration, Document
from sidecar.settings.flags import Flags
from sidecar.spool.spool import Limits, Spool
from sidecar.store import transitions as t
from sidecar.store.connection import Connection, Server
from sidecar.store.keys import domain_keys, workspace_key
from sidecar.store.redis_store import RedisStore
from tests.gate.conftest import EAGER as GATED
from tests.gate.conftest import Domain

from .conftest import EAGER, Sidecar

PATIENCE_S = 30.0
MEANS = {"base": 0.2, "new": 0.9}
WEIGHED = EAGER | {"reward": {"signals": {"quality": {"weight": 1}, "safety": {"weight": 1}}}}


class CutStore(RedisStore):
    """The store on the server, unless it is `away`, or `strange` about a decision; it says that it is `run_id`."""

    away = False
    deaf = False
    strange = ""
    run_id = "one"

    async def apply(self, transition: t.Transition, until: float = float("inf")) -> t.Reply:
        """Apply one transition; `deaf`, its answer is lost."""
        if self.away:
            raise StoreUnavailable("apply")
        if isinstance(transition, t.Settle) and transition.decision_id == self.strange:
            raise StoreMisbehaved("settle", "?")
        reply = await super().apply(transition, until)
        if self.deaf:
            raise StoreUnavailable("apply")
        return reply

    async def apply_all(self, transitions: Sequence[t.Transition], until: float) -> list[t.Reply | StoreError]:
        """Apply several, one after the other."""
        outcomes: list[t.Reply | StoreError] = []
        for one in transitions:
            try:
                outcomes.append(await self.apply(one, until))
            except StoreError as error:
                outcomes.append(error)
        return outcomes

    async def server(self) -> Server:
        """Say who it is."""
        if self.away:
            raise StoreUnavailable("asking what it is")
        return Server("a test's", self.run_id)


@dataclass(slots=True)
class Spooling(Sidecar):
    """A service with a spool, on a store that can be cut off; counts what became of what was sent again."""

    store: CutStore = field(default_factory=lambda: pytest.fail("given"))
    replayed: Counter[tuple[str, str]] = field(default_factory=Counter)
    recovering: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start to recover in the background."""
        self.recovering = asyncio.create_task(self.service.recover_forever())

    async def drained(self) -> None:
        """Wait until nothing waits any more."""
        await self.until(lambda: not self.service.spooled)

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait patiently."""
        async with asyncio.timeout(PATIENCE_S):
            while not happened():  # noqa: ASYNC110 - counters set no event
                await asyncio.sleep(0.01)


Launched = Callable[..., Spooling]


@pytest.fixture
async def spooling(redis_url: str, workspace: str, tmp_path: Path) -> AsyncIterator[Launched]:
    """Make services with a spool in the test's workspace."""
    made: list[Spooling] = []

    def make(route: Any = WEIGHED, *, spool: bool = True, **options: Any) -> Spooling:
        store = CutStore(Connection(redis_url, timeout_s=10.0))
        configuration = Configuration(msgspec.convert({"domains": {"route": route}}, Document))
        clock, replayed = SystemClock(), Counter[tuple[str, str]]()
        place = Spool(tmp_path / "spool", "00000000", options.pop("limits", Limits()), clock) if spool else None
        flags = Flags(options.pop("environment", {}))
        service = LearningService(
            store, configuration, flags, clock, spool=place, replayed=lambda *what: replayed.update([what]), **options
        )
        made.append(Spooling(service, workspace, store=store, replayed=replayed))
        made[-1].begin()
        return made[-1]

    yield make
    for one in made:
        assert one.recovering
        one.recovering.cancel()
        await asyncio.wait({one.recovering})
        await one.service.close()


async def lose_everything(redis_client: Any, one: Spooling) -> None:
    """Take away all that the server has of the workspace."""
    await redis_client.delete(*domain_keys("learning", one.scope), workspace_key("learning", "default", one.workspace))


async def test_parts_of_a_report_are_replayed_in_order(spooling: Launched) -> None:
    """The final report counts together with the partial ones before it, however many decisions there are."""
    one = spooling()
    decisions = [await one.recommend("a") for _ in range(100)]
    one.store.away = True
    for decision in decisions:
        assert (await one.reward(decision, final=False, quality=1.0)).outcome is RewardOutcome.SPOOLED
    for decision in decisions:
        assert (await one.reward(decision, safety=0.0)).outcome is RewardOutcome.SPOOLED
    one.store.away = False
    await one.drained()
    arm = (await one.view()).arm("a")
    assert (arm.count, arm.reward_mean) == (100, 0.5)
    assert one.replayed == {("spool", "collected"): 100, ("spool", "applied"): 100}


async def test_newer_reports_go_behind_older_ones(spooling: Launched) -> None:
    """Although the store is back: a final report that overtook would make the partial one a duplicate."""
    one = spooling()
    assert one.recovering
    one.recovering.cancel()
    decision = await one.recommend("a")
    one.store.away = True
    await one.reward(decision, final=False, quality=1.0)
    one.store.away = False
    assert (await one.reward(decision, safety=0.0)).outcome is RewardOutcome.SPOOLED
    assert await one.release(decision) is ReleaseOutcome.SPOOLED
    one.begin()
    await one.drained()
    assert (await one.view()).arm("a").reward_mean == 0.5
    assert one.replayed[("spool", "already_closed")] == 1
    assert (await one.reward(decision, safety=0.0)).outcome is RewardOutcome.DUPLICATE


async def test_report_whose_answer_was_lost_counts_once(spooling: Launched) -> None:
    """It was applied, and is spooled, for nobody could know; its replay is a duplicate."""
    one = spooling()
    decision = await one.recommend("a")
    one.store.deaf = True
    assert (await one.reward(decision, quality=1.0)).outcome is RewardOutcome.SPOOLED
    one.store.deaf = False
    await one.drained()
    assert (await one.view()).arm("a").count == 1
    assert one.replayed == {("spool", "duplicate"): 1}


async def test_batch_with_the_store_away(spooling: Launched) -> None:
    """Each item is spooled or says what is wrong with it; behind others too."""
    one = spooling()
    decisions = [await one.recommend("a") for _ in range(3)]
    told = [Told(one.scope, decision.decision_id, Signals(quality=1.0)) for decision in decisions]
    wrong = Told(one.scope, decisions[0].decision_id, Signals(cost_usd=-1.0))
    one.store.away = True
    for _ in range(2):
        *taken, refused = await one.service.reward_all([*told, wrong])
        assert [getattr(outcome, "outcome", outcome) for outcome in taken] == [RewardOutcome.SPOOLED] * 3
        assert isinstance(refused, InvalidInput)
    one.store.away = False
    await one.drained()
    assert (await one.view()).arm("a").count == 3


async def test_report_that_proves_unusable_is_counted(spooling: Launched, caplog: pytest.LogCaptureFixture) -> None:
    """Whether a cost alone makes a reward, only the store knew; the log has the report, and others go on."""
    one = spooling()
    first, second = await one.recommend("a"), await one.recommend("a")
    one.store.away = True
    await one.reward(first, cost_usd=0.25)
    await one.reward(second, quality=1.0)
    one.store.away = False
    await one.drained()
    assert one.replayed == {("spool", "rejected"): 1, ("spool", "applied"): 1}
    assert '"cost_usd":0.25' in caplog.text


async def test_unknown_decisions_are_counted_and_said_once(
    spooling: Launched, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as those that were answered while the store was away."""
    one = spooling()
    one.store.away = True
    for number in range(5):
        await one.reward(f"nobody-{number}", quality=1.0)
    one.store.away = False
    await one.drained()
    assert one.replayed == {("spool", "unknown"): 5}
    assert caplog.text.count("nobody knows") == 1


async def test_strange_answer_does_not_hold_up_others_for_ever(
    spooling: Launched, caplog: pytest.LogCaptureFixture
) -> None:
    """After some attempts the record goes to the log, whole, and the next ones are replayed."""
    one = spooling()
    first, second = await one.recommend("a"), await one.recommend("a")
    one.store.strange = first.decision_id
    one.store.away = True
    await one.reward(first, quality=1.0)
    await one.reward(second, quality=1.0)
    one.store.away = False
    await one.drained()
    # The second went along with the first from the beginning; in order it is noted only after it.
    assert one.replayed == {("spool", "misbehaved"): 1, ("spool", "duplicate"): 1}
    assert (await one.view()).arm("a").count == 1
    assert [r for r in caplog.records if r.levelno == logging.ERROR and first.decision_id in r.getMessage()]


async def test_misbehaving_store_is_not_spooled_for(spooling: Launched) -> None:
    """Who gets an answer that makes no sense is told so."""
    one = spooling()
    decision = await one.recommend("a")
    one.store.strange = decision.decision_id
    with pytest.raises(StoreMisbehaved):
        await one.reward(decision, quality=1.0)
    assert one.service.spooled == 0


async def test_without_a_spool(spooling: Launched) -> None:
    """As it always was."""
    one = spooling(spool=False)
    decision = await one.recommend("a")
    one.store.away = True
    with pytest.raises(StoreUnavailable):
        await one.reward(decision, quality=1.0)
    with pytest.raises(StoreUnavailable):
        await one.release(decision)


async def test_switched_off_spools_nothing(spooling: Launched) -> None:
    """A domain that does not learn has no use for reports."""
    one = spooling(environment={"ENABLE_RL_ROUTING": "0"})
    one.store.away = True
    assert (await one.reward("d", quality=1.0)).outcome is RewardOutcome.UNKNOWN
    assert one.service.spooled == 0


async def test_full_spool_refuses_a_batch_whole(spooling: Launched) -> None:
    """Nothing of what is refused is kept."""
    one = spooling(limits=Limits(records_max=3))
    decisions = [await one.recommend("a") for _ in range(4)]
    one.store.away = True
    await one.reward(decisions[0], quality=1.0)
    await one.release(decisions[1])
    await one.reward(decisions[2], quality=1.0)
    with pytest.raises(Overloaded):
        await one.reward(decisions[3], quality=1.0)
    one.store.away = False
    await one.drained()
    assert (await one.view()).arm("a").count == 2


# --- a server that lost something


async def test_lost_decision_is_put_back_when_its_report_comes(spooling: Launched, redis_client: Any) -> None:
    """Before anybody noticed that another server answers: the reward counts, and the money is right."""
    one = spooling(EAGER | {"budget": {"limit_usd": 1}})
    decision = await one.recommend(Candidate("a", 300_000_000))
    await lose_everything(redis_client, one)
    assert (await one.reward(decision, reward=1.0, cost_usd=0.2)).outcome is RewardOutcome.APPLIED
    account = (await one.status()).accounts["domain/route"]
    assert (account.spent_nano, account.reserved_nano, account.overrun_nano) == (200_000_000, 0, 0)


async def test_another_server_gets_what_it_lost(spooling: Launched, redis_client: Any) -> None:
    """Decisions of the window, rewarded or not, reports and releases; once more changes nothing."""
    one = spooling(EAGER | {"budget": {"limit_usd": 1}})
    await one.service.server()
    decisions = [await one.recommend(Candidate("a", 100_000_000)) for _ in range(5)]
    await one.reward(decisions[0], reward=1.0, cost_usd=0.05)
    await one.reward(decisions[1], final=False, cost_usd=0.02)
    await one.release(decisions[2])
    before = await one.status()
    await lose_everything(redis_client, one)
    for run_id in ("two", "three"):
        one.store.run_id = run_id
        one.replayed.clear()
        await one.service.server()
        await one.until(lambda: sum(one.replayed.values()) == 8)
        after = await one.status()
        assert after.accounts == before.accounts
        assert after.domains["route"].open == before.domains["route"].open == 3
        arms = [view.domains["route"].arm("a") for view in (before, after)]
        assert len({(arm.pulls, arm.count, arm.reward_micro, arm.cost_nano) for arm in arms}) == 1
    assert one.replayed[("recall", "known")] == 5
    assert (await one.reward(decisions[3], reward=0.5)).outcome is RewardOutcome.APPLIED


async def test_report_waits_for_another_sidecars_decision(spooling: Launched, redis_client: Any) -> None:
    """The sidecar that took the report may be the first to notice; the one that decided puts the decision back."""
    decider, reporter = spooling(EAGER), spooling(EAGER)
    for one in (decider, reporter):
        await one.service.server()
    decision = await decider.recommend("a")
    await reporter.reward(decision, reward=1.0)
    await lose_everything(redis_client, decider)
    for one in (reporter, decider):
        one.store.run_id = "two"
        await one.service.server()
        await asyncio.sleep(0.2)
    await reporter.until(lambda: reporter.replayed[("recall", "applied")] == 1)
    assert (await decider.view()).arm("a").count == 1


async def test_recall_switched_off(spooling: Launched, redis_client: Any) -> None:
    """Then what is lost is lost, and said to be unknown."""
    one = spooling(EAGER, recall_s=0.0)
    decision = await one.recommend("a")
    await lose_everything(redis_client, one)
    assert (await one.reward(decision, reward=1.0)).outcome is RewardOutcome.UNKNOWN


async def test_forgotten_decision_is_not_put_back(spooling: Launched) -> None:
    """One that the store may have settled and forgotten would count twice."""
    one = spooling(EAGER | {"reward": {"remember_s": 1}})
    decision = await one.recommend("a")
    await one.reward(decision, reward=1.0)
    made = one.service._recall.decision(one.scope, decision.decision_id)
    assert made
    with pytest.raises(StopIteration) as done:
        next(put_back(one.service.learner(one.scope), made, 0.5))
    assert done.value.value is PutBack.KNOWN


def in_canary() -> tuple[Domain, Made]:
    """Bring a domain to canary, and make a decision there that is evidence."""
    domain, made = Domain(GATED), []
    domain.learner._decided = lambda issue, issued: made.append(Made(0.0, issue, issued.offer))
    domain.until(Mode.CANARY, MEANS)
    made.clear()
    while not (made and made[-1].issue.menu.offers[made[-1].offer].sampled):
        domain.recommend()
    lost = msgspec.structs.replace(made[-1].issue, decision_id="lost")
    return domain, made[-1]._replace(issue=lost)


def in_evidence(domain: Domain) -> int:
    """Count the decisions that the gate has not folded yet."""
    return sum(cell.count for cell in domain.gate.cells.values())


def test_put_back_decision_is_evidence() -> None:
    """In the phase of its coin it is what it was, once."""
    domain, lost = in_canary()
    before, view = in_evidence(domain), domain.view
    assert run(put_back(domain.learner, lost, 1.0), domain.store) is PutBack.PUT_BACK
    assert run(put_back(domain.learner, lost, 1.0), domain.store) is PutBack.KNOWN
    assert (in_evidence(domain), domain.view.open) == (before + 1, view.open + 1)


def test_put_back_decision_of_another_phase_is_no_evidence() -> None:
    """Its coin had other odds; it is recorded all the same."""
    domain, lost = in_canary()
    before = in_evidence(domain)
    stale = lost._replace(issue=msgspec.structs.replace(lost.issue, known_revision=-1))
    assert run(put_back(domain.learner, stale, 1.0), domain.store) is PutBack.PUT_BACK
    assert in_evidence(domain) == before
    assert run(flows.reward(domain.learner, "lost", Signals(reward=1.0), final=True), domain.store).arm


def test_put_back_decision_for_which_the_gate_has_no_room() -> None:
    """It is recorded without being evidence."""
    domain, lost = in_canary()
    flow = put_back(domain.learner, lost, 1.0)
    first = next(flow)
    second = flow.send(t.Short())
    assert isinstance(first, t.Issue)
    assert isinstance(second, t.Issue)
    assert [one.menu.offers[0].sampled for one in (first, second)] == [True, False]


def test_put_back_gives_up_on_what_it_does_not_understand() -> None:
    """A reply to another question is no reason to go on for ever."""
    domain, lost = in_canary()
    flow = put_back(domain.learner, lost, 1.0)
    next(flow)
    with pytest.raises(StoreMisbehaved):
        flow.send(t.Closed())
