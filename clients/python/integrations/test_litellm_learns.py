"""Goal: a real sidecar learns from what LiteLLM's router does. Method: mocked responses, and its own status."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import status
from .routers import LARGE, SMALL, Caller, calling, deployment, routed


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """Call on each path."""
    with calling(request.param) as made:
        yield made


def test_it_prefers_the_better_model(caller: Caller, sidecar_address: str, workspace: str) -> None:
    """Of two models it comes to prefer the better one, and every call is counted with its cost."""
    calls = 30
    router = routed(deployment(SMALL, "poor"), deployment(LARGE, "good"))
    client = caller.client(sidecar_address, workspace)
    caller.strategy(router, client, score=lambda response, _: float(response.choices[0].message.content == "good"))
    for _ in range(calls):
        caller.call(router)
    caller.until(lambda: status(sidecar_address, workspace).applied == calls)
    route = status(sidecar_address, workspace)
    arms = {arm.arm: arm for arm in route.arms}

    assert (route.decisions, route.open, route.duplicates) == (calls, 0, 0)
    assert sum(arm.pulls for arm in route.arms) == calls
    assert arms[LARGE].reward_mean == 1.0
    assert arms[LARGE].pulls > calls / 2
    assert arms[LARGE].cost_mean_usd > 0
    assert route.budget.spent_usd > 0
    caller.done(client)


def test_it_learns_of_failures(caller: Caller, sidecar_address: str, workspace: str) -> None:
    """A model that fails gets the worst reward, and no decision stays open.

    The other one is rewarded so poorly that both have their turn: in ten calls all but once in 100,000 runs.
    """
    router = routed(deployment(SMALL), deployment(LARGE, RuntimeError("overloaded")), num_retries=20)
    client = caller.client(sidecar_address, workspace)
    caller.strategy(router, client, score=lambda *_: 0.2)
    answers = [caller.call(router).choices[0].message.content for _ in range(10)]
    caller.until(lambda: {arm.arm for arm in status(sidecar_address, workspace).arms} == {SMALL, LARGE})
    caller.until(lambda: status(sidecar_address, workspace).open == 0)
    arms = {arm.arm: arm for arm in status(sidecar_address, workspace).arms}

    assert answers == ["an answer"] * 10
    assert (arms[SMALL].rewards, arms[SMALL].reward_mean) == (10, pytest.approx(0.2))
    assert arms[LARGE].rewards > 0
    assert arms[LARGE].reward_mean == 0.0
    caller.done(client)


def test_nobody_listens(caller: Caller, missing_address: str, workspace: str) -> None:
    """The first deployment answers, as fast as without the sidecar but for milliseconds."""
    router = routed(deployment(SMALL, "from the first"), deployment(LARGE))
    client = caller.client(missing_address, workspace)
    caller.strategy(router, client)
    answers = {caller.call(router).choices[0].message.content for _ in range(3)}

    assert answers == {"from the first"}
    caller.done(client)
