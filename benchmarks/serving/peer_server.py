"""A server that answers Recommend as others would: run as a process of its own.

`fixed` answers the same full-size response always: what the gRPC stack alone costs. `ping` does so after one PING over
the sidecar's own connection, which many calls share: the least that a sidecar can cost which asks a store. `store` runs
the sidecar's own script once and then answers so: what the stack and the store cost together. `naive` is the sidecar
that a good engineer writes in a day: parse, look at little, draw by Thompson sampling from statistics in memory, one
EVALSHA of the same script, answer. It checks no names, keeps no exact propensity, has no gate, no shields but the
script's money, no replay, no degraded answer, no metrics.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import hiredis
from redis.asyncio import BlockingConnectionPool, Redis

if __name__ == "__main__":  # a command, not an installed package
    sys.path.insert(0, str(Path(__file__).parents[1]))

from serving import bodies
from serving.redis_work import RedisWork, fresh_id
from sidecar.settings.redis_url import target_of
from sidecar.store.endpoint import Endpoint
from sidecar.store.stream import Stream
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningServicer, add_LearningServicer_to_server

_PING = b"*1\r\n$4\r\nPING\r\n"
_CONNECTIONS = 64  # no call of the load ever waits for one
_PATIENCE_S = 10.0
_FULL = pb.RecommendResponse(
    arm=bodies.arm(0), outcome=pb.RECOMMEND_OUTCOME_CHOSEN, decision_id="0" * 32, propensity=0.5,
    baseline=bodies.arm(0), proposal=bodies.arm(1), mode=pb.MODE_SHADOW, source=pb.SOURCE_BASELINE,
    expires_at_unix_ms=1_800_000_000_000, policy="thompson", statistics_version=1, reserved_usd=0.001, sampled=True,
)  # fmt: skip

Execute = Callable[[tuple[Any, ...]], Awaitable[Any]]


class Fixed(LearningServicer):
    """Always the same answer."""

    async def Recommend(self, request: pb.RecommendRequest, context: Any) -> pb.RecommendResponse:  # noqa: ANN401, ARG002, N802 - generated
        """Answer."""
        return _FULL


class Pinged(LearningServicer):
    """The same answer after one PING."""

    def __init__(self, stream: Stream) -> None:
        """Keep the connection."""
        self._stream = stream

    async def Recommend(self, request: pb.RecommendRequest, context: Any) -> pb.RecommendResponse:  # noqa: ANN401, ARG002, N802 - generated
        """Answer."""
        await self._stream.execute(_PING, lasting=False)
        return _FULL


class Stored(LearningServicer):
    """The same answer after one EVALSHA."""

    def __init__(self, execute: Execute, work: RedisWork) -> None:
        """Keep what is needed."""
        self._execute, self._work = execute, work

    async def Recommend(self, request: pb.RecommendRequest, context: Any) -> pb.RecommendResponse:  # noqa: ANN401, ARG002, N802 - generated
        """Answer."""
        await self._execute(self._work.command())
        return _FULL


class Naive(LearningServicer):
    """Draw, record, answer."""

    def __init__(self, execute: Execute, work: RedisWork) -> None:
        """Start with no statistics of any arm."""
        self._execute, self._work = execute, work
        self._statistics: dict[str, tuple[float, float]] = {}

    async def Recommend(self, request: pb.RecommendRequest, context: Any) -> pb.RecommendResponse:  # noqa: ANN401, N802 - generated
        """Answer."""
        if not request.domain or not request.candidates:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a domain and candidates are needed")
        names = [candidate.arm for candidate in request.candidates]
        draws = {name: random.betavariate(*self._statistics.get(name, (1.0, 1.0))) for name in names}
        chosen = max(draws, key=draws.__getitem__)
        decision_id = request.decision_id or fresh_id()
        work = self._work
        reply = await self._execute(
            ("EVALSHA", work.script.sha, len(work.keys), *work.keys, *work.arguments(decision_id))
        )
        return pb.RecommendResponse(
            arm=names[0], outcome=pb.RECOMMEND_OUTCOME_CHOSEN, decision_id=decision_id, propensity=1.0,
            baseline=names[0], proposal=chosen, mode=pb.MODE_SHADOW, source=pb.SOURCE_BASELINE,
            expires_at_unix_ms=int(reply[1]), policy="thompson", statistics_version=int(reply[0]),
            reserved_usd=request.candidates[0].cost_ceiling_usd,
        )  # fmt: skip


class BareLine:
    """One connection without a pool, for one call at a time: the least that any client can cost."""

    def __init__(self, socket_path: str) -> None:
        """Prepare; the first call connects."""
        self._path = socket_path
        self._parser = hiredis.Reader()
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def execute(self, command: tuple[Any, ...]) -> Any:  # noqa: ANN401 - whatever the server answers
        """Send, and wait for the answer."""
        async with self._turn:
            if self._streams is None:
                self._streams = await asyncio.open_unix_connection(self._path)
            reader, writer = self._streams
            writer.write(hiredis.pack_command(command))
            while (answer := self._parser.gets()) is False:
                self._parser.feed(await reader.read(65_536))
            if isinstance(answer, Exception):
                raise answer
            return answer


async def _serve(options: argparse.Namespace) -> None:
    aio = importlib.import_module("pygrpc_native.aio" if options.transport == "native" else "grpc.aio")
    server = aio.server(options=[("grpc.so_reuseport", 0)])
    add_LearningServicer_to_server(await _servicer(options), server)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listens on 127.0.0.1:{port}", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)


async def _servicer(options: argparse.Namespace) -> LearningServicer:
    if options.answer == "fixed":
        return Fixed()
    if options.answer == "ping":
        return Pinged(Stream(Endpoint(target_of(options.redis_url)), timeout_s=_PATIENCE_S))
    work = RedisWork(options.config)
    pool = BlockingConnectionPool.from_url(options.redis_url, max_connections=_CONNECTIONS)
    redis: Any = Redis(connection_pool=pool)
    await redis.script_load(work.script.source)
    kind = Naive if options.answer == "naive" else Stored
    if options.client == "bare":
        return kind(BareLine(options.redis_url.removeprefix("unix://")).execute, work)

    async def execute(command: tuple[Any, ...]) -> Any:  # noqa: ANN401 - whatever the server answers
        return await redis.execute_command(*command)

    return kind(execute, work)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--answer", choices=("fixed", "ping", "store", "naive"), required=True)
    parser.add_argument("--transport", choices=("grpcio", "native"), default="grpcio")
    parser.add_argument("--client", choices=("redis-py", "bare"), default="redis-py")
    parser.add_argument("--redis-url", default="")
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    asyncio.run(_serve(options))


if __name__ == "__main__":
    main()
