"""Goal: what faults do to apps and to the state stays nothing. Method: short rounds of the bench of `make chaos`.

The seed is fixed, so the same faults strike at the same times; what they meet differs from run to run.
"""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sidecar.errors import StoreUnavailable

from .bench import LIMITS_USD, bench, short_directory
from .checks import check
from .evidence import read
from .faults import BLOWS, LINK, schedule
from .rounds import RoundResult, play, summary
from .run import main
from .topology import NotAvailable, check_available
from .truth import Ledger

pytestmark = pytest.mark.timeout(300)

SEED, ROUNDS, LOAD_S, APPS = 7, 1, 3.0, 48


async def played() -> tuple[list[RoundResult], RoundResult]:
    """Play the rounds; then take a reward out of the last one's state and check that once more."""
    with short_directory() as directory:
        async with bench(directory, SEED) as running:
            rounds = [await play(running, SEED * 1000 + number, load_s=LOAD_S, apps=APPS) for number in range(ROUNDS)]
            last = rounds[-1]
            key = f"learning:1:{{default/round-{last.seed}}}:route:arms"
            before = await asyncio.to_thread(read, running.store.ask, f"round-{last.seed}")
            arm = max(before.domains["route"].arms, key=lambda name: before.domains["route"].figure("count", name))
            await asyncio.to_thread(running.store.ask, "HINCRBY", key, f"count:{arm}", -1)
            after = await asyncio.to_thread(read, running.store.ask, f"round-{last.seed}")
            found = check(last.ledger, after, LIMITS_USD, leased=running.leased)
            return rounds, RoundResult(last.seed, found.violations, found.lost, found.double, last.ledger)


@pytest.fixture(scope="module")
def outcome() -> tuple[dict[str, Any], RoundResult]:
    """Play once for all tests: the summary of the rounds, and what was found after a reward was taken out."""
    rounds, tampered = asyncio.run(played())
    return summary(rounds), tampered


def test_nothing_is_violated(outcome: tuple[dict[str, Any], RoundResult]) -> None:
    """No acknowledged reward was lost or counted twice, no budget exceeded, and nothing is left open."""
    found, _ = outcome
    assert found["violation_list"] == []
    assert (found["lost_rewards"], found["double_counted"]) == (0, 0)


def test_no_app_sees_an_error(outcome: tuple[dict[str, Any], RoundResult]) -> None:
    """Every Recommend is answered unless its own sidecar was killed."""
    found, _ = outcome
    assert found["app_errors_by_status"] == {}


def test_the_rounds_are_what_they_claim_to_be(outcome: tuple[dict[str, Any], RoundResult]) -> None:
    """Faults struck, decisions were made in spite of them and without the store, and the limits were looked at."""
    found, _ = outcome
    assert found["rounds"] == ROUNDS
    assert found["faults"] >= 8
    assert len(found["faults_by_kind"]) >= 4
    assert min(found["decisions"], found["degraded"], found["acknowledged_rewards"], found["limit_samples"]) > 10


def test_a_reward_that_is_taken_out_is_missed(outcome: tuple[dict[str, Any], RoundResult]) -> None:
    """The same check on the same state, less one reward, finds it."""
    _, tampered = outcome
    assert tampered.lost == 1
    assert {violation.rule for violation in tampered.violations} == {"I3 sums"}


async def test_without_durability_rewards_are_lost() -> None:
    """A store that does not write to disk forgets what it acknowledged when it is killed, and the bench sees that."""
    ledger = Ledger()
    without = ["durability", "recall"]
    with short_directory() as directory:
        async with bench(directory, SEED, without) as running:

            async def kill() -> None:
                async with asyncio.timeout(60):
                    while ledger.acknowledged < 20:  # noqa: ASYNC110 - a number to reach, not an event
                        await asyncio.sleep(0.05)
                await asyncio.to_thread(running.store.kill)
                await asyncio.to_thread(running.store.start)

            playing = play(running, 1, load_s=LOAD_S, apps=APPS, strikes=(), ledger=ledger)
            result, _ = await asyncio.gather(playing, kill())

    assert result.lost > 0
    assert {"I4 kept", "I4 decision"} & {violation.rule for violation in result.violations}


def test_the_same_seed_strikes_alike() -> None:
    """A schedule is of its seed; gaps are 50 to 500 ms; over many rounds every kind of fault occurs."""
    assert schedule(3, 3.0, links=2) == schedule(3, 3.0, links=2) != schedule(4, 3.0, links=2)
    strikes = schedule(5, 500.0, links=2)
    gaps = [after.at_s - before.at_s for before, after in pairwise(strikes)]
    assert min(gaps) >= 0.05
    assert max(gaps) <= 0.5
    assert {strike.name for strike in strikes} == {f"link {kind}" for kind in LINK} | set(BLOWS)
    assert {strike.whom for strike in strikes} == {0, 1}


def test_an_arrangement_that_is_not_there_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so and ends with 2, instead of running something else."""
    with pytest.raises(NotAvailable, match="single, sentinel, cluster"):
        check_available("ring")

    def none() -> Path:
        raise StoreUnavailable("there is no server")

    monkeypatch.setattr("tests.chaos.topology.find_binary", none)
    assert main(["--rounds", "1", "--topology", "cluster"]) == 2
    assert "cluster: the store could not be reached for there is no server" in capsys.readouterr().err


def test_one_servers_disk_protects_only_one_server(capsys: pytest.CaptureFixture[str]) -> None:
    """To switch its durability off where replicas take over would change nothing, so it is refused."""
    with pytest.raises(SystemExit):
        main(["--topology", "sentinel", "--without", "durability"])
    assert "durability" in capsys.readouterr().err


def test_the_summary_is_one_object_of_plain_values(outcome: tuple[dict[str, Any], RoundResult]) -> None:
    """It survives JSON, and quantiles of answers are in it."""
    found, _ = outcome
    assert json.loads(json.dumps(found)) == found
    assert 0 < found["recommend_p50_ms"] <= found["recommend_p99_ms"] <= found["recommend_max_ms"]


def test_a_protection_that_does_not_exist_cannot_be_switched_off(capsys: pytest.CaptureFixture[str]) -> None:
    """A typo is told, and nothing runs."""
    with pytest.raises(SystemExit):
        main(["--without", "luck"])
    assert "durability" in capsys.readouterr().err
