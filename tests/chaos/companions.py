"""What four protections are for: the same small outage with each of them, and without it.

Goal: show the failure that a protection prevents, and nothing else. Method: a store that is killed at a known moment,
with decisions waiting for their rewards, and then one that takes connections and answers no script (CLIENT PAUSE
WRITE): a server that answers nobody at all is noticed without a breaker, for no connection to it is made. So many calls
of each kind are made one after the other, so that no figure depends on what a random fault happens to meet, nor, but
for the breaker's, on the speed of the machine. `--without` of `make chaos` switches a protection off in rounds of
random faults.

    make chaos CHAOS_ARGS="--companions --json"
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import grpc

from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

from .bench import LEASED, STORE_TIMEOUT_MS, SingleBench, bench, short_directory
from .evidence import PREFIX, hash_of, money_of, read

CALLS = 40
"""Of each kind."""
_TOGETHER = 4
"""So many callers ask at once while the store hangs."""
_CALL_S = 20.0
_PATIENCE_S = 60.0
_AGAIN_S = 0.05
_PLACE = "companions"
_CEILINGS_USD = {"small": 0.001, "cached": 0.0}
_UNANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run came to; of `CALLS` calls each, but for the last two."""

    refused_rewards: int
    """Reports that were not acknowledged while the store was away."""
    uncounted_rewards: int
    """Decisions among them whose reward does not count when the store is back."""
    app_errors: int
    """Recommend calls without an answer while the store was away."""
    paid_answers: int
    """Recommend calls in a limited domain that were answered with an arm that costs something."""
    slow_share: float
    """Of Recommend calls while the store hangs, those that took more than half of its time-out."""
    p99_ms: float
    """Of these calls."""


class Companion(NamedTuple):
    """The figure that shows a protection, and by how much it has to be higher without it for that to be clear."""

    figure: str
    least: float
    """Below 0: it has to be lower without, by so much."""


COMPANIONS = {
    "spool": Companion("refused_rewards", CALLS / 2),
    "degrading": Companion("app_errors", CALLS / 2),
    "lease": Companion("paid_answers", -CALLS / 2),
    "breaker": Companion("slow_share", 0.3),
}


async def companions(tell: Any = lambda _: None) -> dict[str, Any]:
    """Run with everything, then without each; a protection by name with its figures, and whether all are clear."""
    tell("with all protections")
    whole = await figures(())
    found: dict[str, Any] = {}
    for name, one in COMPANIONS.items():
        tell(f"without {name}")
        found[name] = beside(one, whole, await figures((name,)))
    return {"calls": CALLS, "companions": found, "clear": all(one["clear"] for one in found.values())}


def beside(companion: Companion, whole: Figures, without: Figures) -> dict[str, Any]:
    """A protection's figure with it and without it, whether that is clear, and all other figures."""
    mine, theirs = asdict(whole), asdict(without)
    more = theirs[companion.figure] - mine[companion.figure]
    return {
        "figure": companion.figure, "with": mine[companion.figure], "without": theirs[companion.figure],
        "clear": more >= companion.least if companion.least > 0 else more <= companion.least,
        "all_with": mine, "all_without": theirs,
    }  # fmt: skip


async def figures(without: Collection[str]) -> Figures:
    """Run once, without some protections."""
    with short_directory() as directory:
        async with (
            bench(directory, 7, without) as running,
            grpc.aio.insecure_channel(running.sidecars[0].address) as channel,
        ):
            stub: Any = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
            away = await _store_away(running, stub)
            took = await _store_hangs(running, stub)
    slow = sum(one > STORE_TIMEOUT_MS / 2000 for one in took) / len(took)
    return Figures(**away, slow_share=round(slow, 3), p99_ms=round(1000 * took[int(0.99 * len(took))], 1))


async def _store_away(running: SingleBench, stub: Any) -> Mapping[str, int]:
    """Kill the store, report and ask while it is away, start it and see what counts."""
    waiting = [await _recorded(stub, "route") for _ in range(CALLS)]
    await _recorded(stub, LEASED)
    if running.leased:
        await _until(lambda: asyncio.to_thread(_leased, running))
    await asyncio.to_thread(running.store.kill)
    signals = pb.Signals(reward=0.5, cost_usd=0)
    reports = [
        pb.RewardRequest(workspace=_PLACE, domain="route", decision_id=one, signals=signals) for one in waiting
    ]  # fmt: skip
    outcomes = [await _answer(stub.Reward, one) for one in reports]
    strict = "degrading" in running.without
    answers = [await _answer(stub.Recommend, _ask(LEASED, strict=strict)) for _ in range(CALLS)]
    await asyncio.to_thread(running.store.start)
    await _until(lambda: _back(stub))
    evidence = await asyncio.to_thread(read, running.ask, _PLACE)
    records = evidence.domains["route"].records
    return {
        "refused_rewards": outcomes.count(None),
        "uncounted_rewards": sum(records[one].state != "rewarded" for one in waiting),
        "app_errors": answers.count(None),
        "paid_answers": sum(one is not None and _CEILINGS_USD[one.arm] > 0 for one in answers),
    }


async def _store_hangs(running: SingleBench, stub: Any) -> list[float]:
    """Ask while no script is answered: how long each call took, in seconds, shortest first."""
    took: list[float] = []

    async def caller() -> None:
        for _ in range(CALLS // _TOGETHER):
            began = time.monotonic()
            await _answer(stub.Recommend, _ask("prompt"))
            took.append(time.monotonic() - began)

    await _recorded(stub, "prompt")
    await asyncio.to_thread(running.ask, "CLIENT", "PAUSE", round(_PATIENCE_S * 1000), "WRITE")
    await asyncio.gather(*(caller() for _ in range(_TOGETHER)))
    await asyncio.to_thread(running.ask, "CLIENT", "UNPAUSE")
    return sorted(took)


def _ask(domain: str, *, strict: bool = False) -> pb.RecommendRequest:
    candidates = [pb.Candidate(arm=arm, cost_ceiling_usd=usd) for arm, usd in _CEILINGS_USD.items()]
    return pb.RecommendRequest(
        workspace=_PLACE, domain=domain, decision_id=secrets.token_hex(12), candidates=candidates, strict=strict,
        reward_deadline_ms=600_000,
    )  # fmt: skip


async def _recorded(stub: Any, domain: str) -> str:
    """Ask until a decision is recorded: its id."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            answer = await _answer(stub.Recommend, _ask(domain))
            if answer is not None and not answer.degraded:
                return str(answer.decision_id)
            await asyncio.sleep(_AGAIN_S)


async def _answer(method: Any, request: Any) -> Any:
    """The answer, or None where there is none."""
    try:
        return await method(request, timeout=_CALL_S)
    except grpc.aio.AioRpcError as error:
        if error.code() not in _UNANSWERED:
            raise
        return None


def _leased(running: SingleBench) -> bool:
    """Whether money is set aside for outages; sidecars see to that once a second."""
    raw = hash_of(running.ask("HGETALL", f"{PREFIX}:1:{{default/{_PLACE}}}:workspace"))
    return bool(money_of(raw).leases)


async def _back(stub: Any) -> bool:
    """Whether the sidecar has found its store again, and nothing waits on disk."""
    answer = await _answer(stub.Status, pb.StatusRequest(workspace=_PLACE))
    return answer is not None and answer.store.reachable and not answer.store.spooled


async def _until(so: Any) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not await so():  # noqa: ASYNC110 - another process has to change
            await asyncio.sleep(_AGAIN_S)
