"""Goal: nothing that a caller can send breaks anything. Method: each field with what it must not have, for real."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2

from sidecar.errors import InvalidInput
from sidecar.policies.base import unpack_rng
from sidecar.v1 import learning_pb2 as pb
from sidecar.v1.learning_pb2_grpc import LearningStub

from .callers import CODE, document

NAN, INF = math.nan, math.inf
HUGE = 1.7e308
LONG = "x" * 129
NAMES = ("\x00", "a\nb", "a\x7f", "\x1b[31m", LONG, " ", "\u2028", "a\u200bb", "\ufeff", "\ue000", "\U000e0041")
"""Control bytes, line ends, what cannot be seen, what is not assigned, too long."""


def ask(**fields: Any) -> pb.RecommendRequest:
    """A good request for a decision but for some fields."""
    usual = {"domain": "route", "candidates": [pb.Candidate(arm="a"), pb.Candidate(arm="b")]}
    return pb.RecommendRequest(**(usual | fields))


def told(**signals: float) -> pb.RewardRequest:
    """A report."""
    return pb.RewardRequest(domain="route", decision_id="d", signals=pb.Signals(**signals))


def mode(**fields: Any) -> pb.SetModeRequest:
    """A good change of mode but for some fields."""
    return pb.SetModeRequest(**({"domain": "route", "mode": pb.MODE_SHADOW} | fields))


def laid(**settings: Any) -> pb.SetModeRequest:
    """A change of mode that lays settings over."""
    over = Struct()
    over.update(settings)
    return mode(settings=over)


def restored(change: Callable[[dict[str, Any]], object]) -> pb.RestoreRequest:
    """A good snapshot but for a change."""
    whole = json.loads(document("default", "main"))
    change(whole)
    return pb.RestoreRequest(document_json=json.dumps(whole))


def arm_of(whole: dict[str, Any]) -> dict[str, Any]:
    """Find the arm in a document."""
    found: dict[str, Any] = whole["domains"]["route"]["arms"]["a"]
    return found


BAD: list[tuple[str, Any, str]] = [
    *(("Recommend", ask(**{field: name}), field) for field in ("tenant", "workspace", "domain") for name in NAMES),
    *(("Recommend", ask(candidates=[pb.Candidate(arm=name)]), "candidates[0].arm") for name in NAMES),
    ("Recommend", ask(domain=""), "domain"),
    ("Recommend", ask(candidates=[pb.Candidate(arm="")]), "candidates[0].arm"),
    ("Recommend", ask(candidates=[]), "candidates"),
    ("Recommend", ask(candidates=[pb.Candidate(arm=str(n)) for n in range(1001)]), "candidates"),
    ("Recommend", ask(candidates=[pb.Candidate(arm="a"), pb.Candidate(arm="a")]), "candidates"),
    *(
        ("Recommend", ask(candidates=[pb.Candidate(arm="a", cost_ceiling_usd=usd)]), "candidates[0].cost_ceiling_usd")
        for usd in (NAN, INF, -INF, -0.01, 1_000_001, HUGE)
    ),
    *(("Recommend", ask(decision_id=one), "decision_id") for one in ("a b", "ü", "a\n", "\x00", LONG)),
    *(("Recommend", ask(max_latency_ms=ms), "max_latency_ms") for ms in (NAN, INF, 0, -1, 86_400_001, HUGE)),
    *(("Recommend", ask(reward_deadline_ms=ms), "reward_deadline_ms") for ms in (0, -1, 604_800_001, 2**63 - 1)),
    *(("Recommend", ask(context={"x": value}), "context[x]") for value in (NAN, INF, -INF, 2e12, HUGE)),
    *(("Recommend", ask(context={name: 1.0}), "context") for name in ("", *NAMES)),
    ("Recommend", ask(context={str(n): 1.0 for n in range(65)}), "context"),
    *(
        ("Reward", told(**{signal: value}), f"signals.{signal}")
        for signal in ("reward", "quality", "groundedness", "safety", "cost_usd", "latency_ms")
        for value in (NAN, INF, -INF, -1e-9, HUGE)
    ),
    *(("Reward", told(**{signal: 1.01}), f"signals.{signal}") for signal in ("reward", "quality")),
    ("Reward", pb.RewardRequest(domain="route", decision_id="", signals=pb.Signals(quality=1)), "decision_id"),
    ("Reward", pb.RewardRequest(domain="route", decision_id="d"), "signals"),
    ("Release", pb.ReleaseRequest(domain="route", decision_id=LONG), "decision_id"),
    ("RecommendBatch", pb.RecommendBatchRequest(), "requests"),
    ("RecommendBatch", pb.RecommendBatchRequest(requests=[ask()] * 257), "requests"),
    ("RewardBatch", pb.RewardBatchRequest(requests=[told(quality=1)] * 257), "requests"),
    *(("Status", pb.StatusRequest(domain=name), "domain") for name in NAMES),
    ("Snapshot", pb.SnapshotRequest(policies=["a"] * 1001), "policies"),
    ("Snapshot", pb.SnapshotRequest(policies=[LONG]), "policies"),
    ("Restore", pb.RestoreRequest(document_json="{}", policies=["\x00"]), "policies"),
    ("SetMode", mode(mode=99), "mode"),
    ("SetMode", mode(mode=pb.MODE_UNSPECIFIED), "mode"),
    *(("SetMode", mode(reason=reason), "reason") for reason in ("a\nb", "\x1b[2J", "x" * 501)),
    *(("SetMode", laid(posterior_refresh_ms=value), "settings") for value in (NAN, INF)),
    *(("SetMode", laid(posterior_refresh_ms=value), "settings.posterior_refresh_ms") for value in (HUGE, -1, "x")),
    ("SetMode", laid(arms={f"arm-{n}": {"cost_ceiling_usd": 1} for n in range(5000)}), "settings"),
    ("SetMode", laid(arms={"a\nb": {"cost_ceiling_usd": 1}}), "settings.arms.a\nb"),
    ("Restore", pb.RestoreRequest(document_json="[" * 100_000), "document_json"),
    ("Restore", pb.RestoreRequest(document_json='{"a":' * 100_000), "document_json"),
    ("Restore", restored(lambda whole: whole.update(tenant="\x00")), "document.tenant"),
    ("Restore", restored(lambda whole: whole.update(workspace=LONG)), "document.workspace"),
    ("Restore", restored(lambda whole: whole["domains"].update({"a\nb": whole["domains"]["route"]})),
     "document.domains.a\nb"),
    ("Restore", restored(lambda whole: whole["domains"]["route"]["arms"].update({LONG: {}})),
     f"document.domains.route.arms.{LONG}"),
    *(("Restore", restored(lambda whole, n=n: arm_of(whole).update(pulls=n)), "document.domains.route.arms.a.pulls")
      for n in (-1, 2**62 + 1, 2**64, 1e308, 1.5, "1", None)),
    *(("Restore", restored(lambda whole, level=level: whole.update(accounts={level: {"window": "total"}})),
       f"document.accounts.{level}")
      for level in ("", "tenant", "domain", "domain/", "domain/\x00", f"domain/{LONG}", "workspace/x")),
]  # fmt: skip


@pytest.fixture(scope="module")
def address(module_sidecars: Callable[..., Any]) -> str:
    """Start one sidecar for all of it."""
    found: str = module_sidecars().address
    return found


@pytest.mark.parametrize("method", sorted({method for method, _, _ in BAD}))
async def test_what_is_not_allowed_is_named(address: str, method: str) -> None:
    """INVALID_ARGUMENT with the field, each time, and the sidecar goes on."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        if method == "Reward":
            await stub.Recommend(ask(decision_id="d"))
        for request, field in ((request, field) for name, request, field in BAD if name == method):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await getattr(stub, method)(request, timeout=30)
            assert refused.value.code() is CODE.INVALID_ARGUMENT, (field, refused.value)
            raw = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
            bad = error_details_pb2.BadRequest()
            status_pb2.Status.FromString(raw).details[1].Unpack(bad)  # type: ignore[arg-type]  # bytes, by its key
            assert bad.field_violations[0].field == field, (field, str(request)[:200])
        assert not (await stub.Recommend(ask())).degraded


async def test_what_is_allowed_is_taken(address: str) -> None:
    """Names in any script, with braces, percents, slashes and quotes, as long as may be."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        for name in (
            "ü",
            "日本",
            "{}",
            "%00",
            "a/b",
            "'\"",
            "\\",
            "x" * 128,
            "\N{FACE WITH TEARS OF JOY}" * 128,
            "a b",
            "*",
        ):
            for field in ("tenant", "workspace", "domain"):
                assert not (await stub.Recommend(ask(**{field: name}))).degraded
            assert (await stub.Recommend(ask(candidates=[pb.Candidate(arm=name)]))).arm == name


async def test_a_log_line_cannot_be_made_up(module_sidecars: Callable[..., Any]) -> None:
    """Whatever is sent, one event is one line."""
    one = module_sidecars(environment={"LEARNING_LOG_LEVEL": "debug"})
    forged = "2026-01-01T00:00:00.000Z WARNING sidecar: forged"
    async with grpc.aio.insecure_channel(one.address) as channel:
        stub: Any = LearningStub(channel)  # type: ignore[no-untyped-call]  # generated
        for end in ("\n", "\r", "\x85", "\u2028", "\x0b"):
            name = f"x{end}{forged}"
            requests = {
                "Recommend": [ask(**{field: name}) for field in ("tenant", "workspace", "domain", "decision_id")],
                "SetMode": [mode(reason=name), mode(domain=name)],
                "Restore": [pb.RestoreRequest(document_json=name), pb.RestoreRequest(policies=[name])],
                "Status": [pb.StatusRequest(domain=name)],
            }
            for method, some in requests.items():
                for request in some:
                    with pytest.raises(grpc.aio.AioRpcError):
                        await getattr(stub, method)(request, timeout=30)
    assert "forged" in one.log
    assert not [line for line in one.log.splitlines() if line.startswith(forged[:10])]


WORDS = struct.pack("<625I", *range(1, 625), 624)


@pytest.mark.parametrize("spare", ["x", [], {}, NAN, INF, 1e9, True, "0" * 1000])
def test_a_generator_keeps_only_what_it_could_have(spare: object) -> None:
    """A spare that is no small number would fail later, at a draw."""
    packed = {"version": 3, "words_base64": base64.b64encode(WORDS).decode(), "gauss_next": spare}
    assert unpack_rng(packed | {"gauss_next": None})[2] is None
    assert unpack_rng(packed | {"gauss_next": -1.5})[2] == -1.5
    if spare is not True:  # which is 1
        with pytest.raises(InvalidInput):
            unpack_rng(packed)
