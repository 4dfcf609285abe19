"""Goal: a token of one tenant reaches nothing of another, by any method, in any field, however it is written.

Method: a real sidecar for two tenants on either transport; whatever the one tries, every key of the other is compared
byte for byte, and its secrets are looked for in every answer.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import grpc
import pytest
from redis import Redis

from sidecar.v1 import learning_pb2 as pb
from tests.conftest import Connect

from .callers import CODE, REQUESTS, Outcome, bearer, document, entry, outcome, outcomes, written

REFUSED = (CODE.PERMISSION_DENIED, CODE.INVALID_ARGUMENT)
WORKSPACE = "main"


class Two(NamedTuple):
    """A sidecar with two tenants, the secrets of their tokens, and the store below.

    `theirs` is good for every workspace of `attacker`, `narrow` for its workspace `main` alone, `own` for all of
    `victim`, whose arms and reasons all contain `hidden`.
    """

    address: str
    attacker: str
    victim: str
    theirs: str
    narrow: str
    own: str
    hidden: str
    redis: Any

    def dump(self, tenant: str) -> dict[bytes, bytes]:
        """Every key of a tenant, as the server would save it."""
        tag = quote(tenant, safe="")
        keys = sorted(key for key in self.redis.scan_iter("*") if f"{{{tag}/".encode() in key)
        return {key: self.redis.dump(key) for key in keys}


@pytest.fixture(scope="module")
def two(module_sidecars: Callable[..., Any], admin_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Start the sidecar."""
    suffix = secrets.token_hex(4)
    attacker, victim = f"acme-{suffix}", f"bravé-{suffix}"
    theirs, narrow, own = (secrets.token_urlsafe(32) for _ in range(3))
    file = written(
        tmp_path_factory.mktemp("tokens") / "tokens.json",
        entry("theirs", theirs, tenants=[attacker]),
        entry("narrow", narrow, tenants=[attacker], workspaces=[WORKSPACE]),
        entry("own", own, tenants=[victim]),
    )
    one = module_sidecars(environment={"LEARNING_TOKENS": str(file)})
    with Redis.from_url(admin_url) as redis:
        yield Two(one.address, attacker, victim, theirs, narrow, own, f"hidden-{suffix}", redis)


@pytest.fixture
async def before(two: Two, connect: Connect) -> dict[bytes, bytes]:
    """Let the victim have decided, learned and said something; gives all of it as it lies in the store."""
    stub: Any = connect(two.address)
    ask = REQUESTS["Recommend"](two.victim, WORKSPACE)
    mine = bearer(two.own)
    where = {"tenant": two.victim, "workspace": WORKSPACE, "domain": "route"}
    await stub.SetMode(pb.SetModeRequest(**where, mode=pb.MODE_UNGATED, reason=two.hidden), metadata=mine)
    await stub.Recommend(ask, metadata=mine)
    named = [pb.Candidate(arm=f"{two.hidden}-{arm}") for arm in ("a", "b")]
    request = pb.RecommendRequest(**where, decision_id="known-id", candidates=named)
    await stub.Recommend(request, metadata=mine)
    found = two.dump(two.victim)
    assert len(found) >= 4
    assert two.hidden.encode() in b"".join(found.values())
    return found


def spellings(name: str) -> list[str]:
    """Ways to write a name that some layer might take for it, and names that might break out of a key."""
    decomposed = name.replace("é", "e\N{COMBINING ACUTE ACCENT}")
    return [
        name, name.upper(), name.title(), decomposed, name.replace("é", "e"),
        quote(name, safe=""), quote(quote(name, safe=""), safe=""), "".join(f"%{byte:02x}" for byte in name.encode()),
        name.replace("-", "%2d"), name.replace("a", "\N{CYRILLIC SMALL LETTER A}"),
        name.replace("a", "\N{FULLWIDTH LATIN SMALL LETTER A}"), name.replace("-", "\N{NON-BREAKING HYPHEN}"),
        name.replace("-", "\N{SOFT HYPHEN}-"), f"{name}\N{ZERO WIDTH SPACE}", f"\N{RIGHT-TO-LEFT OVERRIDE}{name}",
        f"\N{ZERO WIDTH NO-BREAK SPACE}{name}", f"{name}\N{VARIATION SELECTOR-16}", f"{name}\x00", f"\x00{name}",
        f"{name}\n", f"{name}\r\n", f"{name}\x7f", f"{name}\x1b[0m", f" {name}", f"{name} ", f"\t{name}",
        f"{{{name}}}", f"}}{name}", f"{name}}}", f"{name}{{", "{", "}", "{}", "}{", f"{name}/{WORKSPACE}",
        f"{{{name}/{WORKSPACE}}}", f"/{name}", f"{name}/", f"../{name}", f"./{name}", f"x/../{name}", "a/b", "/",
        ".", "..",
        f"{name}:", f":{name}", f"{name}:workspace", f"{name}*", "*", "?", "[a-z]*", "%", "%2F", "%00", "\\",
        name + "x" * 200,
        "x" * 129, "x" * 128, "default", "", " ", "null", "None", "0", f"default,{name}", f"{name},{name}",
        json.dumps(name), f"'{name}'", f'"{name}"',
    ]  # fmt: skip


def judge(two: Two, ended: Outcome, what: object) -> None:
    """See that it was refused, and that nothing is told."""
    assert ended.code in REFUSED, (what, ended)
    assert ended.reason in ("PERMISSION_DENIED", "INVALID_INPUT"), (what, ended)
    assert two.hidden not in ended.said


@pytest.mark.parametrize("method", list(REQUESTS))
async def test_the_tenant_of_another(two: Two, before: Any, connect: Connect, method: str) -> None:
    """Every method, and every spelling of the other's name, in the field `tenant`."""
    stub = connect(two.address)
    for tenant in spellings(two.victim):
        for workspace in (WORKSPACE, ""):
            request = REQUESTS[method](tenant, workspace)
            for ended in await outcomes(stub, method, request, two.theirs):
                judge(two, ended, (method, tenant))
    assert two.dump(two.victim) == before
    exact = await outcome(stub, method, REQUESTS[method](two.victim, WORKSPACE), two.theirs)
    assert exact.code is CODE.PERMISSION_DENIED


@pytest.mark.parametrize("method", list(REQUESTS))
async def test_the_workspace_of_another(two: Two, before: Any, connect: Connect, method: str) -> None:
    """A token that is good for one workspace is good for no spelling of another."""
    stub = connect(two.address)
    other = "other-workspacé"
    for workspace in (*spellings(other), *spellings(two.victim)):
        if (workspace or "main") == WORKSPACE:
            continue  # empty is `main`, which it is good for
        for ended in await outcomes(stub, method, REQUESTS[method](two.attacker, workspace), two.narrow):
            judge(two, ended, (method, workspace))
    assert two.dump(two.victim) == before


@pytest.mark.parametrize("method", list(REQUESTS))
async def test_names_of_ones_own_break_out_of_nothing(two: Two, before: Any, connect: Connect, method: str) -> None:
    """In one's own tenant a workspace may be called anything printable: all of it stays in one's own keys."""
    stub = connect(two.address)
    keys = set(two.redis.scan_iter("*"))
    tag = f"{{{quote(two.attacker, safe='')}/".encode()
    for workspace in (*spellings(two.victim), f"{WORKSPACE}}}:route:arms{{", f"x}}:{{{two.victim}/{WORKSPACE}}}:route"):
        for ended in await outcomes(stub, method, REQUESTS[method](two.attacker, workspace), two.theirs):
            assert ended.code in (CODE.OK, CODE.INVALID_ARGUMENT), (workspace, ended)
            assert two.hidden not in ended.said
    assert two.dump(two.victim) == before
    new = set(two.redis.scan_iter("*")) - keys
    assert all(key.count(b"{") == key.count(b"}") == 1 for key in new if tag in key)
    others = {key for key in new if tag not in key}
    assert not [key for key in others if quote(two.victim, safe="").encode() in key]


async def test_domains_break_out_of_nothing(two: Two, before: Any, connect: Connect) -> None:
    """Nor does a domain, whatever it is called."""
    stub = connect(two.address)
    for domain in (*spellings(two.victim), f"route}}:{{{two.victim}/{WORKSPACE}}}:route", "route:arms"):
        for method in ("Recommend", "Reward", "Release", "SetMode", "Status"):
            request = REQUESTS[method](two.attacker, WORKSPACE)
            request.domain = domain
            ended = await outcome(stub, method, request, two.theirs)
            assert ended.code in (CODE.OK, CODE.INVALID_ARGUMENT, CODE.NOT_FOUND), (method, domain, ended)
            assert two.hidden not in ended.said
    assert two.dump(two.victim) == before


async def test_decisions_of_another_are_unknown(two: Two, before: Any, connect: Connect) -> None:
    """An id that is guessed is one's own there, and nobody's."""
    stub: Any = connect(two.address)
    where = {"tenant": two.attacker, "workspace": secrets.token_hex(4), "domain": "route", "decision_id": "known-id"}
    mine = bearer(two.theirs)
    told = await stub.Reward(pb.RewardRequest(**where, signals=pb.Signals(quality=0)), metadata=mine)
    released = await stub.Release(pb.ReleaseRequest(**where), metadata=mine)
    decided = await stub.Recommend(pb.RecommendRequest(**where, candidates=[pb.Candidate(arm="x")]), metadata=mine)

    assert told.outcome == pb.REWARD_OUTCOME_UNKNOWN
    assert released.outcome == pb.RELEASE_OUTCOME_UNKNOWN
    assert (decided.arm, decided.source == pb.SOURCE_REPLAY) == ("x", False)
    assert two.dump(two.victim) == before


async def test_items_of_batches_do_not_cross(two: Two, before: Any, connect: Connect) -> None:
    """Hidden among 200 good ones, and alone; the others are answered."""
    stub = connect(two.address)
    for method in ("RecommendBatch", "RewardBatch"):
        batch = REQUESTS[method](two.attacker, WORKSPACE)
        for _ in range(100):
            batch.requests.extend(REQUESTS[method](two.attacker, WORKSPACE).requests)
        batch.requests.extend(REQUESTS[method](two.victim, WORKSPACE).requests)
        for _ in range(100):
            batch.requests.extend(REQUESTS[method](two.attacker, WORKSPACE).requests)
        ended = await outcomes(stub, method, batch, two.theirs)
        assert [at for at, one in enumerate(ended) if one.code is not CODE.OK] == [101]
        judge(two, ended[101], method)
    assert two.dump(two.victim) == before


@pytest.mark.parametrize("dry_run", [True, False])
async def test_documents_do_not_cross(two: Two, before: Any, connect: Connect, *, dry_run: bool) -> None:
    """Neither one's own into the other's workspace, nor what says that it is of another into one's own."""
    stub = connect(two.address)
    tried = [(two.victim, document(two.attacker, WORKSPACE)), (two.victim, document(two.victim, WORKSPACE))]
    tried += [(two.attacker, document(name, WORKSPACE)) for name in spellings(two.victim)]
    twice = document(two.attacker, WORKSPACE).replace('"tenant"', f'"tenant": {json.dumps(two.victim)}, "tenant"')
    for tenant, text in tried:
        request = pb.RestoreRequest(tenant=tenant, workspace=WORKSPACE, document_json=text, dry_run=dry_run)
        judge(two, await outcome(stub, "Restore", request, two.theirs), (tenant, text))
    judged = pb.RestoreRequest(tenant=two.attacker, workspace=WORKSPACE, document_json=twice, dry_run=dry_run)
    assert two.hidden not in (await outcome(stub, "Restore", judged, two.theirs)).said
    elsewhere = pb.RestoreRequest(
        tenant=two.attacker, workspace=WORKSPACE, document_json=document(two.attacker, "other"), dry_run=dry_run
    )
    assert (await outcome(stub, "Restore", elsewhere, two.narrow)).code is CODE.PERMISSION_DENIED
    assert (await outcome(stub, "Restore", elsewhere, two.theirs)).code is CODE.OK
    assert two.dump(two.victim) == before


async def test_the_wire_is_read_once(two: Two, before: Any) -> None:
    """A field that comes twice, or is no UTF-8, is not one thing to the check and another to the engine."""
    mine, other = two.attacker.encode(), two.victim.encode()

    def field(content: bytes) -> bytes:
        return b"\x0a" + bytes([len(content)]) + content

    expected = {
        field(mine) + field(other): CODE.PERMISSION_DENIED,
        field(other) + field(mine): CODE.OK,
        field(b"\xff" + mine): CODE.INVALID_ARGUMENT,
        field(b"\xc1\xa1" + other[1:]): CODE.INVALID_ARGUMENT,
        field(b"\xed\xa0\x80"): CODE.INVALID_ARGUMENT,
    }
    async with grpc.aio.insecure_channel(two.address) as channel:
        for method in ("Status", "Snapshot"):
            call = channel.unary_unary(f"/learning.v1.Learning/{method}")
            for raw, code in expected.items():
                made = call(raw, metadata=bearer(two.theirs), timeout=30)
                assert await made.code() is code, raw
                if code is CODE.OK:
                    assert two.hidden.encode() not in await made
    assert two.dump(two.victim) == before


async def test_the_victim_itself_gets_everything(two: Two, before: Any, connect: Connect) -> None:
    """What the others were refused is there: so the tests above tried something."""
    stub = connect(two.address)
    assert before
    for method in ("Status", "Snapshot"):
        ended = await outcome(stub, method, REQUESTS[method](two.victim, WORKSPACE), two.own)
        assert ended.code is CODE.OK
        assert two.hidden in ended.said
    for method, request in REQUESTS.items():
        assert (await outcome(stub, method, request(two.victim, WORKSPACE), two.own)).code is CODE.OK, method
