"""A real gRPC client beside the load: are the answers right, and are all of them counted?"""

from __future__ import annotations

from typing import Any

import grpc

from serving import bodies
from serving.errors import WrongAnswer
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

_TIMEOUT_S = 20.0
_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


class Probe:
    """A channel to one server."""

    def __init__(self, address: str) -> None:
        """Connect with the first call."""
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        self.stub: Any = LearningStub(self._channel)  # type: ignore[no-untyped-call]  # generated

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def recommend(self, request: pb.RecommendRequest | None = None) -> pb.RecommendResponse:
        """One decision, proper in every respect.

        Raises:
            WrongAnswer: it is not.
        """
        asked = request or bodies.recommend()
        try:
            answer: pb.RecommendResponse = self.stub.Recommend(asked, timeout=_TIMEOUT_S, wait_for_ready=True)
        except grpc.RpcError as error:
            raise WrongAnswer(f"Recommend failed: {error}") from error
        right = {
            "chosen": answer.outcome == pb.RECOMMEND_OUTCOME_CHOSEN,
            "one of the candidates": answer.arm in {one.arm for one in asked.candidates},
            "not degraded": not answer.degraded,
            "with an id": bool(answer.decision_id),
            "with a propensity": 0 < answer.propensity <= 1,
            "with a deadline": answer.expires_at_unix_ms > 0,
        }
        if wrong := [name for name, holds in right.items() if not holds]:
            raise WrongAnswer(f"Recommend answered, but not {', '.join(wrong)}: {answer}")
        return answer

    def recommend_all(self, requests: list[pb.RecommendRequest]) -> list[pb.RecommendResponse]:
        """Many decisions, in batches.

        Raises:
            WrongAnswer: one of them failed, or is degraded.
        """
        answers = []
        for start in range(0, len(requests), bodies.BATCH_MAX):
            asked = bodies.batch(requests[start : start + bodies.BATCH_MAX])
            for result in self.stub.RecommendBatch(asked, timeout=_TIMEOUT_S, wait_for_ready=True).results:
                if result.HasField("error") or result.response.degraded:
                    raise WrongAnswer(f"RecommendBatch answered {result}")
                answers.append(result.response)
        return answers

    def decisions(self, domain: str = bodies.DOMAIN) -> int:
        """How many decisions the sidecar says were recorded."""
        status = self.stub.Status(pb.StatusRequest(domain=domain), timeout=_TIMEOUT_S)
        return sum(one.decisions for one in status.domains)

    def rate_limit(self) -> None:
        """One decision of ratelimit.

        Raises:
            WrongAnswer: it is not OK.
        """
        call: Any = self._channel.unary_unary(bodies.SHOULD_RATE_LIMIT)
        try:
            answer = call(bodies.should_rate_limit(), timeout=_TIMEOUT_S, wait_for_ready=True)
        except grpc.RpcError as error:
            raise WrongAnswer(f"ShouldRateLimit failed: {error}") from error
        if not bodies.is_ok(answer):
            raise WrongAnswer(f"ShouldRateLimit answered {answer!r}")
