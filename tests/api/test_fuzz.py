"""Goal: no request and no frame crashes a sidecar or changes what it should not. Method: a short run of `make fuzz`.

That the fuzzing itself would notice is shown on a state that was tampered with and on statuses that must not be.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import pytest

from sidecar.v1 import learning_pb2 as pb
from tests.chaos import fuzz as fuzzing
from tests.chaos.frames import burst, frame
from tests.chaos.fuzz import ALLOWED, Found, Target, fuzz_on, state
from tests.chaos.killers import Store
from tests.chaos.mutations import ANSWERS, REQUESTS, document, mutated, request
from tests.conftest import Sidecars

pytestmark = pytest.mark.timeout(300)

REQUESTS_SENT, FRAMES_SENT = 800, 64


@pytest.fixture(scope="module")
def found(transport: str, short_dir: Path) -> Found:
    """Fuzz each transport once for all tests."""
    directory = short_dir / f"fuzz-{transport}"
    directory.mkdir()
    return asyncio.run(
        fuzz_on(directory, transport, requests=REQUESTS_SENT, frames=FRAMES_SENT, seed=11, tell=lambda _: None)
    )


def test_nothing_is_found(found: Found) -> None:
    """No crash, no status that must not be, no state changed by a rejected request, nothing in the log."""
    assert found.problems == []
    assert set(found.by_status) <= ALLOWED


def test_the_run_is_what_it_claims_to_be(found: Found) -> None:
    """All was sent, a good part was allowed and a good part rejected, and the rejected ones were tried once more."""
    assert (found.requests, found.frames) == (REQUESTS_SENT, FRAMES_SENT)
    assert min(found.by_status["OK"], found.by_status["INVALID_ARGUMENT"]) > REQUESTS_SENT // 6
    assert found.checked > 60


def test_descriptors_do_not_pile_up(found: Found) -> None:
    """Each broken connection is closed again."""
    assert found.descriptors[-1] <= found.descriptors[0] + 8


def test_requests_are_of_every_method_and_of_the_seed() -> None:
    """The same seed asks the same; every method is asked for, in ways that parse and ways that do not."""
    made = [request(random.Random(seed), ['{"format": 1}']) for seed in range(600)]
    assert made == [request(random.Random(seed), ['{"format": 1}']) for seed in range(600)]
    assert {method for method, _ in made} == set(REQUESTS) == set(ANSWERS)
    broken = Counter(_broken(method, raw) for method, raw in made)
    assert min(broken[True], broken[False]) > 30


def _broken(method: str, raw: bytes) -> bool:
    try:
        REQUESTS[method].FromString(raw)
    except Exception:  # noqa: BLE001 - whatever protobuf raises
        return True
    return False


def test_documents_and_bytes_change() -> None:
    """Most documents differ from the one they began as, and some are still JSON."""
    text = json.dumps({"format": "f", "domains": {"route": {"arms": {"a": {"count": 1}}}}})
    rng = random.Random(1)
    made = [document(rng, text) for _ in range(200)]
    assert 20 < sum(one != text for one in made) < 200
    assert mutated(rng, b"0123456789") != b"0123456789"


def test_frames_are_broken_in_many_ways() -> None:
    """Bursts differ; most begin as HTTP/2 does, and a frame says of itself what it is told to."""
    made = {burst(random.Random(seed)) for seed in range(100)}
    assert len(made) > 90
    assert 50 < sum(one.startswith(b"PRI * HTTP/2.0") for one in made) < 100
    assert frame(0, 1, 3, b"ab", length=9) == b"\x00\x00\x09\x00\x01\x00\x00\x00\x03ab"


def test_a_change_of_state_is_noticed(data_dir: Path) -> None:
    """One field of one key is enough."""
    data_dir.mkdir()
    store = Store(data_dir, durable=False)
    store.start()
    try:
        store.ask("HSET", f"{fuzzing._PREFIX}:x", "a", "1")
        before = state(store)
        assert before == state(store)
        store.ask("HSET", f"{fuzzing._PREFIX}:x", "a", "2")
        assert state(store) != before
    finally:
        store.kill()


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("Recommend", pb.RecommendResponse(degraded=True)),
        ("RewardBatch", pb.RewardBatchResponse(results=[pb.RewardResult(error=pb.ItemError(code=13))])),
        ("RecommendBatch",
         pb.RecommendBatchResponse(results=[pb.RecommendResult(response=pb.RecommendResponse(degraded=True))])),
    ],
)  # fmt: skip
async def test_what_is_wrong_in_an_answer_is_noticed(sidecars: Sidecars, method: str, answer: Any) -> None:
    """A degraded decision while the store is well, and an item that failed badly, are problems."""
    target = Target(sidecars(), Found("grpcio"))
    assert target._look_at(method, answer.SerializeToString()).startswith("item ")
    assert target._look_at(method, ANSWERS[method]().SerializeToString()) == ""
    await target.close()


async def test_a_status_that_must_not_be_is_noticed(sidecars: Sidecars) -> None:
    """A method that is not there is answered UNIMPLEMENTED, which no request of ours may be."""
    found = Found("grpcio")
    target = Target(sidecars(), found)
    REQUESTS["Nothing"] = pb.StatusRequest
    try:
        assert await target.ask("Nothing", b"") == grpc.StatusCode.UNIMPLEMENTED.name
    finally:
        del REQUESTS["Nothing"]
        await target.close()
    assert found.problem_count == 1
