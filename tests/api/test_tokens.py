"""Goal: a token is good for what is declared and nothing else. Method: real sidecars, real files, every method."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
import traceback
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from sidecar.api.authentication import Authentication
from sidecar.api.authorization import RIGHTS, Access
from sidecar.errors import InvalidSettings, PermissionDenied, Unauthenticated
from sidecar.settings.tokens import Right, read_tokens
from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect, Sidecars

from .callers import CODE, EVERYTHING, REQUESTS, bearer, entry, methods, outcome, outcomes, reason_of, written

WAIT_S = 30.0
NEEDS = {
    "read": ("Status", "Snapshot"),
    "decide": ("Recommend", "RecommendBatch", "Release"),
    "reward": ("Reward", "RewardBatch"),
    "admin": ("Restore", "SetMode"),
}


def secret() -> str:
    """Make up a secret."""
    return secrets.token_urlsafe(32)


def test_every_method_has_a_right() -> None:
    """The table and the API list the same methods, and these tests have a request for each."""
    declared = {method: right for right, some in NEEDS.items() for method in some}
    assert set(methods()) == set(RIGHTS) == set(REQUESTS)
    assert declared == {method: str(right) for method, right in RIGHTS.items()}


def test_a_method_without_a_right_is_not_registered(tmp_path: Path) -> None:
    """Whoever adds one and forgets its right notices at once."""
    access = Access(written(tmp_path / "t.json"))
    assert access.admission("grpc.health.v1.Health", "Check") is None
    with pytest.raises(KeyError):
        access.admission("learning.v1.Learning", "Forget")


def test_nothing_is_allowed_without_an_admission(tmp_path: Path) -> None:
    """A way past the boundary would end in an error, not in the store."""
    with pytest.raises(LookupError):
        Access(written(tmp_path / "t.json")).allow("default", "main")


@pytest.mark.parametrize("right", EVERYTHING)
async def test_the_matrix_of_rights(
    sidecars: Sidecars, connect: Connect, workspace: str, tmp_path: Path, right: str
) -> None:
    """With one right, its methods are answered and all others are denied."""
    key = secret()
    tokens = written(tmp_path / "tokens.json", entry("one", key, right))
    stub = connect(sidecars(environment={"LEARNING_TOKENS": str(tokens)}).address)
    for method, request in REQUESTS.items():
        ended = await outcome(stub, method, request("", workspace), key)
        if method in NEEDS[right]:
            assert ended.code is CODE.OK, (method, ended)
        else:
            assert (ended.code, ended.reason) == (CODE.PERMISSION_DENIED, "PERMISSION_DENIED"), (method, ended)


async def test_without_a_known_token(sidecars: Sidecars, connect: Connect, workspace: str, tmp_path: Path) -> None:
    """None, an unknown or empty one, another scheme, two at once: UNAUTHENTICATED, and the answer says no secret."""
    key = secret()
    tokens = written(tmp_path / "tokens.json", entry("one", key))
    stub = connect(sidecars(environment={"LEARNING_TOKENS": str(tokens)}).address)
    digest = hashlib.sha256(key.encode()).hexdigest()
    bad: list[tuple[tuple[str, str], ...]] = [
        (),
        bearer(secret()),
        bearer(""),
        bearer(digest),
        bearer(key[:-1]),
        bearer(f"{key} "),
        bearer("x" * 7000),
        (("authorization", key),),
        (("authorization", f"Basic {key}"),),
        (("authorization-bin", f"Bearer {key}".encode()),),  # type: ignore[list-item]  # bytes, by its key
        (("x-authorization", f"Bearer {key}"),),
        (*bearer(key), *bearer(secret())),
        (*bearer(key), *bearer(key)),
    ]
    for metadata in bad:
        for method, request in REQUESTS.items():
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await getattr(stub, method)(request("", workspace), metadata=metadata, timeout=30)
            assert refused.value.code() is CODE.UNAUTHENTICATED, (method, metadata)
            assert reason_of(refused.value) == "UNAUTHENTICATED"
            assert key not in repr(refused.value)
            assert digest not in repr(refused.value)
    assert (await outcome(stub, "Status", REQUESTS["Status"]("", workspace), key)).code is CODE.OK


async def test_health_and_reflection_are_open(sidecars: Sidecars, tmp_path: Path) -> None:
    """Probes and grpcurl have no token."""
    address = sidecars(environment={"LEARNING_TOKENS": str(written(tmp_path / "t.json"))}).address
    async with grpc.aio.insecure_channel(address) as channel:
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (listed,) = [one async for one in stub.ServerReflectionInfo(iter([asked]), timeout=30)]

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert "learning.v1.Learning" in {one.name for one in listed.list_services_response.service}


async def test_malformed_bytes_need_a_token_first(sidecars: Sidecars, tmp_path: Path) -> None:
    """Who is not known learns nothing, not even that a request was malformed."""
    key = secret()
    tokens = written(tmp_path / "t.json", entry("one", key))
    async with grpc.aio.insecure_channel(sidecars(environment={"LEARNING_TOKENS": str(tokens)}).address) as channel:
        call = channel.unary_unary("/learning.v1.Learning/Status")
        codes = []
        for metadata in ((), bearer(key)):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"\xff\xff", timeout=30, metadata=metadata)
            codes.append(refused.value.code())
    assert codes == [CODE.UNAUTHENTICATED, CODE.INVALID_ARGUMENT]


async def test_items_of_a_batch_are_judged_one_by_one(
    sidecars: Sidecars, connect: Connect, workspace: str, tmp_path: Path
) -> None:
    """What the token is good for is answered, in order, beside what it is not good for."""
    key = secret()
    tokens = written(tmp_path / "t.json", entry("one", key, workspaces=[workspace]))
    stub = connect(sidecars(environment={"LEARNING_TOKENS": str(tokens)}).address)
    for method in ("RecommendBatch", "RewardBatch"):
        batch = REQUESTS[method]("", workspace)
        batch.requests.extend(REQUESTS[method]("", "other").requests)
        batch.requests.extend(REQUESTS[method]("acme", workspace).requests)
        batch.requests.extend(REQUESTS[method]("default", workspace).requests)
        ended = await outcomes(stub, method, batch, key)
        assert [one.code for one in ended] == [CODE.OK, CODE.PERMISSION_DENIED, CODE.PERMISSION_DENIED, CODE.OK]
        assert ended[1].reason == "PERMISSION_DENIED"


async def test_reports_have_a_rate(sidecars: Sidecars, connect: Connect, workspace: str, tmp_path: Path) -> None:
    """Beyond it a report is RESOURCE_EXHAUSTED with RetryInfo and changes nothing; other rights are not counted."""
    key, other = secret(), secret()
    slow = entry("slow", key, rewards_per_s=0.001)
    tokens = written(tmp_path / "t.json", slow, entry("other", other))
    stub = connect(sidecars(environment={"LEARNING_TOKENS": str(tokens)}).address)
    await stub.Recommend(REQUESTS["Recommend"]("", workspace), metadata=bearer(key))
    assert (await outcome(stub, "Reward", REQUESTS["Reward"]("", "other-workspace"), key)).code is CODE.OK
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Reward(REQUESTS["Reward"]("", workspace), metadata=bearer(key))
    details = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
    retry = error_details_pb2.RetryInfo()
    assert status_pb2.Status.FromString(details).details[1].Unpack(retry)  # type: ignore[arg-type]
    assert (refused.value.code(), reason_of(refused.value)) == (CODE.RESOURCE_EXHAUSTED, "RATE_EXCEEDED")
    assert 1 < retry.retry_delay.seconds <= 1000
    (item,) = await outcomes(stub, "RewardBatch", REQUESTS["RewardBatch"]("", workspace), key)
    assert (item.code, item.reason) == (CODE.RESOURCE_EXHAUSTED, "RATE_EXCEEDED")
    assert (await outcome(stub, "Status", REQUESTS["Status"]("", workspace), key)).code is CODE.OK
    answer = await stub.Reward(REQUESTS["Reward"]("", workspace), metadata=bearer(other))
    assert answer.outcome == pb.REWARD_OUTCOME_APPLIED


async def awaited(stub: Any, workspace: str, key: str, code: grpc.StatusCode) -> None:
    """Ask until the answer has that status."""
    deadline = time.monotonic() + WAIT_S
    while (await outcome(stub, "Status", REQUESTS["Status"]("", workspace), key)).code is not code:
        assert time.monotonic() < deadline, code
        await asyncio.sleep(0.1)


async def test_changes_are_taken_up(sidecars: Sidecars, connect: Connect, workspace: str, tmp_path: Path) -> None:
    """A new token works and an old one ends without a restart; bad content leaves what is, and is said once."""
    old, new, mounted = secret(), secret(), secret()
    file, mount = tmp_path / "tokens.json", tmp_path / "mounted"
    one = sidecars(environment={"LEARNING_TOKENS": str(written(file, entry("old", old)))})
    stub = connect(one.address)
    await awaited(stub, workspace, old, CODE.OK)

    mount.write_text(f"{mounted}\n")
    from_file = entry("mounted", "") | {"sha256": "", "token_file": "mounted"}
    written(file, entry("new", new), from_file)
    await awaited(stub, workspace, new, CODE.OK)
    assert (await outcome(stub, "Status", REQUESTS["Status"]("", workspace), old)).code is CODE.UNAUTHENTICATED
    assert (await outcome(stub, "Status", REQUESTS["Status"]("", workspace), mounted)).code is CODE.OK

    file.write_text(f"tokens: [{{name: x, sha256: {secret()}}}]")
    deadline = time.monotonic() + WAIT_S
    while "stays in force" not in one.log:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    await asyncio.sleep(3)  # it is looked at three times more
    assert one.log.count("stays in force") == 1
    await awaited(stub, workspace, new, CODE.OK)

    written(file, from_file)
    await awaited(stub, workspace, new, CODE.UNAUTHENTICATED)
    rotated = secret()
    mount.write_text(rotated)
    await awaited(stub, workspace, rotated, CODE.OK)
    await awaited(stub, workspace, mounted, CODE.UNAUTHENTICATED)


def test_yaml_toml_and_json_say_the_same(tmp_path: Path) -> None:
    """By the suffix, as the file of domains."""
    declared = entry("app", "s" * 32, "decide", "reward", tenants=["acme"], rewards_per_s=2.5)
    as_json = written(tmp_path / "t.json", declared)
    as_yaml = tmp_path / "t.yaml"
    as_yaml.write_text(
        "tokens:\n" + "".join(f"  {'- ' if k == 'name' else '  '}{k}: {json.dumps(v)}\n" for k, v in declared.items())
    )
    as_toml = tmp_path / "t.toml"
    as_toml.write_text("[[tokens]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in declared.items()))
    read = [read_tokens(file).tokens for file in (as_json, as_yaml, as_toml)]

    assert read[0] == read[1] == read[2]
    assert read[0][0].rights == {Right.DECIDE, Right.REWARD}
    assert read[0][0].digest == hashlib.sha256(b"s" * 32).digest()


PLAIN = "correct-horse-battery-staple-42"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": PLAIN}, "tokens.0.sha256"),
        ({"sha256": ""}, "either sha256 or token_file"),
        ({"token_file": "there"}, "either sha256 or token_file"),
        ({"sha256": "", "token_file": "there"}, "token_file"),
        ({"sha256": "", "token_file": "short"}, "24 to 512"),
        ({"sha256": "", "token_file": "binary"}, "24 to 512"),
        ({"rights": []}, "rights"),
        ({"rights": ["root"]}, "rights"),
        ({"tenants": []}, "tenants"),
        ({"tenants": [""]}, "tenants"),
        ({"tenants": ["a\nb"]}, "tenants"),
        ({"workspaces": ["x" * 129]}, "workspaces"),
        ({"name": "a b"}, "name"),
        ({"rewards_per_s": 0}, "rewards_per_s"),
        ({"secret": PLAIN}, "secret"),
    ],
)
def test_a_bad_file_is_named_without_its_secrets(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    """The key is said, and the value never is: people paste secrets where digests belong."""
    (tmp_path / "short").write_text("hunter2")
    (tmp_path / "binary").write_bytes(b"\xff" * 40)
    file = written(tmp_path / "t.json", entry("one", "x" * 32) | change)
    with pytest.raises(InvalidSettings) as refused:
        read_tokens(file)

    assert "LEARNING_TOKENS" in refused.value.field
    assert said in str(refused.value)
    shown = "".join(traceback.format_exception(refused.value))
    assert PLAIN not in shown
    assert "hunter2" not in shown


@pytest.mark.parametrize("text", ["", "tokens", f"tokens: [{PLAIN}", f"{PLAIN}", "[" * 5000, "tokens: 3"])
def test_what_is_no_list_of_tokens_is_refused(tmp_path: Path, text: str) -> None:
    """Also what was half written; nothing of it is shown."""
    file = tmp_path / "t.yaml"
    file.write_text(text)
    with pytest.raises(InvalidSettings) as refused:
        read_tokens(file)
    assert PLAIN not in str(refused.value)


def test_names_and_secrets_are_unique(tmp_path: Path) -> None:
    """Two entries for one secret would leave open which one counts."""
    for second in (entry("one", "b" * 32), entry("two", "a" * 32)):
        with pytest.raises(InvalidSettings, match="no other token"):
            read_tokens(written(tmp_path / "t.json", entry("one", "a" * 32), second))


def test_an_empty_list_lets_nobody_in(tmp_path: Path) -> None:
    """That is how all are revoked at once."""
    with pytest.raises(Unauthenticated):
        Authentication(written(tmp_path / "t.json")).grant(bearer("x" * 32))


async def test_what_is_remembered_is_bounded_and_ends_with_the_token(tmp_path: Path) -> None:
    """A header may be written in many ways; a revoked one is forgotten at the next look at the file."""
    file = written(tmp_path / "t.json", entry("one", "a" * 32))
    authentication = Authentication(file)
    for number in range(5000):
        scheme = "".join(c.upper() if number >> at & 1 else c for at, c in enumerate("bearer"))
        authentication.grant((("authorization", f"{scheme} {'a' * 32}"),))
    assert len(authentication._remembered) == 2**6
    written(file, entry("two", "b" * 32))
    await authentication.refresh()
    with pytest.raises(Unauthenticated):
        authentication.grant(bearer("a" * 32))


async def test_a_rate_outlives_a_change_of_others(tmp_path: Path) -> None:
    """Whoever has used it up does not get it back by an edit of the file."""
    slow = entry("slow", "a" * 32, rewards_per_s=0.001)
    file = written(tmp_path / "t.json", slow)
    authentication = Authentication(file)
    before = authentication.grant(bearer("a" * 32))
    written(file, slow, entry("new", "b" * 32))
    await authentication.refresh()
    assert authentication.grant(bearer("b" * 32))
    assert authentication.grant(bearer("a" * 32)) is before


def test_a_denial_says_what_is_missing() -> None:
    """The right and what was asked for; not what the token has."""
    assert str(PermissionDenied("admin", "acme", "main")) == (
        "this token has not the right admin in tenant 'acme', workspace 'main'"
    )
