"""Takes the store away for a minute, kills the sidecar in the middle, and compares what was learned with a quiet run.

Goal: a report that was acknowledged counts once, whatever was away, and nothing else changes. Method: decisions are
made once, in canary and on a budget, and the store's files are copied. A log of reports from a seed, with cost, latency
and safety, is then told twice to that state: once with nothing amiss, and once with the store killed (SIGKILL) for so
long, the sidecar killed in the middle of that and started on the same spool, and reports coming before, during and
after. In the end every statistic of every arm, every account of money, the gate's evidence and the state of every
decision must be the same integer. Averages that forget (`recent`) depend on the order of reports; they are left out.

    make outage OUTAGE_ARGS="--seconds 60 --json"

The exit status is 1 if anything differs, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from rich.console import Console

from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub
from tests.conftest import PATIENCE, TRANSPORTS, starting_sidecars

from .bench import environment_without, short_directory
from .checks import gate_sums
from .evidence import Ask, read
from .killers import KilledSidecar, Store

WORKSPACE, DOMAIN = "outage", "route"
# So little error, so large an allowance and so long an attempt that canary neither opens nor closes by itself.
CONFIG = """
domains:
  route:
    mode: gated
    policy: {name: epsilon_greedy, parameters: {epsilon: 0.6}}
    reward:
      deadline_s: 86400
      signals: {quality: {weight: 3}, cost_usd: {weight: 1, high: 0.01}, latency_ms: {weight: 1, high: 2000}}
    budget: {limit_usd: 1000, when_exhausted: refuse}
    gate:
      {alpha: 0.0001, share: 0.3, canary_loss_max: 1000000, live_loss_max: 1000000, shadow_decisions: 60,
       attempt_decisions: 1000000, epoch_decisions: 40, safety_margin: 0.1}
workspaces:
  "*": {budget: {limit_usd: 2000, when_exhausted: refuse}}
"""
CEILINGS_USD = {"small": 0.001, "large": 0.01, "cached": 0.0}
QUALITY = {"small": 0.6, "large": 0.9, "cached": 0.2}
PATIENCE_S = 120.0
_CALL_S = 15.0
_AGAIN_S = 0.05
_BEFORE, _DURING = 0.2, 0.6
"""Shares of the log that are told before and during the outage."""

Tell = Callable[[str], None]
Report = pb.RewardRequest | pb.ReleaseRequest


@dataclass(slots=True)
class Told:
    """What came of telling the log: outcomes by name, and times in seconds."""

    outcomes: Counter[str] = field(default_factory=Counter)
    again: int = 0
    """Calls without an answer, which were made again."""
    spooled: int = 0
    outage_s: float = 0.0
    sidecar_away_s: float = 0.0
    replay_s: float = 0.0
    """From the store's return until nothing waited on disk."""


def log_of(arms: dict[str, str], seed: int) -> list[Report]:
    """The reports of decisions, given their arms by id: the same for the same seed.

    Most are told once, some twice, some in two parts that lie far apart, some released, and a few never.
    """
    rng = random.Random(seed)
    keyed: list[tuple[float, Report]] = []
    place = {"workspace": WORKSPACE, "domain": DOMAIN}
    for decision_id, arm in arms.items():
        money = {"cost_usd": round(rng.uniform(0, CEILINGS_USD[arm]), 9), "latency_ms": round(rng.uniform(1, 2500), 1)}
        result = {
            "quality": round(min(1.0, max(0.0, rng.gauss(QUALITY[arm], 0.1))), 6), "safety": round(rng.random(), 3)
        }  # fmt: skip
        way, at = rng.random(), sorted((rng.random(), rng.random()))
        whole = pb.RewardRequest(**place, decision_id=decision_id, signals=pb.Signals(**money, **result))
        if way < 0.6:
            keyed.append((at[0], whole))
        elif way < 0.7:
            keyed += [(one, whole) for one in at]
        elif way < 0.92:
            part = pb.RewardRequest(
                **place, decision_id=decision_id, signals=pb.Signals(**money), more_to_come=True
            )  # fmt: skip
            final = pb.RewardRequest(**place, decision_id=decision_id, signals=pb.Signals(**result))
            keyed += [(at[0], part), (at[1], final)]
        elif way < 0.98:
            keyed.append((at[0], pb.ReleaseRequest(**place, decision_id=decision_id)))
    return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]


async def outage(
    directory: Path,
    *,
    seconds: float,
    decisions: int,
    seed: int = 7,
    transport: str = TRANSPORTS[0],
    tell: Tell = lambda _: None,
) -> dict[str, Any]:
    """Tell the log with and without the outage, and compare.

    Args:
        directory: exists, empty, and short enough for sockets in it.
        seconds: how long the store is away.
        decisions: so many are open when the log begins.
        seed: of the log.
        transport: of the sidecar.
        tell: what is being done.
    """
    tell("decisions")
    (directory / "0").mkdir()
    async with _running(directory / "0", transport) as (store, sidecar):
        arms = await _decided(sidecar, decisions, seed)
        store.kill()  # what it answered is on disk
        for name in ("1", "2"):
            shutil.copytree(directory / "0", directory / name, ignore=_leave_out)
    log, states, runs = log_of(arms, seed), [], []
    for name, away_s in (("1", None), ("2", seconds)):
        async with _running(directory / name, transport) as (store, sidecar):
            runs.append(await _told(log, store, sidecar, away_s, tell))
            states.append(await asyncio.to_thread(state, store.ask))
    differences = different(*states)
    return {
        "seconds": seconds, "outage_s": round(runs[1].outage_s, 1),
        "sidecar_away_s": round(runs[1].sidecar_away_s, 1), "replay_s": round(runs[1].replay_s, 1),
        "seed": seed, "transport": transport, "decisions": decisions, "stage": states[0]["gate stage"],
        "reports": len(log), "spooled": runs[1].spooled, "made_again": runs[1].again,
        "outcomes": dict(runs[1].outcomes), "outcomes_without_outage": dict(runs[0].outcomes),
        "compared": len(states[0] | states[1]), "equal": not differences, "differences": differences,
    }  # fmt: skip


def state(ask: Ask) -> dict[str, Any]:
    """Every figure that must not depend on faults, by name; how often a report was said again may."""
    evidence = read(ask, WORKSPACE)
    domain = evidence.domains[DOMAIN]
    found: dict[str, Any] = {f"arms {name}": n for name, n in domain.figures.items() if name != "duplicates"}
    found |= {f"money {name}": n for name, n in evidence.accounts.items()}
    found |= {f"gate sum {at}": n for at, n in enumerate(gate_sums(domain))}
    found |= {"gate stage": domain.gate.stage, "gate revision": domain.revision}
    return found | {f"decision {name}": one.state for name, one in domain.records.items()}


def different(quiet: Mapping[str, Any], struck: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Figures that are not the same, by name: without and with the outage, None where there is none."""
    pairs = {name: [quiet.get(name), struck.get(name)] for name in {**quiet, **struck}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@asynccontextmanager
async def _running(directory: Path, transport: str) -> AsyncIterator[tuple[Store, KilledSidecar]]:
    """A store on what lies in a directory, and a sidecar."""
    store = Store(directory)
    store.start()
    try:
        with starting_sidecars(store.url, directory, transport) as start:
            environment = environment_without((), directory / "sidecar") | PATIENCE
            sidecar = KilledSidecar(start, CONFIG, store.url, transport, environment)
            await sidecar.start()
            yield store, sidecar
    finally:
        store.kill()


def _leave_out(_: str, names: list[str]) -> set[str]:
    """Copy the store's files only, not its socket."""
    return {name for name in names if not name.startswith("appendonly")}


async def _decided(sidecar: KilledSidecar, decisions: int, seed: int) -> dict[str, str]:
    """Bring the gate into canary, then make decisions that stay open: their arms by id."""
    rng, arms, number = random.Random(seed), {}, 0
    candidates = [pb.Candidate(arm=arm, cost_ceiling_usd=usd) for arm, usd in CEILINGS_USD.items()]
    async with grpc.aio.insecure_channel(sidecar.address) as channel, asyncio.timeout(PATIENCE_S + decisions):
        stub: Any = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        while len(arms) < decisions:
            decision_id, number = f"d{number}", number + 1
            answer = await stub.Recommend(
                pb.RecommendRequest(
                    workspace=WORKSPACE, domain=DOMAIN, decision_id=decision_id, candidates=candidates, strict=True
                ),
                timeout=_CALL_S,
            )
            if answer.mode == pb.MODE_CANARY:
                arms[decision_id] = answer.arm
                continue
            signals = pb.Signals(quality=QUALITY[answer.arm], cost_usd=0, latency_ms=100, safety=round(rng.random(), 3))
            await stub.Reward(
                pb.RewardRequest(workspace=WORKSPACE, domain=DOMAIN, decision_id=decision_id, signals=signals),
                timeout=_CALL_S,
            )
    return arms


async def _told(log: Sequence[Report], store: Store, sidecar: KilledSidecar, away_s: float | None, tell: Tell) -> Told:
    """Tell the log, each report until it is acknowledged; the store is away for so long, or not at all."""
    told = Told()
    first, second = round(len(log) * _BEFORE), round(len(log) * (_BEFORE + _DURING))
    async with grpc.aio.insecure_channel(sidecar.address, options=[("grpc.max_reconnect_backoff_ms", 200)]) as channel:
        stub: Any = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated

        async def part(reports: Sequence[Report], lasts_s: float) -> None:
            began = time.monotonic()
            for number, one in enumerate(reports):
                await asyncio.sleep(max(0.0, began + lasts_s * number / len(reports) - time.monotonic()))
                await _acknowledged(stub, one, told)
            await asyncio.sleep(max(0.0, began + lasts_s - time.monotonic()))

        tell(f"reports, {'no outage' if away_s is None else f'outage of {away_s:g} s'}")
        await part(log[:first], 0.0)
        if away_s is None:
            await part(log[first:], 0.0)
        else:
            began = time.monotonic()
            await asyncio.to_thread(store.kill)
            await asyncio.gather(part(log[first:second], away_s), _killed(sidecar, away_s / 2, told))
            await asyncio.to_thread(store.start)
            told.outage_s = time.monotonic() - began
            await part(log[second:], 0.0)
        began = time.monotonic()
        await _replayed(stub)
        told.replay_s = time.monotonic() - began
    return told


async def _killed(sidecar: KilledSidecar, after_s: float, told: Told) -> None:
    await asyncio.sleep(after_s)
    await asyncio.to_thread(sidecar.kill)
    await sidecar.start()
    told.sidecar_away_s = sidecar.down[-1][1] - sidecar.down[-1][0]


async def _acknowledged(stub: Any, report: Report, told: Told) -> None:
    """Tell one report until it is answered."""
    method = stub.Release if isinstance(report, pb.ReleaseRequest) else stub.Reward
    names = pb.ReleaseOutcome if isinstance(report, pb.ReleaseRequest) else pb.RewardOutcome
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                outcome = (await method(report, timeout=_CALL_S)).outcome
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                told.again += 1
                await asyncio.sleep(_AGAIN_S)
            else:
                name = names.Name(outcome)
                told.outcomes[name.replace("_OUTCOME", "").lower()] += 1
                told.spooled += name.endswith("_SPOOLED")
                return


async def _replayed(stub: Any) -> None:
    """Wait until nothing waits on disk."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            store = (await stub.Status(pb.StatusRequest(workspace=WORKSPACE), timeout=_CALL_S)).store
            if store.reachable and not store.spooled:
                return
            await asyncio.sleep(_AGAIN_S)


def main(arguments: list[str] | None = None) -> int:
    """Take the store away as asked; 0 when nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the store is away")
    parser.add_argument("--decisions", type=int, default=1500)
    parser.add_argument("--transport", choices=TRANSPORTS, default=TRANSPORTS[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    wanted = {"seconds": options.seconds, "decisions": options.decisions, "seed": options.seed}
    try:
        with short_directory() as directory:
            found = asyncio.run(outage(directory, transport=options.transport, tell=console.print, **wanted))
    except KeyboardInterrupt:
        console.print("[red]interrupted; every process that was started has ended")
        return 130
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        console.print(found)
    return 0 if found["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
