"""Callers with tokens: files of them, and every method of the service with a request to a given workspace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2

from sidecar.policies.thompson import ThompsonSamplingBandit
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

CODE = grpc.StatusCode
EVERYTHING = ("read", "decide", "reward", "admin")


def entry(name: str, secret: str, *rights: str, **more: Any) -> dict[str, Any]:
    """A token as it is declared, good for tenant `default` and every workspace unless said otherwise."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return {
        "name": name, "sha256": digest, "tenants": ["default"], "workspaces": ["*"],
        "rights": list(rights or EVERYTHING),
    } | more  # fmt: skip


def written(path: Path, *entries: Mapping[str, Any]) -> Path:
    """Write a file of tokens."""
    path.write_text(json.dumps({"tokens": list(entries)}), encoding="utf-8")
    return path


def bearer(secret: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a caller with that secret."""
    return (("authorization", f"Bearer {secret}"),)


class Outcome(NamedTuple):
    """How a call or one item of a batch ended."""

    code: grpc.StatusCode
    reason: str
    said: str


_CODES = {code.value[0]: code for code in CODE}


async def outcomes(stub: LearningStub, method: str, request: Any, secret: str = "") -> list[Outcome]:
    """How a call ended; of a batch that was answered, how each item did."""
    try:
        answer = await getattr(stub, method)(request, timeout=30, metadata=bearer(secret) if secret else ())
    except grpc.aio.AioRpcError as error:
        return [Outcome(error.code(), reason_of(error), str(error.details()))]
    if method.endswith("Batch"):
        return [
            Outcome(_CODES[one.error.code], one.error.reason, one.error.message)
            if one.WhichOneof("result") == "error"
            else Outcome(CODE.OK, "", str(one))
            for one in answer.results
        ]
    return [Outcome(CODE.OK, "", str(answer))]


async def outcome(stub: LearningStub, method: str, request: Any, secret: str = "") -> Outcome:
    """How a call with one item ended."""
    (one,) = await outcomes(stub, method, request, secret)
    return one


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason in ErrorInfo."""
    raw = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if raw is None:
        return ""
    info = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(bytes(raw)).details[0].Unpack(info)  # type: ignore[arg-type]  # bytes, by its key
    return str(info.reason)


def _recommend(**where: str) -> pb.RecommendRequest:
    return pb.RecommendRequest(**where, candidates=[pb.Candidate(arm="a"), pb.Candidate(arm="b")])


def _reward(**where: str) -> pb.RewardRequest:
    return pb.RewardRequest(**where, decision_id="d-1", signals=pb.Signals(quality=1, cost_usd=0.5))


def document(tenant: str, workspace: str) -> str:
    """A snapshot that gives its domain figures."""
    arm = {"pulls": 9, "count": 4, "reward_micro": 4_000_000, "reward_sq_nano": 4_000_000_000}
    policy = ThompsonSamplingBandit().state_dict()
    return json.dumps(
        {
            "format": "learning-sidecar/snapshot", "version": 1, "tenant": tenant, "workspace": workspace,
            "domains": {"route": {"policy": policy, "arms": {"a": arm}}},
        }
    )  # fmt: skip


REQUESTS: Mapping[str, Callable[[str, str], Any]] = {
    "Recommend": lambda t, w: _recommend(tenant=t, workspace=w, domain="route", decision_id="d-1"),
    "RecommendBatch": lambda t, w: pb.RecommendBatchRequest(
        requests=[_recommend(tenant=t, workspace=w, domain="route", decision_id="d-1")]
    ),
    "Reward": lambda t, w: _reward(tenant=t, workspace=w, domain="route"),
    "RewardBatch": lambda t, w: pb.RewardBatchRequest(requests=[_reward(tenant=t, workspace=w, domain="route")]),
    "Release": lambda t, w: pb.ReleaseRequest(tenant=t, workspace=w, domain="route", decision_id="d-1"),
    "Snapshot": lambda t, w: pb.SnapshotRequest(tenant=t, workspace=w),
    "Restore": lambda t, w: pb.RestoreRequest(
        tenant=t, workspace=w, document_json=document(t or "default", w or "main")
    ),
    "Status": lambda t, w: pb.StatusRequest(tenant=t, workspace=w),
    "SetMode": lambda t, w: pb.SetModeRequest(tenant=t, workspace=w, domain="route", mode=pb.MODE_UNGATED),
}
"""A request of every method to a tenant and a workspace."""


def methods() -> Iterable[str]:
    """Every method of the service, as the API itself lists them."""
    return [method.name for method in pb.DESCRIPTOR.services_by_name["Learning"].methods]
