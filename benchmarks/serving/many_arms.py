"""A domain that knows many arms: they come by a restored snapshot, as an operator would bring them."""

from __future__ import annotations

import json
import time
from typing import Any

from serving import bodies
from serving.bench import Bench
from serving.closed_loop import Ask, ClosedLoop
from serving.errors import WrongAnswer
from serving.load import ONE
from serving.probe import Probe
from serving.servers import Server
from sidecar.v1 import learning_pb2 as pb

KNOWN, ASKED = 10_000, 100
FEW, MANY = "3 arms known, 3 asked", f"{KNOWN:,} arms known, {ASKED} asked"
SLOWEST = f"the slowest command with {KNOWN:,} arms"
_REWARDS, _PAUSE_S = 5, 0.06
_EACH = 10


def round_of(bench: Bench, loop: ClosedLoop) -> None:
    """Quickness at one in flight with 3 arms, then with 10,000; and what it costs the store at worst."""
    indices = range(0, KNOWN, KNOWN // ASKED)
    request = bodies.recommend(indices)
    many = Ask(MANY, body=bench.starts.body("many-arms", request.SerializeToString()))
    few = Ask(FEW, body=bench.starts.body("few-arms", bodies.recommend().SerializeToString()))
    for transport in bench.transports:
        server = bench.servers[f"ours/{transport}"]
        # What another sidecar changes has to be fetched.
        other = next((bench.servers[f"ours/{one}"] for one in bench.transports if one != transport), server)
        loop.run(server, ONE, few)
        bench.store.empty()
        teach(other.probe, KNOWN)
        bench.store.forget_statistics()
        server.probe.recommend(request)
        first = bench.store.slowest_us()
        loop.run(server, ONE, many, keep=True)
        changing = _with_rewards(bench, server, other, request)
        bench.store.forget_statistics()
        server.probe.decisions()
        bench.note(server.name, SLOWEST, first_us=first, rewards_us=changing, status_us=bench.store.slowest_us())
        bench.store.empty()


def teach(probe: Probe, arms: int) -> None:
    """Restore a snapshot in which so many arms have some rewards each."""
    probe.recommend()
    document: dict[str, Any] = json.loads(probe.stub.Snapshot(pb.SnapshotRequest()).document_json)
    domain = document["domains"][bodies.DOMAIN]
    domain["arms"] = {bodies.arm(k): _rewarded(k) for k in range(arms)}
    domain["counters"] |= {"decisions": _EACH * arms, "applied": _EACH * arms}
    done = probe.stub.Restore(pb.RestoreRequest(document_json=json.dumps(document)))
    if [one.action for one in done.domains] != [pb.RESTORE_ACTION_RESTORED]:
        raise WrongAnswer(f"the snapshot was not restored: {done}")


def _rewarded(index: int) -> dict[str, int]:
    """Rewards that are all the same, between 0.4 and 0.6: sums that such rewards can have."""
    micro = 400_000 + index * 7919 % 200_000
    return {
        "pulls": _EACH,
        "count": _EACH,
        "reward_micro": _EACH * micro,
        "reward_sq_nano": _EACH * ((micro * micro + 999) // 1000),
    }


def _with_rewards(bench: Bench, server: Server, other: Server, request: pb.RecommendRequest) -> int:
    """The slowest command while rewards at another sidecar change the statistics, so that this one fetches them."""
    bench.store.forget_statistics()
    for _ in range(_REWARDS):
        answer = server.probe.recommend(request)
        other.probe.stub.Reward(
            pb.RewardRequest(
                domain=request.domain, decision_id=answer.decision_id, signals=pb.Signals(reward=0.5, cost_usd=0.001)
            )
        )
        time.sleep(_PAUSE_S)  # longer than statistics may grow old
    return bench.store.slowest_us()
