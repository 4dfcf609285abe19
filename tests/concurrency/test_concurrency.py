"""Many clients, two sidecars, one server: whatever the order of events, every figure is exact.

One run of 20,000 decisions serves all tests here. In the workspace `strict` no cost is reported late, so there
must be no overrun at all; in `loose` costs come late and exhausted budgets execute the cheapest arm, so the
overrun must be exactly what the clients know was spent beyond reservations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from sidecar.model.units import NANO
from sidecar.model.view import Account, WorkspaceView
from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Sidecars

from .clients import CONFIG, DECISIONS, LIMITS_USD, LOOSE, SAMPLES, STRICT, Fate, Run, Story, carry_out

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def run(module_sidecars: Sidecars, redis_url: str, transport: str) -> Run:
    """Carry out the run on two sidecars, once for each transport, with keys of its own."""
    own = {"LEARNING_STORE_TIMEOUT_MS": "30000", "LEARNING_KEY_PREFIX": f"run-{transport}"}
    addresses = [module_sidecars(CONFIG, environment=own).address for _ in range(2)]
    return asyncio.run(carry_out(addresses, redis_url, f"run-{transport}"))


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


@pytest.mark.parametrize(
    ("level", "limit_usd"), LIMITS_USD.items(), ids=[f"{whose.partition('-')[0]} {what}" for whose, what in LIMITS_USD]
)
def test_limit_held_at_every_instant(run: Run, level: tuple[str, str], limit_usd: float) -> None:
    """At each sampled instant spent and reserved money lay within the limit, but for booked overrun."""
    workspace, name = level
    accounts = [views[workspace].accounts.get(name, Account()) for _, views in run.samples]
    assert len(accounts) == SAMPLES
    assert max(a.spent_nano + a.reserved_nano - a.overrun_nano for a in accounts) <= round(limit_usd * NANO)


def test_limits_were_tight(run: Run) -> None:
    """At each level with a limit nearly all of it was used, so the shield had something to do.

    What the very last decisions gave back nobody can spend any more: a ceiling, or a hundredth of a large limit.
    """
    for (workspace, name), limit_usd in LIMITS_USD.items():
        account = run.end[workspace].accounts[name]
        assert account.spent_nano >= (limit_usd - max(0.011, limit_usd / 100)) * NANO, (name, account)


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
