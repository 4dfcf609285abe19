"""What is asked, as bytes on the wire: our requests, and the one of envoyproxy/ratelimit, encoded by hand."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.v1 import learning_pb2 as pb

RECOMMEND = "/learning.v1.Learning/Recommend"
RECOMMEND_BATCH = "/learning.v1.Learning/RecommendBatch"
SHOULD_RATE_LIMIT = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
BATCH_MAX = 256

DOMAIN = "route"
RATELIMIT_DOMAIN = "bench"
RATELIMIT_DESCRIPTOR = ("tenant", "acme")
_OK = b"\x08\x01"  # overall_code = OK, the first field of the answer


def framed(message: bytes) -> bytes:
    """A message as gRPC sends it: not compressed, its length, itself.

    >>> framed(b"ab").hex()
    '00000000026162'
    """
    return b"\0" + len(message).to_bytes(4, "big") + message


def arm(index: int) -> str:
    """The name of an arm."""
    return f"arm-{index:05d}"


def candidates(indices: Sequence[int]) -> list[pb.Candidate]:
    """Candidates with ceilings that differ, so that money has several cases."""
    return [pb.Candidate(arm=arm(k), cost_ceiling_usd=0.001 * (1 + k * 7 % 20)) for k in indices]


def recommend(
    arms: int | Sequence[int] = 3, *, tenant: str = "", domain: str = DOMAIN, decision_id: str = ""
) -> pb.RecommendRequest:
    """One decision. Without an id the sidecar makes one, as it must when the load repeats one body."""
    indices = range(arms) if isinstance(arms, int) else arms
    return pb.RecommendRequest(tenant=tenant, domain=domain, decision_id=decision_id, candidates=candidates(indices))


def batch(requests: Sequence[pb.RecommendRequest]) -> pb.RecommendBatchRequest:
    """Several at once."""
    return pb.RecommendBatchRequest(requests=requests)


def should_rate_limit() -> bytes:
    """`RateLimitRequest{domain, descriptors: [{entries: [{key, value}]}]}`."""
    key, value = RATELIMIT_DESCRIPTOR
    entry = _field(1, key.encode()) + _field(2, value.encode())
    return _field(1, RATELIMIT_DOMAIN.encode()) + _field(2, _field(1, entry))


def is_ok(answer: bytes) -> bool:
    """Whether ratelimit let it pass."""
    return answer.startswith(_OK)


def _field(number: int, value: bytes) -> bytes:
    """One length-delimited field; names here are shorter than 128 bytes, so the length is one byte."""
    if len(value) > 127:
        raise ValueError("too long for a length of one byte")
    return bytes([number << 3 | 2, len(value)]) + value
