"""How far the learner acts: modes, and changes of them while several sidecars run."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from sidecar.engine.gating import ModeChange, ModeChanged
from sidecar.errors import InvalidInput, InvalidSettings, UnknownDomain
from sidecar.model.decision import Source
from sidecar.model.mode import Mode

from .conftest import EAGER, Launch

GREEDY = EAGER | {"policy": {"name": "epsilon_greedy", "parameters": {"epsilon": 0}}}


@pytest.mark.parametrize("mode", ["shadow", "gated"])
async def test_shadow_executes_the_first_and_counts_the_others(launch: Launch, mode: str) -> None:
    """In shadow the first candidate is executed with certainty, and what the policy proposed is counted."""
    one = launch(GREEDY | {"mode": mode})
    await one.teach({"a": 0.2, "b": 0.9}, rounds=4)
    decision = await one.recommend("a", "b")
    view = await one.view()
    told = (decision.arm, decision.proposal, decision.source, decision.propensity, decision.mode)
    assert told == ("a", "b", Source.BASELINE, 1.0, Mode.SHADOW)
    assert (view.counters["shadowed"], view.counters["agreed"], view.arm("b").proposed) == (9, 8, 5)


async def test_what_is_hardly_tried_is_proposed_late(launch: Launch) -> None:
    """In shadow an arm begins a little worse than the baseline, so that it takes more rewards than ungated."""
    shadowed, ungated = launch(GREEDY | {"mode": "shadow"}), launch(GREEDY)
    await shadowed.teach({"a": 0.2, "b": 0.9}, rounds=2)
    assert ((await shadowed.recommend()).proposal, (await ungated.recommend()).proposal) == ("a", "b")


async def test_ungated_executes_what_was_learned(launch: Launch) -> None:
    """Ungated, the policy's choice is executed, and nothing is counted as shadowed."""
    one = launch(GREEDY)
    await one.teach({"a": 0.2, "b": 0.9}, rounds=2)
    decision = await one.recommend("a", "b")
    assert (decision.arm, decision.proposal, decision.source) == ("b", "b", Source.LEARNED)
    assert (await one.view()).counters["shadowed"] == 0


async def test_off_records_nothing(launch: Launch) -> None:
    """Off, the first candidate comes back and the state does not change."""
    one = launch()
    await one.mode(Mode.OFF)
    before = await one.status()
    decisions = [await one.recommend("a", "b") for _ in range(20)]
    after = await one.status()
    assert {(d.arm, d.mode, d.source, d.expires_at_unix_ms) for d in decisions} == {("a", "off", Source.BASELINE, 0)}
    assert (after.accounts, after.domains["route"].counters) == (before.accounts, before.domains["route"].counters)


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW, Mode.CANARY, Mode.LIVE, Mode.GATED])
async def test_other_sidecar_obeys_at_its_next_decision(launch: Launch, mode: Mode) -> None:
    """A mode set by one sidecar is in force in another one at its very next decision; gated begins in shadow."""
    one, other = launch(), launch()
    in_force = Mode.SHADOW if mode is Mode.GATED else mode
    assert (await other.recommend()).mode == Mode.UNGATED
    assert await one.mode(mode) == ModeChanged(Mode.UNGATED, in_force, 1, reinstated=False)
    assert (await other.recommend()).mode == in_force
    assert other.service.mode(other.scope) == in_force


async def test_switched_off_sidecar_notices_within_a_second(launch: Launch) -> None:
    """Where a domain is off, decisions cost no trip to the store, so the end of it is noticed after a second."""
    one, other = launch(), launch()
    await one.mode(Mode.OFF)
    await other.recommend()
    await one.mode(Mode.SHADOW)
    await asyncio.sleep(1.05)
    assert (await other.recommend()).mode == Mode.SHADOW


async def test_settings_laid_over_are_in_force_everywhere(launch: Launch) -> None:
    """Settings given with a mode replace those configured, in every sidecar, until others are given."""
    one, other = launch(), launch()
    await one.mode(Mode.UNGATED, {"policy": {"name": "first"}})
    assert (await other.recommend()).policy == "first"
    await one.mode(Mode.SHADOW)
    assert (await other.recommend()).policy == "first"
    await one.mode(Mode.SHADOW, {})
    assert (await other.recommend()).policy == "thompson"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"policy": {"name": "nonesuch"}}, "policy.name"),
        ({"policy": {"name": "ucb1", "parameters": {"epsilon": 0.1}}}, "policy.epsilon"),
        ({"posterior_refresh_ms": -1}, "settings.posterior_refresh_ms"),
        ({"nonesuch": 1}, "settings"),
        ({"budget": {"limit_usd": "much"}}, "settings.budget.limit_usd"),
        ({"gate": {"share": 0.9}}, "settings.gate.share"),
        ({"mode": "live"}, "settings.mode"),
    ],
)
async def test_wrong_settings_change_nothing(launch: Launch, settings: dict[str, Any], key: str) -> None:
    """Settings that are not allowed are refused by the name of their key, and the mode stays."""
    one = launch()
    with pytest.raises(InvalidInput) as refused:
        await one.mode(Mode.OFF, settings)
    assert refused.value.field == key
    assert (await one.status()).domains == {}


async def test_settings_of_another_version_stay_out_of_force(
    launch: Launch, caplog: pytest.LogCaptureFixture, redis_client: Any, workspace: str
) -> None:
    """Settings in the store that this version does not know are reported, and decisions go on without them."""
    one, other = launch(), launch()
    await one.mode(Mode.UNGATED, {})
    key = f"learning:1:{{default/{workspace}}}:route:gate"
    await redis_client.hset(key, mapping={"settings": '{"of_tomorrow": 1}', "revision": 2})
    with caplog.at_level(logging.WARNING):
        assert (await other.recommend()).policy == "thompson"
    assert "of_tomorrow" in caplog.text


async def test_mode_of_an_unknown_domain(launch: Launch) -> None:
    """A mode can be set for domains that are configured or were used, and for no others."""
    one = launch(domain="mine")
    with pytest.raises(UnknownDomain):
        await one.mode(Mode.OFF)
    await one.recommend()
    await one.mode(Mode.OFF)
    assert (await one.recommend()).mode == Mode.OFF


async def test_long_reason_is_refused(launch: Launch) -> None:
    """A reason has at most 500 characters."""
    one = launch()
    with pytest.raises(InvalidInput, match="reason"):
        await one.service.set_mode(one.scope, ModeChange(Mode.OFF, "x" * 501), None)


@pytest.mark.parametrize("variable", ["ENABLE_RL_GLOBAL", "ENABLE_RL_ROUTING"])
async def test_flag_wins_over_the_mode(launch: Launch, variable: str) -> None:
    """Where a flag is off the first candidate comes back, whatever mode is set, and no report counts."""
    one, off = launch(), launch(environment={variable: "0"})
    decision = await one.recommend()
    await one.mode(Mode.UNGATED)
    assert (await off.recommend()).mode == off.service.mode(off.scope) == Mode.OFF
    assert ((await off.reward(decision, reward=1.0)).outcome, await off.release(decision)) == ("unknown", "unknown")
    assert (await one.view()).open == 1


async def test_flag_keeps_readers_from_changing_anything(launch: Launch) -> None:
    """Where a flag is off, neither status, nor snapshot, nor sweep closes what is overdue."""
    one, off = launch(), launch(environment={"ENABLE_RL_GLOBAL": "0"})
    await one.recommend(reward_deadline_ms=1)
    await asyncio.sleep(0.005)
    await off.recommend()
    await off.snapshot()
    assert (await off.service.sweep(), (await off.view()).open) == (0, 1)
    assert (await one.view()).counters["expired"] == 1


def test_wrong_flag_is_refused(launch: Launch) -> None:
    """A switch that is neither on nor off stops the start."""
    with pytest.raises(InvalidSettings, match="ENABLE_RL_PROMPT"):
        launch(environment={"ENABLE_RL_PROMPT": "maybe"})
