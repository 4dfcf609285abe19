"""Sends a sidecar what nobody sane would send, on both transports, and sees whether it minds.

Goal: no request, frame or snapshot crashes a sidecar, is answered UNKNOWN or INTERNAL, or changes state when it is
rejected. Method: random and mutated messages of every method and broken frames on the socket, from a seed; then every
request that was rejected is sent once more to a sidecar with state of its own, which is compared (DUMP of each key)
before and after.

Memory is read along the way. A sidecar remembers something of each of the last 20,000 domains, and keys of 65,536, and
this makes new ones all the time; so that such tables are full early on and memory has to be level then, they are cut
to 300 here.

    make fuzz FUZZ_ARGS="--requests 100000 --frames 10000 --json"

The exit status is 1 if anything was found or memory grows, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sidecar.v1 import learning_pb2 as pb
from tests.conftest import PATIENCE, SidecarProcess, Sidecars, starting_sidecars

from .bench import patched, short_directory
from .frames import burst, send
from .killers import Store
from .mutations import ANSWERS, plausible, readable, request
from .usage import Memory, descriptors

CONFIG = """
defaults: {mode: ungated, arms: {large: {cost_ceiling_usd: 0.01}}}
domains:
  route: {budget: {limit_usd: 5, when_exhausted: refuse}}
  prompt: {mode: gated, policy: {name: epsilon_greedy, parameters: {epsilon: 0.3}}}
  retrieval: {reward: {missing_signal: required, signals: {quality: {weight: 2}, cost_usd: {high: 0.01}}}}
"""
ALLOWED = frozenset({"OK", "INVALID_ARGUMENT", "NOT_FOUND", "ABORTED", "RESOURCE_EXHAUSTED"})
"""While the store is well. RESOURCE_EXHAUSTED is for messages that are too long."""
_REJECTED = ("INVALID_ARGUMENT", "NOT_FOUND")
_AT_ONCE = 32
_TOGETHER = 64
_FOUND_MOST = 40
_PREFIX = "quiet"
CALL_S = 60.0
_SAMPLE_EACH = 512
_CUT = """
import functools
whole = functools.lru_cache
functools.lru_cache = lambda maxsize=128, typed=False: (
    whole(min(maxsize, 300) if isinstance(maxsize, int) else maxsize, typed))
from sidecar.engine import continuity, service
service.LEARNERS_MAX = continuity.KNOWN_MAX = 300
"""


@dataclass(slots=True)
class Found:
    """What one transport's run came to; memory by how many requests and bursts of frames had been sent."""

    transport: str
    requests: int = 0
    frames: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    rejected: list[tuple[str, bytes]] = field(default_factory=list)
    checked: int = 0
    memory: Memory = field(default_factory=Memory)
    descriptors: list[int] = field(default_factory=list)

    def problem(self, what: str) -> None:
        """Note something that must not be."""
        self.problem_count += 1
        if len(self.problems) < _FOUND_MOST:
            self.problems.append(what)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "transport": self.transport,
            "requests": self.requests,
            "frames": self.frames,
            "by_status": dict(self.by_status),
            "rejected_sent_again": self.checked,
            "problems": self.problem_count,
            "problem_list": self.problems,
            **self.memory.plain(),
            "descriptors": self.descriptors,
        }


class Target:
    """One sidecar to be asked.

    Args:
        sidecar: that runs.
        found: where to write down what is found.
    """

    def __init__(self, sidecar: SidecarProcess, found: Found) -> None:
        """Connect with the first call."""
        self.sidecar, self._found = sidecar, found
        self._channel = grpc.aio.insecure_channel(sidecar.address)

    async def ask(self, method: str, raw: bytes) -> str:
        """Send one request; the status, and a problem if that must not be."""
        call = self._channel.unary_unary(f"/learning.v1.Learning/{method}")
        try:
            answer = await call(raw, timeout=CALL_S)
        except grpc.aio.AioRpcError as error:
            status, details = error.code().name, str(error.details())
        else:
            status, details = "OK", self._look_at(method, answer)
        if status not in ALLOWED or details.startswith("item "):
            self._found.problem(f"{method} {status} {details[:200]}: {readable(method, raw)}")
        return status

    def _look_at(self, method: str, raw: bytes) -> str:
        """What is wrong inside an answer that is OK: an item that failed badly, or a degraded decision."""
        message: Any = ANSWERS[method].FromString(raw)
        items = message.results if method.endswith("Batch") else [message]
        for item in items:
            if method.endswith("Batch") and item.WhichOneof("result") == "error":
                if item.error.code not in (3, 5, 8, 10):
                    return f"item {item.error.code} {item.error.reason} {item.error.message}"
                continue
            one = item.response if method.endswith("Batch") else item
            if isinstance(one, pb.RecommendResponse) and one.degraded:
                return "item degraded although the store is well"
        return ""

    async def close(self) -> None:
        """Disconnect."""
        await self._channel.close()


async def fuzz(
    store: Store, start: Sidecars, directory: Path, transport: str, *, requests: int, frames: int, seed: int, tell: Any
) -> Found:
    """Send requests, then frames, then what was rejected once more, on one transport; `directory` is for files."""
    found, rng = Found(transport), random.Random(f"{seed} {transport}")
    environment = PATIENCE | {"LEARNING_RECALL_S": "5"} | patched(_CUT, directory)
    sidecar = await asyncio.to_thread(start, CONFIG, transport=transport, environment=environment)
    target = Target(sidecar, found)
    documents: list[str] = []
    for first in range(0, requests, _AT_ONCE):
        if first % (_AT_ONCE * 64) == 0:
            documents = await _documents(target) or documents
        if first % _SAMPLE_EACH == 0:
            _measure(found, sidecar)
        asked = [request(rng, documents) for _ in range(min(_AT_ONCE, requests - first))]
        statuses = await asyncio.gather(*(target.ask(*one) for one in asked))
        found.by_status.update(statuses)
        found.requests += len(asked)
        found.rejected += [one for one, status in zip(asked, statuses, strict=True) if status in _REJECTED]
        tell(len(asked))
    for number in range(0, frames, 16):
        sent = await asyncio.gather(*(send(sidecar.address, burst(rng)) for _ in range(min(16, frames - number))))
        found.frames += sum(sent)
        if not all(sent):
            found.problem(f"{sent.count(False)} connections were refused")
        tell(len(sent))
        if number % 512 == 0:
            await _alive(target, found)
            _measure(found, sidecar)
    await _alive(target, found)
    _measure(found, sidecar)
    await target.close()
    _end(sidecar, found)
    await _sent_again(store, start, found, tell)
    return found


async def _documents(target: Target) -> list[str]:
    """Snapshots of what was learned so far, to be changed and put back."""
    made = []
    for workspace in ("main", "w1"):
        raw = pb.SnapshotRequest(workspace=workspace).SerializeToString()
        answer = await target._channel.unary_unary("/learning.v1.Learning/Snapshot")(raw, timeout=CALL_S)
        made.append(pb.SnapshotResponse.FromString(answer).document_json)
    return [one for one in made if len(one) < 200_000]


def _measure(found: Found, sidecar: SidecarProcess) -> None:
    if sidecar.process.poll() is None:
        found.memory.take(found.requests + found.frames, sidecar.process.pid)
        found.descriptors.append(descriptors(sidecar.process.pid))


async def _alive(target: Target, found: Found) -> None:
    """It still decides, and is the same process."""
    raw = pb.RecommendRequest(domain="route", candidates=[pb.Candidate(arm="cached")]).SerializeToString()
    status = await target.ask("Recommend", raw)
    if status != "OK" or target.sidecar.process.poll() is not None:
        found.problem(f"after frames it answers {status}, exit status {target.sidecar.process.poll()}")


def _end(sidecar: SidecarProcess, found: Found) -> None:
    """It ends as it should, and had nothing to complain of."""
    try:
        sidecar.stop()
    except (AssertionError, UnicodeDecodeError):
        found.problem(f"it ended with {sidecar.process.returncode}")
    log = sidecar.log_path.read_text(encoding="utf-8", errors="replace")  # gRPC itself writes what it was sent
    for line in log.splitlines():
        if "Traceback" in line or " failed" in line or "CRITICAL" in line.upper():
            found.problem(f"log: {line[:300]}")


# --- what was rejected changes nothing


async def _sent_again(store: Store, start: Sidecars, found: Found, tell: Any) -> None:
    parts = [found.rejected[first : first + _TOGETHER] for first in range(0, len(found.rejected), _TOGETHER)]
    while parts:
        sidecar, target = await _quiet(store, start, found)
        while parts and await _all_refused(store, target, parts.pop(), found):
            tell(0)
        await target.close()
        _end(sidecar, found)


async def _quiet(store: Store, start: Sidecars, found: Found) -> tuple[SidecarProcess, Target]:
    """Start a sidecar whose state does not change by itself: no epoch of a gate ends, and no deadline passes."""
    environment = {**PATIENCE, "LEARNING_KEY_PREFIX": _PREFIX}
    await asyncio.to_thread(store.ask, "FLUSHALL")
    config = CONFIG.replace("mode: gated, ", "")
    sidecar = await asyncio.to_thread(start, config, transport=found.transport, environment=environment)
    target, rng = Target(sidecar, found), random.Random(1)
    for _ in range(60):
        await target.ask("Recommend", plausible(rng, "Recommend", []).SerializeToString())
        await target.ask("Reward", plausible(rng, "Reward", []).SerializeToString())
    return sidecar, target


async def _all_refused(store: Store, target: Target, part: list[tuple[str, bytes]], found: Found) -> bool:
    """Send them and compare; False when this sidecar, which knows other decisions, took one: it is quiet no more."""
    before = await asyncio.to_thread(state, store)
    refused = await _refused(target, part)
    if len(refused) < len(part):
        return False
    found.checked += len(part)
    if await asyncio.to_thread(state, store) != before:
        await _blame(store, target, part, found)
    return True


async def _refused(target: Target, part: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Send them; those that are rejected here too."""
    refused = []
    for first in range(0, len(part), _AT_ONCE):
        some = part[first : first + _AT_ONCE]
        statuses = await asyncio.gather(*(target.ask(*one) for one in some))
        refused += [one for one, status in zip(some, statuses, strict=True) if status in _REJECTED]
    return refused


async def _blame(store: Store, target: Target, part: list[tuple[str, bytes]], found: Found) -> None:
    """Find the request that changes state although it is rejected."""
    for method, raw in part:
        before = await asyncio.to_thread(state, store)
        status = await target.ask(method, raw)
        if status in _REJECTED and await asyncio.to_thread(state, store) != before:
            found.problem(f"{method} {status} changed state: {readable(method, raw)}")
            return
    found.problem(f"state changed while {len(part)} requests were rejected, and no single one of them does it again")


def state(store: Store) -> dict[bytes, bytes]:
    """Every key of the quiet sidecar, as the server would write it to disk."""
    keys = sorted(store.ask("KEYS", f"{_PREFIX}:*"))
    return dict(zip(keys, store.ask_all([("DUMP", key) for key in keys]), strict=True))


# --- the command


def main(arguments: list[str] | None = None) -> int:
    """Fuzz as asked; 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="over both transports")
    parser.add_argument("--frames", type=int, default=2_000, help="likewise")
    parser.add_argument("--transport", action="append", choices=("grpcio", "native"), help="only this one")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 120)
    try:
        found = asyncio.run(_run(options, console))
    except KeyboardInterrupt:
        console.print("[red]interrupted; every process that was started has ended")
        return 130
    problems = sum(one["problems"] for one in found["transports"])
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    for one in found["transports"]:
        console.print(f"{one['transport']}: {one['requests']} requests {one['by_status']}, {one['frames']} frames, "
                      f"{one['problems']} problems, memory flat: {one['memory_flat']} "
                      f"({one['rss_slope_kb_per_1000']} KiB per 1000 in the second half)", highlight=False)  # fmt: skip
        for problem in one["problem_list"][:10]:
            console.print(problem, style="red", highlight=False, markup=False)
    return 1 if problems or any(one["memory_flat"] is False for one in found["transports"]) else 0


async def _run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    transports = options.transport or ["grpcio", "native"]
    share = {"requests": options.requests // len(transports), "frames": options.frames // len(transports)}
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    results = []
    with short_directory() as directory, Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        for transport in transports:
            task = progress.add_task(transport, total=sum(share.values()))
            found = await fuzz_on(
                Path(directory), transport, seed=options.seed, tell=lambda n, t=task: progress.advance(t, n), **share
            )
            results.append(found.plain())
    return {"seed": options.seed, "requests": options.requests, "frames": options.frames, "transports": results}


async def fuzz_on(directory: Path, transport: str, *, requests: int, frames: int, seed: int, tell: Any) -> Found:
    """Fuzz one transport with a store of its own, whose files lie in a directory."""
    own = directory / transport
    own.mkdir()
    store = Store(own, durable=False)
    store.start()
    try:
        with starting_sidecars(store.url, own, transport) as start:
            return await fuzz(store, start, own, transport, requests=requests, frames=frames, seed=seed, tell=tell)
    finally:
        store.kill()


if __name__ == "__main__":
    sys.exit(main())
