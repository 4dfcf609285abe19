"""The rights of the documented user are enough, and none can be left out."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import pytest

from sidecar.clock import SystemClock
from sidecar.engine.flows import RewardOutcome
from sidecar.engine.gating import ModeChange
from sidecar.engine.recall import Told
from sidecar.engine.service import LearningService
from sidecar.engine.snapshot import to_json
from sidecar.engine.workspace import RestoreAction, RestoreOptions
from sidecar.errors import StoreError
from sidecar.model.decision import Ask, Candidate
from sidecar.model.mode import Mode
from sidecar.model.names import Scope
from sidecar.model.signals import Signals
from sidecar.ops.doctoring.facts import facts_of
from sidecar.ops.doctoring.finding import Level
from sidecar.settings.file import Configuration
from sidecar.settings.flags import Flags
from sidecar.settings.redis_url import target_of
from sidecar.store import transitions as t
from sidecar.store.connection import Connection
from sidecar.store.inquiry import Inquiry
from sidecar.store.keys import domain_keys
from sidecar.store.lua import script, script_names
from sidecar.store.redis_store import RedisStore
from sidecar.store.rights import COURTESY, HARMFUL, NEEDED
from sidecar.store.stream import Stream
from tests.store.conftest import Transitions

from .patients import findings, user

SAMPLED = t.Offer(None, "a", 0, "answer a", sampled=True)


class Cycle:
    """All that a sidecar ever does, on a workspace of its own, as some user."""

    def __init__(self, url: str, admin: Any, workspace: str) -> None:
        """Connect."""
        self.connection = Connection(url, timeout_s=10.0)
        self.store = RedisStore(self.connection)
        self.service = LearningService(self.store, Configuration(), Flags({}), SystemClock())
        self.admin = admin
        self.scope = Scope("default", workspace, "route")
        self.made = Transitions(f"{workspace}-gate")
        self.numbers = count()

    async def run(self) -> None:
        """Do it."""
        await self.admin.script_flush()
        await self.decide()
        await self.administer()
        await self.climb()
        await self.forget()
        await self.service.server()
        await self.go_on_without_scripts()

    async def decide(self) -> None:
        """Decide and report."""
        ask = Ask(self.scope, f"id-{next(self.numbers)}", (Candidate("a"), Candidate("b")), strict=True)
        await self.service.recommend(ask)
        told = await self.service.reward(Told(self.scope, ask.decision_id, Signals(reward=1.0)))
        assert told.outcome is RewardOutcome.APPLIED

    async def administer(self) -> None:
        """Set a mode, take a snapshot, go on, restore it, and ask for the status."""
        await self.service.set_mode(self.scope, ModeChange(Mode.SHADOW, "to see"), None)
        taken = await self.service.snapshot(*self.scope[:2], [])
        await self.decide()
        (done,) = await self.service.restore(*self.scope[:2], to_json(taken), RestoreOptions())
        assert done.action is RestoreAction.RESTORED
        assert (await self.service.status(*self.scope[:2], "")).domains

    async def climb(self) -> None:
        """Let the gate promote, which keeps a checkpoint, and reinstate that."""
        made, sample = self.made, t.Sample(exposed=False, share_ppm=100_000, epoch_decisions=1, epoch_ms=10_000_000)
        await self.store.apply(made.issue("d1", SAMPLED, sample=sample))
        settled = await self.store.apply(made.settle("d1", held=(1,), exposed=(1,)))
        assert isinstance(settled, t.Applied)
        assert settled.view is not None
        await self.store.apply(made.fold(settled.view, new_phase=True, checkpoint="keep"))
        back = await self.store.apply(made.mode("live", revision=1, reinstate=True))
        assert isinstance(back, t.ModeSet)
        assert back.reinstated

    async def forget(self) -> None:
        """Forget decisions that were closed long ago."""
        due = domain_keys("learning", self.made.scope())[3]
        await self.admin.zadd(due, {"d1": 1})
        swept = await self.store.apply(self.made.expire())
        assert isinstance(swept, t.Swept)
        assert (swept.count, await self.admin.zscore(due, "d1")) == (1, None)

    async def go_on_without_scripts(self) -> None:
        """Go on although the server forgets scripts as soon as they are loaded."""
        load = self.connection._load

        async def in_vain(stream: Stream, name: str) -> None:
            await load(stream, name)
            await self.admin.script_flush()

        self.connection._load = in_vain  # type: ignore[method-assign]
        await self.admin.script_flush()
        await self.decide()


async def test_the_described_user_may_do_all_that_a_sidecar_does(patient: str, admin: Any, workspace: str) -> None:
    """The line of the documentation suffices, and no refusal is on the server's record."""
    url = f"unix://{patient}?{await user(admin)}"
    cycle = Cycle(url, admin, workspace)
    await admin.execute_command("ACL", "LOG", "RESET")
    await cycle.run()
    await cycle.service.close()
    assert await admin.execute_command("ACL", "LOG") == []
    found = await findings(url)
    assert found["rights"].level is Level.OK


@pytest.mark.parametrize("right", NEEDED)
async def test_no_right_can_be_left_out(patient: str, admin: Any, workspace: str, right: str) -> None:
    """Without any one of them something does not work, and the doctor names it with the words that grant it."""
    url = f"unix://{patient}?{await user(admin, without=right)}"
    cycle = Cycle(url, admin, workspace)
    with pytest.raises(StoreError):
        await cycle.run()
    await cycle.service.close()

    found = (await findings(url))["rights"]
    assert found.level is Level.PROBLEM
    assert f"+{right}" in found.change
    if right != "eval":  # else it cannot find out which
        assert found.change == f"ACL SETUSER learning ~learning:* +{right}"


async def test_the_name_of_a_connection_is_a_courtesy(patient: str, admin: Any, workspace: str) -> None:
    """A user that may not name itself works all the same."""
    cycle = Cycle(f"unix://{patient}?{await user(admin, without=COURTESY[0])}", admin, workspace)
    await cycle.run()
    await cycle.service.close()


def test_every_command_of_a_script_is_among_the_rights() -> None:
    """A script that calls another command has to be given the right to it here."""
    called = {
        word.lower()
        for name in script_names()
        for word in re.findall(r"redis\.p?call\(\s*'([A-Za-z]+)'", script(name).source)
    }
    assert called <= set(NEEDED)
    assert not set(NEEDED) & set(HARMFUL)


async def test_the_user_of_a_prefix_has_no_other_keys(patient: str, admin: Any) -> None:
    """Another prefix than the user's is told as a right that is missing."""
    target = target_of(f"unix://{patient}?{await user(admin)}")
    asking = Inquiry(target, 10.0)
    facts = await facts_of(asking, target, "others", 10_000.0)
    await asking.close()
    assert facts.denied is not None
    assert {"hget", "hset", "evalsha", "del"} <= set(facts.denied)
    assert not {"time", "info", "script|load"} & set(facts.denied)
