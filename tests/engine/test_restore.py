"""Snapshot and restore on the real server: everything comes back, or nothing happens."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engine.snapshot import account_fields, differences, from_json, snapshot_of, to_json, view_of
from sidecar.engine.workspace import RestoreAction
from sidecar.errors import InvalidInput, RestoreConflict
from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.decision import Candidate
from sidecar.model.mode import Mode
from sidecar.model.view import Account, DomainView, WorkspaceView
from sidecar.policies.thompson import ThompsonSamplingBandit
from sidecar.store import transitions as t
from sidecar.store.redis_store import RedisStore
from tests.conftest import RedisStores

from .conftest import EAGER, Launch, Sidecar

SEEDED = EAGER | {"policy": {"name": "thompson", "seed": 42}}
NATURAL = st.integers(0, 2**62)


async def wipe(client: Any, workspace: str) -> None:
    """Delete all keys of a workspace."""
    keys = [key async for key in client.scan_iter(f"*{workspace}*")]
    await client.delete(*keys)


async def taught(launch: Launch) -> Sidecar:
    """Make a sidecar that has learned and spent something."""
    one = launch(SEEDED)
    await one.teach({"a": 0.3, "b": 0.7}, rounds=4)
    return one


def at(document: dict[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """Find a part of a document."""
    for key in path:
        document = document[key]
    return document


async def test_wiped_workspace_comes_back(launch: Launch, redis_client: Any, workspace: str) -> None:
    """After a loss of all keys a restore brings every integer back, and the same next 100 decisions."""
    one = await taught(launch)
    snapshot, before = await one.snapshot(), await one.status()
    expected = [(await one.recommend("a", "b", "c")).arm for _ in range(100)]
    await wipe(redis_client, workspace)
    assert (await one.status()).domains == {}
    other = launch(SEEDED)
    assert (await other.restore(snapshot))["route"].action is RestoreAction.RESTORED
    after = await other.status()
    assert after.accounts == before.accounts
    assert (after.domains["route"].arms, after.domains["route"].counters) == (
        before.domains["route"].arms, before.domains["route"].counters,
    )  # fmt: skip
    assert [(await other.recommend("a", "b", "c")).arm for _ in range(100)] == expected
    assert len(set(expected)) > 1


async def test_snapshot_goes_on_where_it_was_taken(launch: Launch, redis_client: Any, workspace: str) -> None:
    """The very sidecar that lost its server decides on what was restored at its next decision."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    await wipe(redis_client, workspace)
    await one.recommend("a", "b")
    await one.restore(snapshot)
    assert (await one.recommend("a", "b")).propensity not in (0.5, 1.0)


async def test_second_restore_changes_nothing(launch: Launch) -> None:
    """A workspace that already is as in the snapshot is left as it is."""
    one = await taught(launch)
    version = (await one.view()).version
    done = await one.restore(await one.snapshot())
    assert (done["route"].action, done["route"].differences) == (RestoreAction.UNCHANGED, ())
    assert (await one.view()).version == version


async def test_dry_run_tells_and_changes_nothing(launch: Launch) -> None:
    """A rehearsal lists each figure that would change, and changes none."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    await one.teach({"a": 1.0}, rounds=1)
    before = await one.status()
    done = await one.restore(snapshot, dry_run=True)
    assert "arm a count: 5 -> 4" in done["route"].differences
    assert "applied: 9 -> 8" in done["route"].differences
    after = await one.status()
    assert (after.accounts, after.domains["route"].arms) == (before.accounts, before.domains["route"].arms)


async def test_money_spent_never_becomes_unspent(launch: Launch) -> None:
    """A restore of an old snapshot leaves what was spent since then spent."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    await one.teach({"a": 1.0}, rounds=5)
    await one.restore(snapshot)
    assert (await one.status()).accounts["workspace"].spent_nano == 13 * 1_000_000
    assert (await one.view()).arm("a").count == 4


async def test_money_comes_back_although_no_domain_does(launch: Launch, redis_client: Any, workspace: str) -> None:
    """What was spent is restored even if every domain of the snapshot is unknown or of another policy."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    snapshot["domains"]["mine"] = snapshot["domains"].pop("route")
    await wipe(redis_client, workspace)
    assert (await one.restore(snapshot))["mine"].action is RestoreAction.IGNORED_UNKNOWN_DOMAIN
    assert (await one.status()).accounts["workspace"].spent_nano == 8 * 1_000_000


async def test_open_decisions_survive_a_restore(launch: Launch) -> None:
    """Decisions that were open keep their reservation, and their rewards count afterwards."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    decision = await one.recommend(Candidate("a", 500))
    await one.restore(snapshot)
    assert (await one.status()).accounts["workspace"].reserved_nano == 500
    await one.reward(decision, reward=1.0, cost_usd=0.0)
    assert (await one.view()).arm("a").count == 5


async def test_unknown_domain_is_ignored_unless_asked_for(launch: Launch) -> None:
    """A domain that is neither configured nor in the store is restored only on request."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    snapshot["domains"]["mine"] = copy.deepcopy(snapshot["domains"]["route"])
    assert (await one.restore(snapshot))["mine"].action is RestoreAction.IGNORED_UNKNOWN_DOMAIN
    assert (await one.restore(snapshot, create_unknown=True))["mine"].action is RestoreAction.RESTORED
    assert (await one.status()).domains["mine"].arm("b").count == 4


@pytest.mark.parametrize(("key", "value"), [("version", 99), ("name", "ucb1")])
async def test_other_policy_is_skipped(launch: Launch, key: str, value: object) -> None:
    """A domain whose policy is another, or another version of it, is left as it is, and the answer says why."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    await one.teach({"a": 1.0}, rounds=1)
    snapshot["domains"]["route"]["policy"][key] = value
    done = (await one.restore(snapshot))["route"]
    assert done.action is RestoreAction.SKIPPED_POLICY_MISMATCH
    assert str(value) in done.message
    assert (await one.view()).arm("a").count == 5


async def test_only_what_is_selected_is_restored(launch: Launch) -> None:
    """A selection by domain or by policy leaves other domains, and all money, alone."""
    one, other = await taught(launch), launch(SEEDED, domain="prompt")
    await other.teach({"x": 0.5}, rounds=2)
    whole = await one.snapshot()
    assert set((await one.snapshot("prompt"))["domains"]) == {"prompt"}
    assert set((await one.snapshot("thompson"))["domains"]) == {"prompt", "route"}
    await one.teach({"a": 1.0}, rounds=1)
    assert set(await one.restore(whole, policies=frozenset({"route"}))) == {"route"}


async def test_seed_stays_with_reseed(launch: Launch) -> None:
    """With `reseed` the statistics come back and the generator goes on where it is."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    expected = [(await one.recommend("a", "b")).arm for _ in range(60)]
    await one.restore(snapshot, reseed=True)
    assert [(await one.recommend("a", "b")).arm for _ in range(60)] != expected


async def test_declared_parameters_stay_in_force(launch: Launch) -> None:
    """A snapshot with another prior brings its data back, and the configured prior is kept and said to be."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    snapshot["domains"]["route"]["policy"]["parameters"]["prior_weight"] = 20.0
    snapshot["domains"]["route"]["arms"]["a"]["pulls"] = 77
    done = (await one.restore(snapshot))["route"]
    assert "the declared parameters of the policy stay in force" in done.message
    assert one.service.learner(one.scope).policy.parameters()["prior_weight"] == 2.0


POLICY, ARM = ("domains", "route", "policy"), ("domains", "route", "arms", "a")
BROKEN: list[tuple[tuple[str, ...], object, str]] = [
    (("format",), "other", "format"),
    (("version",), 2, "version"),
    (("surprise",), 1, "document"),
    (("tenant",), 7, "tenant"),
    ((*POLICY, "parameters", "prior_weight"), 0, "domains.route.policy.prior_weight"),
    ((*POLICY, "parameters", "prior_mean"), 0, "domains.route.policy.prior_weight"),
    ((*POLICY, "parameters", "prior_mean"), None, "domains.route.policy.parameters.prior_mean"),
    ((*POLICY, "parameters"), {}, "domains.route.policy.parameters"),
    ((*POLICY, "rng", "words_base64"), "AAAA", "domains.route.policy.rng"),
    ((*POLICY, "rng", "version"), 9, "domains.route.policy.rng"),
    ((*ARM, "count"), -1, "domains.route.arms.a.count"),
    ((*ARM, "count"), 1.5, "domains.route.arms.a.count"),
    ((*ARM, "count"), "4", "domains.route.arms.a.count"),
    ((*ARM, "pulls"), 2**63, "domains.route.arms.a.pulls"),
    ((*ARM, "cost_nano"), 2**62 + 1, "domains.route.arms.a.cost_nano"),
    ((*ARM, "reward_micro"), 4_000_001, "domains.route.arms.a.reward_micro"),
    ((*ARM, "reward_sq_nano"), 1, "domains.route.arms.a.reward_sq_nano"),
    ((*ARM, "cost_nano_recent", "recent"), [-1], "domains.route.arms.a.cost_nano_recent.recent.0"),
    (("domains", "route", "arms", ""), {}, "domains.route.arms"),
    (("domains", "route", "counters", "wins"), 1, "domains.route.counters"),
    (("accounts", "workspace", "window"), "decade/1", "accounts.workspace.window"),
    (("accounts", "tenant"), {"window": "total"}, "accounts.tenant"),
    (("accounts", "domain/a\nb"), {"window": "total"}, "accounts.domain/a"),
    (("tenant",), "", "tenant"),
    (("workspace",), "a\x00b", "workspace"),
]


@pytest.mark.parametrize(("path", "value", "field"), BROKEN)
async def test_broken_snapshot_changes_nothing(
    launch: Launch, path: tuple[str, ...], value: object, field: str
) -> None:
    """A document with one impossible value is refused by its path, and not a byte is written."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    await one.teach({"a": 1.0}, rounds=1)
    before = await one.view()
    at(snapshot, path[:-1])[path[-1]] = value
    with pytest.raises(InvalidInput) as refused:
        await one.restore(snapshot)
    assert refused.value.field.removeprefix("document.").startswith(field)
    assert ((await one.view()).version, (await one.view()).arms) == (before.version, before.arms)


@pytest.mark.parametrize("spoilt", ["", "[]", "null", "{", '{"format": NaN}', "\ud800"])
async def test_document_that_is_none(launch: Launch, spoilt: str) -> None:
    """What is not a JSON object is refused."""
    with pytest.raises(InvalidInput, match="document"):
        await launch().restore(spoilt)


async def test_truncated_document_changes_nothing(launch: Launch) -> None:
    """A document cut off anywhere is refused as a whole."""
    one = await taught(launch)
    text = json.dumps(await one.snapshot())
    version = (await one.view()).version
    for length in range(0, len(text) - 1, len(text) // 25):
        with pytest.raises(InvalidInput, match="document"):
            await one.restore(text[:length])
    assert (await one.view()).version == version


class Meddling(RedisStore):
    """Lets somebody else change a workspace between reading and writing it, so many times."""

    def __init__(self, store: RedisStore, other: Sidecar, times: int) -> None:
        """Work on the store's connection."""
        super().__init__(store._connection)
        self._other = other
        self._times = times

    async def apply(self, transition: t.Transition, until: float = math.inf) -> t.Reply:
        """Apply, after somebody else did something."""
        if isinstance(transition, t.Restore) and self._times:
            self._times -= 1
            await self._other.teach({"a": 1.0}, rounds=1)
        return await super().apply(transition, until)


async def test_restore_tries_again_after_a_conflict(launch: Launch, redis_stores: RedisStores) -> None:
    """A reward between reading and writing is noticed, and the restore begins anew."""
    other = await taught(launch)
    snapshot = await other.snapshot()
    await other.teach({"a": 1.0}, rounds=1)
    one = launch(SEEDED, store=Meddling(redis_stores(), other, times=2))
    assert (await one.restore(snapshot))["route"].action is RestoreAction.RESTORED
    assert (await one.view()).arm("a").count == 4


async def test_restless_workspace_is_a_conflict(launch: Launch, redis_stores: RedisStores) -> None:
    """When the workspace changes at every attempt the restore is given up, and nothing was written."""
    other = await taught(launch)
    snapshot = await other.snapshot()
    one = launch(SEEDED, store=Meddling(redis_stores(), other, times=99))
    await other.teach({"a": 1.0}, rounds=1)
    with pytest.raises(RestoreConflict):
        await one.restore(snapshot)
    assert (await one.view()).arm("a").count == 4 + 1 + 5


async def test_snapshot_leaves_the_mode_out(launch: Launch) -> None:
    """Modes belong to operators, not to what was learned: a restore does not touch them."""
    one = await taught(launch)
    snapshot = await one.snapshot()
    await one.mode(Mode.OFF)
    await one.teach({"a": 1.0}, rounds=1)
    await one.restore(snapshot)
    assert (await one.recommend()).mode is Mode.OFF


AVERAGES = st.builds(SlidingAverage, NATURAL, st.lists(NATURAL, min_size=1, max_size=4).map(tuple), NATURAL)


@st.composite
def arms(draw: st.DrawFn) -> Arm:
    """Draw an arm whose sums are possible."""
    micros = draw(st.lists(st.integers(0, 1_000_000), max_size=6))
    squares = sum((micro * micro + 500) // 1000 for micro in micros)
    defaulted = draw(st.integers(0, len(micros)))
    name = draw(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8))
    return Arm(
        name, draw(NATURAL), draw(NATURAL), len(micros) - defaulted, defaulted, sum(micros), squares, draw(NATURAL),
        draw(AVERAGES), draw(AVERAGES),
    )  # fmt: skip


@given(some=st.lists(arms(), max_size=4, unique_by=lambda arm: arm.name), applied=NATURAL)
def test_document_holds_every_integer(some: list[Arm], applied: int) -> None:
    """A view written as a document and read again is the same, whatever its arms are and are called."""
    view = DomainView(arms={arm.name: arm for arm in some}, counters={"applied": applied})
    policies = {"route": ThompsonSamplingBandit().state_dict()}
    document = to_json(snapshot_of("t", "w", WorkspaceView({"route": view}), policies, 7))
    assert differences(view_of(from_json(document).domains["route"]), view) == []


@pytest.mark.parametrize(
    ("saved", "now", "restored"),
    [
        (5, None, 5), (5, Account("total", 3), 5), (5, Account("total", 7), None), (5, Account("total", 5), None),
        (5, Account("day/1", 0), None),
    ],
)  # fmt: skip
def test_accounts_are_only_raised(saved: int, now: Account | None, restored: int | None) -> None:
    """An account is restored when it is of the same window, or of none, and less was spent in it than saved."""
    document = {"workspace": {"window": "total", "spent_nano": saved}}
    plain = {"format": "learning-sidecar/snapshot", "version": 1, "tenant": "t", "workspace": "w", "accounts": document}
    fields = account_fields(from_json(json.dumps(plain)), {} if now is None else {"workspace": now})
    assert fields.get("spent_nano:workspace") == restored
