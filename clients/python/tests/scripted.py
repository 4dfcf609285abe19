"""A real gRPC server that plays the sidecar by script: it records what comes, and answers, delays or fails as told."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import grpc
from learning_client.v1 import learning_pb2 as pb
from learning_client.v1 import learning_pb2_grpc

Context = grpc.ServicerContext

EXPIRES_AT_UNIX_MS = 1_900_000_000_000


def chosen(request: pb.RecommendRequest) -> pb.RecommendResponse:
    """Answer as a sidecar whose policy picks the last candidate."""
    return pb.RecommendResponse(
        arm=request.candidates[-1].arm,
        outcome=pb.RECOMMEND_OUTCOME_CHOSEN,
        decision_id=request.decision_id,
        propensity=0.75,
        baseline=request.candidates[0].arm,
        proposal=request.candidates[-1].arm,
        mode=pb.MODE_UNGATED,
        source=pb.SOURCE_LEARNED,
        shields=[pb.ShieldAction(shield=pb.SHIELD_BUDGET, effect=pb.SHIELD_EFFECT_STEPPED_OVER, arm="huge")],
        expires_at_unix_ms=EXPIRES_AT_UNIX_MS,
        policy="thompson",
        statistics_version=7,
        reserved_usd=0.02,
    )


def refused(request: pb.RecommendRequest) -> pb.RecommendResponse:
    """Answer as a sidecar whose budget is exhausted."""
    return pb.RecommendResponse(
        outcome=pb.RECOMMEND_OUTCOME_REFUSED,
        decision_id=request.decision_id,
        baseline=request.candidates[0].arm,
        source=pb.SOURCE_SHIELD,
        expires_at_unix_ms=EXPIRES_AT_UNIX_MS,  # more than the API promises: a refusal must be enough of a reason
    )


class ScriptedSidecar(learning_pb2_grpc.LearningServicer):
    """Answers by `answer`; fails first with `failures`, one a call; while `slow` is set, holds calls until the end."""

    def __init__(self, server: Callable[..., grpc.Server] = grpc.server) -> None:
        """Begin as a healthy sidecar, on grpcio or on what stands for it."""
        self._made = server
        self.answer: Callable[[pb.RecommendRequest], pb.RecommendResponse] = chosen
        self.failures: deque[grpc.StatusCode] = deque()
        self.slow = False
        self.recommends: list[pb.RecommendRequest] = []
        self.rewards: list[pb.RewardRequest] = []
        self.releases: list[pb.ReleaseRequest] = []
        self.metadata: list[tuple[str, str | bytes]] = []
        self.address = ""
        self.holding = threading.Event()
        self._over = threading.Event()
        self._server: grpc.Server | None = None

    def start(self, address: str, credentials: grpc.ServerCredentials | None = None) -> str:
        """Listen; return the address for clients."""
        self._server = self._made(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        learning_pb2_grpc.add_LearningServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]  # generated
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        self._server.start()
        self.address = address if address.startswith("unix:") else f"127.0.0.1:{port}"
        return self.address

    def stop(self) -> None:
        """Hang up at once, with whatever is under way."""
        self._over.set()
        if self._server is not None:
            self._server.stop(grace=None).wait(5)

    def Recommend(self, request: pb.RecommendRequest, context: Context) -> pb.RecommendResponse:  # noqa: N802  # API
        """Record and answer."""
        self.recommends.append(request)
        self.metadata = [(key, value) for key, value in context.invocation_metadata()]
        self._delay_or_fail(context)
        return self.answer(request)

    def Reward(self, request: pb.RewardRequest, context: Context) -> pb.RewardResponse:  # noqa: N802  # API
        """Record and apply; the same decision again is a duplicate."""
        again = any(request.decision_id == known.decision_id and not known.more_to_come for known in self.rewards)
        self.rewards.append(request)
        self._delay_or_fail(context)
        if again:
            return pb.RewardResponse(outcome=pb.REWARD_OUTCOME_DUPLICATE)
        outcome = pb.REWARD_OUTCOME_COLLECTED if request.more_to_come else pb.REWARD_OUTCOME_APPLIED
        part = pb.Contribution(signal="quality", value=0.9, normalized=0.9, weight=1.0)
        return pb.RewardResponse(outcome=outcome, reward=0.9, breakdown=[part], missing=["safety"], arm="large")

    def Release(self, request: pb.ReleaseRequest, context: Context) -> pb.ReleaseResponse:  # noqa: N802  # API
        """Record and release."""
        self.releases.append(request)
        self._delay_or_fail(context)
        return pb.ReleaseResponse(outcome=pb.RELEASE_OUTCOME_RELEASED)

    def _delay_or_fail(self, context: Context) -> None:
        if self.slow:
            self.holding.set()
            self._over.wait(5)
        if self.failures:
            _abort(context, self.failures.popleft())


def _abort(context: Context, code: grpc.StatusCode) -> NoReturn:
    context.abort(code, "as scripted")
    raise AssertionError  # abort has raised
