"""How a client is configured, and its calls without a block."""

from __future__ import annotations

import threading
from pathlib import Path

import grpc
import pytest
from learning_client import Contribution, LearningClient, ReleaseOutcome, ReleaseResult, RewardOutcome, RewardResult

from .conftest import Connect
from .drivers import Driver
from .scripted import ScriptedSidecar

ARMS = ["small", "large"]


def test_a_reward_is_explained(client: Driver) -> None:
    """The result of a reward is the sidecar's whole answer."""
    decision = client.recommend("route", ARMS)
    result = client.reward(decision, quality=0.9)

    part = Contribution(signal="quality", value=0.9, normalized=0.9, weight=1.0)
    expected = RewardResult(RewardOutcome.APPLIED, reward=0.9, arm="large", breakdown=(part,), missing=("safety",))
    assert expected == result


def test_a_second_reward_is_a_duplicate(client: Driver) -> None:
    """The first final report counts, and the client passes on that the second did not."""
    decision = client.recommend("route", ARMS)
    client.reward(decision, quality=0.9)

    assert RewardOutcome.DUPLICATE is client.reward(decision, quality=0.1).outcome


def test_a_reward_adds_to_what_was_observed(client: Driver, sidecar: ScriptedSidecar) -> None:
    """What the decision observed is reported too; what is given with the reward goes over it."""
    decision = client.recommend("route", ARMS)
    decision.observe(quality=0.1, cost_usd=0.01)
    client.reward(decision, quality=0.9, more_to_come=True)

    [reward] = sidecar.rewards
    assert (reward.signals.quality, reward.signals.cost_usd) == (0.9, 0.01)
    assert reward.more_to_come


def test_a_decision_can_be_given_back(client: Driver, sidecar: ScriptedSidecar) -> None:
    """Release works with the decision and with its id."""
    decision = client.recommend("route", ARMS)

    assert ReleaseResult(ReleaseOutcome.RELEASED) == client.release(decision)
    assert ReleaseResult(ReleaseOutcome.RELEASED) == client.release(decision.decision_id, domain="route")
    assert [decision.decision_id] * 2 == [release.decision_id for release in sidecar.releases]


def test_an_id_needs_its_domain(client: Driver) -> None:
    """A reward by id without its domain is a mistake in the program."""
    with pytest.raises(TypeError, match="needs its domain"):
        client.reward("request-17", quality=1.0)
    with pytest.raises(ValueError, match="decision_id"):
        client.release("request 17", domain="route")


def test_tenant_workspace_and_metadata_are_sent(connect: Connect, sidecar: ScriptedSidecar) -> None:
    """Every call says whose it is, and carries the app's metadata."""
    client = connect(sidecar.address, tenant="acme", workspace="eu", metadata=[("authorization", "Bearer token")])
    client.block(lambda _: None, "route", ARMS)

    assert (sidecar.recommends[0].tenant, sidecar.recommends[0].workspace) == ("acme", "eu")
    assert (sidecar.rewards[0].tenant, sidecar.rewards[0].workspace) == ("acme", "eu")
    assert ("authorization", "Bearer token") in sidecar.metadata


def test_unix_sockets_work(connect: Connect, tmp_path: Path) -> None:
    """An address may be a unix socket."""
    sidecar = ScriptedSidecar()
    address = sidecar.start(f"unix:{tmp_path}/sidecar.sock")
    decision = connect(address).block(lambda _: None, "route", ARMS)
    sidecar.stop()

    assert decision.arm == "large"
    assert len(sidecar.rewards) == 1


def test_credentials_are_used(connect: Connect) -> None:
    """With credentials the channel is a secure one; here of the kind that needs no certificates."""
    sidecar = ScriptedSidecar()
    address = sidecar.start("127.0.0.1:0", grpc.local_server_credentials())
    decision = connect(address, credentials=grpc.local_channel_credentials()).recommend("route", ARMS)
    sidecar.stop()

    assert decision.arm == "large"


def test_the_address_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, sidecar: ScriptedSidecar) -> None:
    """LEARNING_ADDRESS is the default, and an explicit address wins over it."""
    monkeypatch.setenv("LEARNING_ADDRESS", sidecar.address)
    with LearningClient(timeout_ms=5_000) as client:
        assert client.recommend("route", ARMS).arm == "large"
    monkeypatch.setenv("LEARNING_ADDRESS", "unix:/nowhere/at/all.sock")
    with LearningClient(sidecar.address, timeout_ms=5_000) as client:
        assert client.recommend("route", ARMS).arm == "large"


@pytest.mark.parametrize("timeout_ms", [0, -1, float("nan"), float("inf"), "50"])
def test_a_timeout_must_be_a_time(timeout_ms: float) -> None:
    """A time-out that is none raises when the client is made."""
    with pytest.raises(ValueError, match="timeout_ms must be a finite number above 0"):
        LearningClient(timeout_ms=timeout_ms)


def test_whose_it_is_must_be_a_name(connect: Connect) -> None:
    """A tenant, workspace or address that cannot be raises when the client is made."""
    with pytest.raises(ValueError, match="tenant"):
        connect("127.0.0.1:1", tenant="")
    with pytest.raises(TypeError, match="workspace must be a string, not int"):
        connect("127.0.0.1:1", workspace=7)
    with pytest.raises(ValueError, match="address of the sidecar is empty"):
        connect("")


def test_threads_share_a_client(sidecar: ScriptedSidecar) -> None:
    """8 threads x 25 blocks make exactly 200 decisions and 200 rewards, each rewarded once, over one channel."""
    with LearningClient(sidecar.address, timeout_ms=5_000) as client:

        def work() -> None:
            for _ in range(25):
                with client.decide("route", ARMS) as decision:
                    decision.observe(quality=1.0)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    asked = [request.decision_id for request in sidecar.recommends]
    assert 200 == len(set(asked)) == len(asked)
    assert sorted(asked) == sorted(reward.decision_id for reward in sidecar.rewards)
