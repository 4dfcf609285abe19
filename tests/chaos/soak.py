"""Loads two sidecars at about half of what they can take, for long, and sees whether anything grows.

Goal: a sidecar that runs for weeks. Method: a steady rate of decisions, half of what a short calibration reached, whose
rewards come, come late or never; memory, descriptors, threads, calls in flight, and the sizes of the sets of open and
of closed decisions are read every few seconds. What is to stay flat is judged by its slope over the second half.

    make soak SOAK_ARGS="--minutes 30 --json"

Closed decisions are remembered for `reward.remember_s`, here 20 s, so that their number, too, has to level off.
The exit status is 1 if something grows, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from learning_client import AsyncLearningClient
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sidecar.model.names import Scope
from sidecar.store.keys import domain_keys

from .bench import SingleBench, bench, short_directory
from .evidence import PREFIX
from .usage import descriptors, grows, rss_kb, second_half, slope

WORKSPACE = "soak"
CONFIG = """
defaults:
  mode: ungated
  reward: {deadline_s: 5, remember_s: 20}
domains:
  route: {policy: {name: thompson}, budget: {limit_usd: 1000000, window: hour}}
"""
FLAT_PER_HOUR = {"rss_kb": 6_144.0, "descriptors": 6.0, "threads": 4.0, "pending": 2_000.0, "settled": 20_000.0}
"""What may grow by no more than this in an hour, going by the slope of the second half. Below that is noise."""
NOISE_STEPS = {"rss_kb": 3_072.0, "descriptors": 3.0, "threads": 2.0, "pending": 300.0, "settled": 3_000.0}
"""And what may come at once."""
SETTLE_S = 120.0
"""A verdict needs so long a second half: what was done in the last minute is remembered, and fills up first."""
_WORKERS = 32
_ARMS = {"small": 0.001, "large": 0.01}


class Load:
    """Apps that decide at a steady rate.

    Args:
        clients: of the sidecars.
    """

    def __init__(self, clients: Sequence[AsyncLearningClient]) -> None:
        """Nothing done yet."""
        self._clients = clients
        self._rng = random.Random(7)
        self.done = self.fallbacks = 0

    async def run(self, seconds: float, per_s: float | None) -> float:
        """Decide for so long, at that rate or as fast as can be; the rate that was reached."""
        began, before = time.monotonic(), self.done
        until = began + seconds
        gap = _WORKERS / per_s if per_s else 0.0

        async def worker(number: int) -> None:
            following = began + gap * number / _WORKERS
            while time.monotonic() < until:
                await asyncio.sleep(max(0.0, following - time.monotonic()))
                await self._decide(self._clients[number % len(self._clients)])
                following = max(following + gap, time.monotonic() - 1.0)  # a second that was lost is not caught up with

        await asyncio.gather(*(worker(number) for number in range(_WORKERS)))
        return (self.done - before) / (time.monotonic() - began)

    async def _decide(self, client: AsyncLearningClient) -> None:
        decision = await client.recommend("route", list(_ARMS), cost_ceilings_usd=_ARMS)
        self.done += 1
        self.fallbacks += decision.degraded
        way = self._rng.random()
        if way < 0.9:
            await client.reward(decision, reward=self._rng.random(), cost_usd=self._rng.random() * 0.001)
        elif way < 0.95:
            await client.release(decision)  # the rest is never heard of again


async def soak(minutes: float, tell: Any) -> dict[str, Any]:
    """Load for so long, and judge."""
    with short_directory() as directory:
        async with AsyncExitStack() as stack:
            running = await stack.enter_async_context(bench(Path(directory), 7, config=CONFIG))
            clients = [
                await stack.enter_async_context(AsyncLearningClient(one.address, workspace=WORKSPACE, timeout_ms=5000))
                for one in running.sidecars
            ]
            load = Load(clients)
            tell("calibrating", 0.0)
            capacity = await load.run(8.0, None)
            rows: list[dict[str, float]] = []
            seconds = minutes * 60
            loading = asyncio.create_task(load.run(seconds, capacity / 2))
            began = time.monotonic()
            while not loading.done():
                rows.append(await asyncio.to_thread(sample, running, time.monotonic() - began))
                tell(f"{load.done} decisions", min(1.0, rows[-1]["at_s"] / seconds))
                await asyncio.wait([loading], timeout=max(1.0, min(10.0, seconds / 60)))
            return {
                "minutes": minutes,
                "capacity_per_s": round(capacity, 1),
                "reached_per_s": round(await loading, 1),
                "decisions": load.done,
                "fallbacks": load.fallbacks,
                **judged(rows),
                "samples": rows,
            }


def sample(running: SingleBench, at_s: float) -> dict[str, float]:
    """What the sidecars and the store hold now; the sidecars' figures added up."""
    row: dict[str, float] = {"at_s": round(at_s, 1), "rss_kb": 0, "descriptors": 0, "threads": 0, "in_flight": 0}
    for one in running.sidecars:
        row["rss_kb"] += rss_kb(one.pid)
        row["descriptors"] += descriptors(one.pid)
        row["threads"] += sum(1 for _ in Path(f"/proc/{one.pid}/task").iterdir())
        with urllib.request.urlopen(f"http://127.0.0.1:{one.management_port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                name, _, value = line.rpartition(" ")
                if name in ("learning_in_flight", "learning_native_calls", "learning_asyncio_tasks"):
                    row[name.removeprefix("learning_")] = row.get(name.removeprefix("learning_"), 0) + float(value)
    keys = domain_keys(PREFIX, Scope("default", WORKSPACE, "route"))
    row["pending"], row["settled"] = running.store.ask_all([("HLEN", keys[2]), ("HLEN", keys[4])])
    row["store_rss_kb"] = rss_kb(running.store.pid)
    return row


def judged(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Slopes an hour over the second half, and what they say; too short a run says nothing."""
    points = {name: [(row["at_s"], row[name]) for row in rows] for name in FLAT_PER_HOUR}
    slopes = {name: 3600 * slope(second_half(one)) for name, one in points.items()}
    times = [at for at, _ in second_half(points["rss_kb"])]
    long_enough = bool(times) and times[-1] - times[0] >= SETTLE_S
    growing = [
        name
        for name, most in FLAT_PER_HOUR.items()
        if long_enough and grows(points[name], most / 3600, NOISE_STEPS[name])
    ]
    verdict = f"grows: {', '.join(growing)}" if growing else "flat" if long_enough else "too short to tell"
    return {"slopes_per_hour": {name: round(one, 1) for name, one in slopes.items()}, "verdict": verdict}


def main(arguments: list[str] | None = None) -> int:
    """Soak as asked; 0 when nothing grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("starting", total=1.0)
            found = asyncio.run(
                soak(options.minutes, lambda what, share: progress.update(task, description=what, completed=share))
            )
    except KeyboardInterrupt:
        console.print("[red]interrupted; every process that was started has ended")
        return 130
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    brief = {name: value for name, value in found.items() if name != "samples"}
    console.print(brief)
    return 1 if found["verdict"].startswith("grows") else 0


if __name__ == "__main__":
    sys.exit(main())
