"""A server in place of a sidecar: slow, failing or strange as told, and it remembers what it was sent."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, NamedTuple

import grpc

from acting.plain import plain
from acting.scenario import Peer
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningServicer, add_LearningServicer_to_server

_THREADS = 32
_EXPIRES_AT_UNIX_MS = 4_102_444_800_000  # the year 2100: a peer does not forget


class Call(NamedTuple):
    """One call that came."""

    method: str
    connection: str
    metadata: dict[str, str | bytes]
    message: dict[str, Any]


class PeerServer(LearningServicer, AbstractContextManager["PeerServer"]):
    """Listens on a free port of the loopback."""

    def __init__(self, peer: Peer) -> None:
        """Take what it is to be like."""
        self._peer = peer
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._server = grpc.server(ThreadPoolExecutor(_THREADS))
        add_LearningServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]  # generated
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> PeerServer:
        """Listen."""
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop, whatever is under way."""
        self._server.stop(grace=None).wait()

    def seen(self, method: str) -> dict[str, Any]:
        """What came of one method: how many calls, and the last one; and over how many connections all came."""
        with self._lock:
            calls = [call for call in self._calls if call.method == method]
            connections = len({call.connection for call in self._calls})
        last = {"metadata": calls[-1].metadata, "message": calls[-1].message} if calls else {}
        return {"count": len(calls), "connections": connections, **last}

    def Recommend(self, request: pb.RecommendRequest, context: grpc.ServicerContext) -> pb.RecommendResponse:  # noqa: N802 - the API's name
        """Choose the last candidate."""
        self._received("Recommend", request, context)
        candidates = [candidate.arm for candidate in request.candidates]
        arm = candidates[-1] if self._peer.answers == "well" else "an arm that nobody proposed"
        return pb.RecommendResponse(
            arm=arm,
            outcome=pb.RECOMMEND_OUTCOME_CHOSEN,
            decision_id=request.decision_id,
            propensity=1.0,
            baseline=candidates[0],
            proposal=arm,
            mode=pb.MODE_UNGATED,
            source=pb.SOURCE_LEARNED,
            expires_at_unix_ms=_EXPIRES_AT_UNIX_MS,
            policy="peer",
        )

    def Reward(self, request: pb.RewardRequest, context: grpc.ServicerContext) -> pb.RewardResponse:  # noqa: N802
        """Apply it."""
        self._received("Reward", request, context)
        outcome = pb.REWARD_OUTCOME_COLLECTED if request.more_to_come else pb.REWARD_OUTCOME_APPLIED
        return pb.RewardResponse(outcome=outcome, reward=1.0)

    def Release(self, request: pb.ReleaseRequest, context: grpc.ServicerContext) -> pb.ReleaseResponse:  # noqa: N802
        """Release it."""
        self._received("Release", request, context)
        return pb.ReleaseResponse(outcome=pb.RELEASE_OUTCOME_RELEASED)

    def _received(self, method: str, request: Any, context: grpc.ServicerContext) -> None:  # noqa: ANN401 - any request
        metadata = {key: value for key, value in context.invocation_metadata()}  # noqa: C416 - pairs that are tuples of their own kind
        with self._lock:
            fails = self._peer.fails is not None and (self._peer.times is None or len(self._calls) < self._peer.times)
            self._calls.append(Call(method, context.peer(), metadata, plain(request)))
        time.sleep(self._peer.delay_ms.get(method, 0.0) / 1000)
        if fails and self._peer.fails is not None:
            context.abort(grpc.StatusCode[self._peer.fails], "as told")
