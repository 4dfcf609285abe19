"""Modes, reading and restoring, on both stores."""

from __future__ import annotations

from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.view import Account, Control, WorkspaceView
from sidecar.store import transitions as t

from .conftest import Subject, Transitions, all_applied, learned, state

OFFER = t.Offer(10, "a", 10, "answer a")
ACCOUNT = {
    "window:workspace": "total", "spent_nano:workspace": 70, "overrun_nano:workspace": 5, "decisions:workspace": 9,
}  # fmt: skip


def restoration(made: Transitions, expected: int = 0, domain: str = "route") -> t.Restoration:
    """Put statistics of one arm back."""
    arms = {"decisions": 3, "pulls:b": 3, "count:b": 2, "reward_micro:b": 900_000, "reward_sq_nano:b": 500_000_000}
    return t.Restoration(made.scope(domain), expected, arms, {"cost_nano:b": "7 1700000000000 5 9"})


async def test_mode_is_set(subject: Subject, made: Transitions) -> None:
    """Each change of the mode has a new revision and tells the mode before."""
    replies = await all_applied(subject, [made.mode("ungated"), made.mode("off", revision=1)])
    assert replies == [t.ModeSet(1, ""), t.ModeSet(2, "ungated")]
    assert (await state(subject)).domains["route"].control == Control(2, "off", "reason for off", "")


async def test_settings_stay_until_others_are_laid(subject: Subject, made: Transitions) -> None:
    """A change without settings keeps those laid before; `{}` takes them away."""
    await all_applied(subject, [made.mode("ungated", '{"arms":{}}'), made.mode("shadow", revision=1)])
    assert (await state(subject)).domains["route"].control.settings_json == '{"arms":{}}'
    await subject.apply(made.mode("shadow", "{}", revision=2))
    assert (await state(subject)).domains["route"].control.settings_json == "{}"


async def test_unknown_workspace_is_empty(subject: Subject) -> None:
    """A workspace that nobody used has no domains and no accounts."""
    assert await state(subject) == WorkspaceView({}, {})


async def test_read_has_all_domains(subject: Subject, made: Transitions) -> None:
    """Every domain of the workspace is read, and none of another one, by name."""
    other = Transitions(f"{made.workspace}-other")
    await all_applied(subject, [other.issue(), made.issue(domain="route"), made.mode("off", domain="prompt")])
    assert list((await state(subject)).domains) == ["prompt", "route"]


async def test_restore_replaces_statistics(subject: Subject, made: Transitions) -> None:
    """What was learned is replaced as a whole, and the version grows."""
    await all_applied(subject, [made.issue("d1", OFFER), made.settle(cost=6)])
    assert await subject.apply(t.Restore("default", made.workspace, (restoration(made, 1),), {})) == t.Restored()
    view = (await state(subject)).domains["route"]
    average = SlidingAverage(7, (5, 9), 1_700_000_000_000)
    arm = Arm("b", pulls=3, count=2, reward_micro=900_000, reward_sq_nano=500_000_000, cost=average)
    assert (view.version, dict(view.arms)) == (2, {"b": arm})
    assert {name: n for name, n in view.counters.items() if n} == {"decisions": 3}


async def test_restore_keeps_decisions_and_control(subject: Subject, made: Transitions) -> None:
    """Open decisions, their money and the mode are not touched by a restore; their rewards count afterwards."""
    await all_applied(subject, [made.mode("ungated"), made.issue("d1", OFFER, revision=1)])
    await subject.apply(t.Restore("default", made.workspace, (restoration(made),), {}))
    view = await state(subject)
    assert (view.domains["route"].open, view.domains["route"].control.mode) == (1, "ungated")
    assert view.accounts["workspace"].reserved_nano == 10
    assert isinstance(await subject.apply(made.settle(cost=1)), t.Applied)


async def test_restore_makes_a_domain(subject: Subject, made: Transitions) -> None:
    """A domain that the store does not have is made."""
    await subject.apply(t.Restore("default", made.workspace, (restoration(made),), {}))
    view = (await state(subject)).domains["route"]
    assert (view.version, view.arm("b").count, view.open) == (1, 2, 0)


async def test_restore_of_another_version_is_a_conflict(subject: Subject, made: Transitions) -> None:
    """When one domain has another version than expected, nothing is written to any, nor to the accounts."""
    await all_applied(subject, [made.issue("d1", OFFER), made.settle(), made.issue("d2", domain="prompt")])
    before = await learned(subject)
    both = (restoration(made, 0, "prompt"), restoration(made, 7, "route"))
    assert await subject.apply(t.Restore("default", made.workspace, both, ACCOUNT)) == t.Conflict()
    assert await learned(subject) == before


async def test_restore_sets_accounts(subject: Subject, made: Transitions) -> None:
    """Accounts get what is restored and keep what is reserved."""
    await subject.apply(made.issue("d1", OFFER))
    await subject.apply(t.Restore("default", made.workspace, (restoration(made),), ACCOUNT))
    accounts = (await state(subject)).accounts
    assert accounts["workspace"] == Account("total", 70, 10, 5, 9)
    assert accounts["domain/route"] == Account("total", 0, 10, 0, 1)


async def test_restore_of_accounts_alone(subject: Subject, made: Transitions) -> None:
    """Accounts can be restored although no domain is."""
    assert await subject.apply(t.Restore("default", made.workspace, (), ACCOUNT)) == t.Restored()
    assert (await state(subject)).accounts == {"workspace": Account("total", 70, 0, 5, 9)}
