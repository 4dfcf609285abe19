"""Goal: failovers cost an app nothing either. Method: short rounds of the bench on Sentinels and on a cluster.

What strikes is written out here, so that a round has a failover of its kind and no more waiting than it needs.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from sidecar.model.names import Scope
from sidecar.store.keys import domain_keys

from .bench import LEASED, LIMITS_USD, failover_bench, short_directory
from .checks import check
from .evidence import PREFIX, Ask, read
from .failovers import failover_schedule
from .faults import Strike
from .rounds import play, summary
from .topology import CLUSTER, SENTINEL, ClusterServers, SentinelServers, Servers
from .truth import Ledger

pytestmark = pytest.mark.timeout(300)

LOAD_S, APPS = 4.0, 24
STRIKES = {
    SENTINEL: [Strike(0.3, "scripts flushed", 0.1, 0), Strike(1.0, "primary killed", 0.1, 0)],
    CLUSTER: [
        Strike(0.3, "slot moved", 0.1, 0), Strike(1.0, "clients killed", 0.1, 1), Strike(1.5, "primary killed", 0.1, 2),
    ],
}  # fmt: skip


@pytest.mark.parametrize("topology", [SENTINEL, CLUSTER])
async def test_a_failover_costs_an_app_nothing(topology: str) -> None:
    """No error, nothing lost, nothing counted twice, no limit exceeded; and a reward that is taken out is missed."""
    with short_directory() as directory:
        async with failover_bench(directory, topology) as running:
            result = await play(running, 1, load_s=LOAD_S, apps=APPS, strikes=STRIKES[topology])
            found = summary([result])
            assert found["violation_list"] == []
            assert found["app_errors_by_status"] == {}
            assert found["failovers"] == 1
            assert found["faults"] == len(STRIKES[topology])
            assert min(found["decisions"], found["acknowledged_rewards"], found["limit_samples"]) > 10

            workspaces = sorted({story.workspace for story in result.ledger.stories.values()})
            assert len(workspaces) == (3 if topology == CLUSTER else 1)
            assert [await _less_one(running.ask, result.ledger, name) for name in workspaces] == [1] * len(workspaces)


async def _less_one(ask: Ask, ledger: Ledger, workspace: str) -> int:
    """Take one reward out of a workspace; return how many are missed."""
    before = await asyncio.to_thread(read, ask, workspace)
    route = before.domains["route"]
    arm = max(route.arms, key=lambda name: route.figure("count", name))
    await asyncio.to_thread(
        ask, "HINCRBY", domain_keys(PREFIX, Scope("default", workspace, "route"))[0], f"count:{arm}", -1
    )
    after = await asyncio.to_thread(read, ask, workspace)
    return check(ledger.inside(workspace), after, LIMITS_USD, leased=LEASED, forgets=True).lost


@pytest.mark.parametrize("servers", [SentinelServers, ClusterServers])
def test_the_same_seed_strikes_alike(servers: type[Servers]) -> None:
    """A schedule is of its seed; each has a failover within two seconds, and in the long run all kinds occur."""
    names = {"blows": servers.blows, "moves": servers.moves, "others": servers.others}
    assert (
        failover_schedule(3, 10.0, **names)
        == failover_schedule(3, 10.0, **names)
        != failover_schedule(4, 10.0, **names)
    )
    for seed in range(20):
        assert any(
            strike.name in servers.blows and strike.at_s <= 2 for strike in failover_schedule(seed, 2.1, **names)
        )
    strikes = failover_schedule(5, 500.0, **names)
    assert {strike.name for strike in strikes} == {*servers.blows, *servers.moves, *servers.others}
    failovers = [strike.at_s for strike in strikes if strike.name in servers.blows]
    assert all(4 <= after - before <= 6 for before, after in pairwise(failovers))
