"""Goal: what a server lost is put back, once. Method: a server that is emptied, and another that seems to answer."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from sidecar.engine import flows
from sidecar.engine.flow import run
from sidecar.engine.flows import RewardOutcome
from sidecar.engine.recall import Made, PutBack, put_back
from sidecar.errors import StoreMisbehaved
from sidecar.model.decision import Candidate
from sidecar.model.mode import Mode
from sidecar.model.signals import Signals
from sidecar.store import transitions as t
from sidecar.store.connection import Server
from sidecar.store.keys import domain_keys, workspace_key
from tests.gate.conftest import EAGER as GATED
from tests.gate.conftest import Domain

from .conftest import EAGER, Launched, Spooling

MEANS = {"base": 0.2, "new": 0.9}


async def lose_everything(redis_client: Any, one: Spooling) -> None:
    """Take away all that the server has of the workspace."""
    await redis_client.delete(*domain_keys("learning", one.scope), workspace_key("learning", "default", one.workspace))


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


async def test_a_store_that_is_barely_quick_enough_gets_it_all(spooling: Launched, redis_client: Any) -> None:
    """Whenever it misses one, the others go on from there; they do not begin again."""
    one = spooling(EAGER)
    await one.service.server()
    decisions = [await one.recommend("a") for _ in range(40)]
    for decision in decisions[:20]:
        await one.reward(decision, reward=1.0)
    await lose_everything(redis_client, one)
    one.store.run_id, one.store.breath = "two", 6
    await one.service.server()
    await one.until(lambda: one.replayed[("recall", "put_back")] == 40 and one.replayed[("recall", "applied")] == 20)
    one.store.breath = 0
    assert (await one.view()).arm("a").count == 20
    assert (await one.status()).domains["route"].open == 20


async def test_another_failover_forgets_nothing(spooling: Launched, redis_client: Any) -> None:
    """What the second server has not got yet is owed to the third, also when it is older than the window by then."""
    one = spooling(EAGER)
    await one.service.server()
    decisions = [await one.recommend("a") for _ in range(5)]
    for decision in decisions:
        await one.reward(decision, reward=1.0)
    await lose_everything(redis_client, one)
    one.store.mute, one.store.run_id = True, "two"
    await one.service.server()
    recovery, recall = one.service._recovery, one.service._recall
    await one.until(lambda: len(recovery._told) == 5)
    for remembered in (recall._reports, recall._old, recall._young):
        remembered.clear()
    one.store.mute, one.store.run_id = False, "three"
    await one.service.server()
    await one.until(lambda: one.replayed[("recall", "applied")] == 5)
    assert (await one.view()).arm("a").count == 5


async def test_of_a_cluster_some_may_be_silent(spooling: Launched) -> None:
    """Who does not answer for a while is no other server; who is new is."""
    one = spooling(EAGER)
    recovery = one.service._recovery
    for run_ids, another in (("a,b,c", False), ("a,b", False), ("a,b,c", False), ("a,d", True), ("a", False)):
        recovery._is_another = False
        recovery.met(Server("a test's", run_ids))
        assert recovery._is_another is another


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
