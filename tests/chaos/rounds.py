"""One round: load under faults, then heal, wait until it is quiet, and compare what was told with what is so."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import grpc
from learning_client.v1 import learning_pb2 as pb
from learning_client.v1.learning_pb2_grpc import LearningStub
from redis import RedisError

from sidecar.store.keys import workspace_key

from .bench import LIMITS_USD, Bench
from .checks import Violation, check, limits_held
from .clients import APPS, CEILINGS_USD, run_apps
from .evidence import PREFIX, awaited, hash_of, money_of, read
from .faults import Strike
from .truth import Asked, Ledger, Verdict

QUIET_S = 60.0
_SAMPLE_GAP_S = 0.02
_QUIET_GAP_S = 0.1
_BEAT_S, _STALL_S = 0.05, 0.5
_BEFORE_S = 2.0

Tell = Callable[[str], None]


@dataclass(slots=True)
class RoundResult:
    """What one round came to; times in seconds."""

    seed: int
    violations: list[Violation]
    lost: int
    double: int
    ledger: Ledger
    struck: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    """Decisions by what the store says of them in the end."""
    load_s: float = 0.0
    """From the first call to the last answer, and until what was struck is whole."""
    samples: int = 0
    quiet_s: float = 0.0
    unpaid: int = 0
    """Degraded answers that named a paid arm in a limited domain, with no money set aside for it."""
    baseline_missed: int = 0
    """Degraded answers that were not the baseline, because there was no money for it."""
    app_errors: list[dict[str, Any]] = field(default_factory=list)
    """Calls without an answer that nothing excuses, and what was struck shortly before their end."""
    failovers_s: list[float] = field(default_factory=list)
    """How long each took until another server was the primary."""


async def play(
    bench: Bench,
    seed: int,
    *,
    load_s: float,
    apps: int = APPS,
    strikes: Sequence[Strike] | None = None,
    ledger: Ledger | None = None,
    tell: Tell = lambda _: None,
) -> RoundResult:
    """Play one round in workspaces of its own; with other strikes than those of the seed if they are given."""
    workspaces, ledger = bench.workspaces(seed), Ledger() if ledger is None else ledger
    strikes = bench.schedule(seed, load_s) if strikes is None else strikes
    before, failed_over = Counter(bench.chaos.struck), len(bench.failovers_s)
    tell("load and faults")
    load_began = time.monotonic()
    until = load_began + load_s
    strict = "degrading" in bench.without
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(_watch(bench, workspaces))
        beating = tasks.create_task(_beat(ledger))
        living = tasks.create_task(
            run_apps(bench.sidecars, ledger, workspaces, seed, until=until, apps=apps, strict=strict)
        )
        striking = tasks.create_task(_strike(bench, strikes))
        await asyncio.wait([living, striking])
        tell("waiting until nothing is overdue or on disk")
        began = time.monotonic()
        found = await asyncio.gather(*(_quiet(bench, workspace) for workspace in workspaces))
        broken = [one for several in found for one in several]
        quiet_s = time.monotonic() - began
        ledger.quiet(time.time() * 1000)
        watching.cancel()
        beating.cancel()
    samples, seen = watching.result()
    tell("checking")
    result = RoundResult(seed, broken + seen, 0, 0, ledger, failovers_s=bench.failovers_s[failed_over:])
    for workspace in workspaces:
        evidence = await asyncio.to_thread(read, bench.ask, workspace)
        found = check(
            ledger.inside(workspace), evidence, LIMITS_USD,
            leased=bench.leased, baseline_usd=CEILINGS_USD["small"], forgets=bench.forgets,
        )  # fmt: skip
        result.violations += found.violations
        result.lost, result.double = result.lost + found.lost, result.double + found.double
        result.states += found.states
    result.struck = bench.chaos.struck - before
    result.app_errors = [_told(one, seed, load_began, bench.chaos.begun) for one in ledger.app_errors]
    result.samples, result.load_s, result.quiet_s = samples, began - load_began, quiet_s
    _outages(result)
    return result


async def _strike(bench: Bench, strikes: Sequence[Strike]) -> None:
    await bench.chaos.carry_out(strikes)
    await bench.chaos.heal()


async def _beat(ledger: Ledger) -> None:
    """Notice when this process stands still, until cancelled."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(_BEAT_S)
        if time.monotonic() - before > _STALL_S:
            ledger.stalls.append((before, time.monotonic()))


async def _watch(bench: Bench, workspaces: Sequence[str]) -> tuple[int, list[Violation]]:
    """Read the accounts on the store itself, again and again, until cancelled: how often, and what was broken."""
    samples, broken = 0, []
    keys = cycle(workspace_key(PREFIX, "default", workspace) for workspace in workspaces)
    with suppress(asyncio.CancelledError):
        while True:
            try:
                raw = await asyncio.to_thread(bench.ask, "HGETALL", next(keys))
            except (RedisError, OSError):  # it is being killed, stopped or started
                await asyncio.sleep(_SAMPLE_GAP_S)
                continue
            samples += 1
            broken += limits_held(money_of(hash_of(raw)), LIMITS_USD)
            await asyncio.sleep(_SAMPLE_GAP_S)
    return samples, broken[:10]


async def _quiet(bench: Bench, workspace: str) -> list[Violation]:
    """Wait until no report is on disk and no decision open but those whose deadline is far away.

    Sidecars sweep once a second what was used lately, and Status is a use.
    """
    deadline, far_ms = time.monotonic() + QUIET_S, (time.time() + QUIET_S) * 1000
    left = "no sidecar answers"
    while time.monotonic() < deadline:
        await asyncio.sleep(_QUIET_GAP_S)
        try:
            answers = await asyncio.gather(*(_status(sidecar.address, workspace) for sidecar in bench.sidecars))
            opened = await asyncio.to_thread(awaited, bench.ask, workspace, far_ms)
        except grpc.aio.AioRpcError as error:
            left = f"Status: {error.code()}"
            continue
        except (RedisError, OSError) as error:
            left = f"the store: {error}"
            continue
        opened |= {f"spooled {at}": _spooled(answer) for at, answer in enumerate(answers) if _spooled(answer)}
        if not opened and all(answer.store.reachable for answer in answers):
            return []
        left = f"open: {opened}"
    return [Violation("I5 open", workspace, f"{left} {QUIET_S:g} s after the last fault")]


async def _status(address: str, workspace: str) -> pb.StatusResponse:
    async with grpc.aio.insecure_channel(address) as channel:
        answer: pb.StatusResponse = await LearningStub(channel).Status(
            pb.StatusRequest(workspace=workspace), timeout=5, wait_for_ready=True
        )
        return answer


def _spooled(answer: pb.StatusResponse) -> int:
    """How many reports wait on the sidecar's disk, where this version says so."""
    return int(getattr(answer.store, "spooled", 0))


def _outages(result: RoundResult) -> None:
    """Look at what was answered while the store was away: no paid arm without money that was set aside for it."""
    for story in result.ledger.stories.values():
        for answer in story.degraded:
            result.baseline_missed += answer.arm != answer.baseline
            limited = story.domain != "prompt"
            if limited and CEILINGS_USD.get(answer.arm, 0.0) > answer.reserved_usd + 1e-12:
                result.unpaid += 1
    if result.unpaid:
        what = f"{result.unpaid} degraded answers named a paid arm without money set aside"
        result.violations.append(Violation("I1 promised", f"round-{result.seed}", what))


def _told(one: Asked, seed: int, load_began: float, begun: Sequence[tuple[float, str]]) -> dict[str, Any]:
    return {
        "round": seed,
        "sidecar": one.sidecar,
        "status": one.failure,
        "at_s": round(one.began - load_began, 3),
        "took_s": round(one.took_s, 3),
        "struck": [f"{at - load_began:.3f} {what}" for at, what in begun if one.began - _BEFORE_S < at < one.ended],
    }


def summary(results: list[RoundResult]) -> dict[str, Any]:
    """All rounds together, as plain values."""
    recommends = [one for result in results for one in result.ledger.recommends]
    took = sorted(one.took_s for one in recommends if not one.killed)
    stories = [story for result in results for story in result.ledger.stories.values()]
    failures = [result.ledger.failures() for result in results]
    app, covered, stalled = (
        dict(sum((one[kind] for one in failures), Counter())) for kind in ("app", "covered", "stalled")
    )
    refused = dict(sum((result.ledger.refused_rewards for result in results), Counter()))
    violations = [v._asdict() for result in results for v in result.violations]
    violations += [{"rule": "client raised", "where": "app", "what": r} for x in results for r in x.ledger.raised]
    violations += [
        {"rule": "status", "where": k, "what": f"{v} times"} for x in results for k, v in x.ledger.broken.items()
    ]
    return {
        "rounds": len(results),
        "faults": sum(sum(result.struck.values()) for result in results),
        "faults_by_kind": dict(sorted(sum((result.struck for result in results), Counter()).items())),
        "violations": len(violations),
        "violations_by_rule": dict(Counter(one["rule"] for one in violations)),
        "violation_list": violations[:50],
        "app_errors": sum(app.values()),
        "app_errors_by_status": app,
        "app_error_list": [one for result in results for one in result.app_errors][:50],
        "covered_by_client": covered,
        "machine_stalled": stalled,
        "lost_rewards": sum(result.lost for result in results),
        "double_counted": sum(result.double for result in results),
        "refused_rewards": refused,
        "recommends": len(recommends),
        "degraded": sum(len(story.degraded) for story in stories),
        "degraded_not_baseline": sum(result.baseline_missed for result in results),
        "decisions": sum(story.answer is not None for story in stories),
        "decisions_by_state": dict(sum((result.states for result in results), Counter())),
        "acknowledged_rewards": sum(result.ledger.acknowledged for result in results),
        "spooled_rewards": sum(story.spooled for story in stories),
        "maybes": sum(story.verdict is Verdict.MAYBE for story in stories),
        "limit_samples": sum(result.samples for result in results),
        "recommend_p50_ms": _quantile(took, 0.5),
        "recommend_p99_ms": _quantile(took, 0.99),
        "recommend_max_ms": _quantile(took, 1.0),
        "failovers": sum(len(result.failovers_s) for result in results),
        "failover_max_s": round(max((one for result in results for one in result.failovers_s), default=0.0), 2),
        "load_mean_s": _mean([result.load_s for result in results]),
        "quiet_mean_s": _mean([result.quiet_s for result in results]),
        "quiet_max_s": round(max((result.quiet_s for result in results), default=0.0), 2),
    }


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 2) if values else 0.0


def _quantile(ordered: list[float], share: float) -> float | None:
    """In milliseconds; None of nothing."""
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else None
