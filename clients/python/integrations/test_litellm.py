"""Goal: LiteLLM's router takes the model that the sidecar chooses, and every attempt is reported once, as it ended.

Method: the router itself, its sync and its async path, with mocked responses, and a fake sidecar that says what came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import litellm
import pytest
from learning_client import Decision, Refused
from learning_client.litellm import LearningStrategy
from learning_client.testing import AsyncFakeLearning, FakeLearning

from .conftest import eventually_async
from .routers import LARGE, MESSAGES, SMALL, Caller, Fake, Unchecked, calling, deployment, forget_strategies, routed


@pytest.fixture(params=["sync", "async"])
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """Call on each path; afterwards LiteLLM knows no strategy."""
    with calling(request.param) as made:
        yield made


def test_the_chosen_model_answers_and_is_reported(caller: Caller) -> None:
    """The arm is the model; quality is the scorer's, cost LiteLLM's own price in USD, latency what was measured."""
    router, fake = routed(deployment(SMALL), deployment(LARGE, "from the large one")), caller.fake()
    caller.strategy(router, fake, score=lambda _, call: len(call["messages"]) / 2)
    response = caller.call(router)
    caller.until(lambda: bool(fake.rewards))
    (reward,) = fake.rewards

    assert response.choices[0].message.content == "from the large one"
    assert (reward.domain, reward.arm, reward.more_to_come) == ("route", LARGE, False)
    assert set(reward.signals) == {"quality", "cost_usd", "latency_ms"}
    assert reward.signals["quality"] == 0.5
    assert reward.signals["cost_usd"] == pytest.approx(litellm.completion_cost(response, model=LARGE))
    assert reward.signals["cost_usd"] > 0
    assert 0 < reward.signals["latency_ms"] < 60_000


def test_a_stream_is_reported_at_its_end(caller: Caller) -> None:
    """All pieces arrive, and then the cost of the whole is known."""
    router, fake = routed(deployment(SMALL), deployment(LARGE, "piece by piece")), caller.fake()
    caller.strategy(router, fake, score=lambda response, _: float(response.choices[0].message.content != ""))
    text = caller.call(router, stream=True)
    caller.until(lambda: bool(fake.rewards))

    assert text == "piece by piece"
    assert fake.rewards[0].signals["quality"] == 1.0
    assert fake.rewards[0].signals["cost_usd"] > 0
    assert len(fake.rewards) == 1


@pytest.mark.parametrize(("rule", "rewards", "released"), [("worst", [0.0], 0), ("release", [], 1), ("ignore", [], 0)])
def test_a_failure_is_reported_by_the_rule(caller: Caller, rule: str, rewards: list[float], released: int) -> None:
    """The exception is LiteLLM's own, and its decision ends as on_error says; a later call shows what did not come."""
    outcomes = iter([LARGE, SMALL])
    router = routed(deployment(SMALL), deployment(LARGE, RuntimeError("overloaded")))
    fake = caller.fake(lambda _: next(outcomes))
    caller.strategy(router, fake, on_error=rule)
    with pytest.raises(litellm.InternalServerError, match="overloaded"):
        caller.call(router)
    caller.call(router)
    caller.until(lambda: any(reward.arm == SMALL for reward in fake.rewards))

    assert [reward.signals["reward"] for reward in fake.rewards if reward.arm == LARGE] == rewards
    assert len(fake.released) == released


@pytest.mark.parametrize(("rule", "rewards", "released"), [("worst", [0.0], 0), ("release", [], 1), ("ignore", [], 0)])
def test_a_fallback_with_nothing_to_choose_is_not_the_failed_model_s(
    caller: Caller, rule: str, rewards: list[float], released: int
) -> None:
    """What the only model of another group answers says nothing about the model that failed."""
    backup = {**deployment("openai/gpt-3.5-turbo"), "model_name": "backup"}
    failing = deployment(LARGE, RuntimeError("overloaded"))
    router = routed(deployment(SMALL), failing, backup, fallbacks=[{"chat": ["backup"]}])
    fake = caller.fake(lambda _: LARGE)
    caller.strategy(router, fake, on_error=rule, score=lambda *_: 0.9)
    response = caller.call(router)
    caller.until(lambda: len(fake.rewards) + len(fake.released) >= len(rewards) + released)
    caller.call(router, "backup")  # gives a report that should not come its time

    assert response.choices[0].message.content == "an answer"
    assert [reward.signals["reward"] for reward in fake.rewards] == rewards
    assert len(fake.released) == released


def test_every_attempt_is_a_decision(caller: Caller) -> None:
    """The retry may take another model; each model gets the reward of its own attempt."""
    outcomes = iter([LARGE, SMALL])
    router = routed(deployment(SMALL), deployment(LARGE, RuntimeError("overloaded")), num_retries=1)
    fake = caller.fake(lambda _: next(outcomes))
    caller.strategy(router, fake, score=lambda *_: 0.9)
    response = caller.call(router)
    caller.until(lambda: len(fake.rewards) == 2)
    rewards = {reward.arm: reward for reward in fake.rewards}

    assert response.choices[0].message.content == "an answer"
    assert rewards[LARGE].signals["reward"] == 0.0
    assert rewards[SMALL].signals["quality"] == 0.9
    assert rewards[LARGE].decision_id != rewards[SMALL].decision_id


def test_without_a_sidecar_the_first_deployment_answers(caller: Caller) -> None:
    """Nothing raises, nothing is reported; when the sidecar is back, it is asked again."""
    router, fake = routed(deployment(SMALL, "from the first"), deployment(LARGE)), caller.fake()
    caller.strategy(router, fake)
    fake.away = True
    metadata: dict[str, Unchecked] = {}
    response = caller.call(router, metadata=metadata)
    fake.away = False
    caller.call(router)
    caller.until(lambda: bool(fake.rewards))

    assert response.choices[0].message.content == "from the first"
    assert [reward.arm for reward in fake.rewards] == [LARGE]


def test_a_retry_without_a_sidecar_forgets_the_first_attempt(caller: Caller) -> None:
    """The caller's metadata has no decision that the answer did not come from."""
    fakes: list[Fake] = []

    def choose(arms: list[str]) -> str:
        fakes[0].away = True
        return arms[-1]

    router = routed(deployment(SMALL), deployment(LARGE, RuntimeError("overloaded")), num_retries=1)
    fakes.append(caller.fake(choose))
    caller.strategy(router, fakes[0])
    metadata: dict[str, Unchecked] = {}
    response = caller.call(router, metadata=metadata)

    assert response.choices[0].message.content == "an answer"


def test_when_nothing_is_affordable_nothing_is_called(caller: Caller) -> None:
    """The call raises Refused instead."""
    router = routed(deployment(SMALL, RuntimeError("was called")), deployment(LARGE, RuntimeError("was called")))
    caller.strategy(router, caller.fake(lambda _: None))
    with pytest.raises(Refused, match="no candidate of route is affordable"):
        caller.call(router)


def test_deployments_that_rest_are_no_candidates(caller: Caller) -> None:
    """What LiteLLM took out of service after a failure is not offered to the sidecar."""
    offered: list[list[str]] = []

    def choose(arms: list[str]) -> str:
        offered.append(arms)
        return arms[-1]

    third = "openai/gpt-4.1"
    router = routed(
        deployment(SMALL), deployment(third), deployment(LARGE, RuntimeError("overloaded")),
        disable_cooldowns=False, allowed_fails=0, cooldown_time=60,
    )  # fmt: skip
    caller.strategy(router, caller.fake(choose))
    with pytest.raises(litellm.InternalServerError):
        caller.call(router)
    caller.until(lambda: bool(router.cooldown_cache.get_active_cooldowns(router.get_model_ids(), None)))
    caller.call(router)

    assert offered == [[SMALL, third, LARGE], [SMALL, third]]


def test_deployments_of_one_model_are_one_arm(caller: Caller) -> None:
    """Of two regions each takes calls, and the sidecar is asked about models; of one model it is not asked at all."""
    regions = [deployment(SMALL, "east"), deployment(SMALL, "west")]
    offered: list[list[str]] = []

    def choose(arms: list[str]) -> str:
        offered.append(arms)
        return SMALL

    fake = caller.fake(choose)
    both = routed(*regions, deployment(LARGE))
    caller.strategy(both, fake)
    said = {caller.call(both).choices[0].message.content for _ in range(30)}  # each is missing with 2^-29
    asked = len(offered)
    one = routed(*regions)
    caller.strategy(one, fake)
    caller.call(one)

    assert said == {"east", "west"}
    assert offered == [[SMALL, LARGE]] * asked
    assert asked == 30


def test_feedback_may_come_later(caller: Caller) -> None:
    """With keep_open the report is partial, and the caller's metadata has the id to complete it with."""
    router, fake = routed(deployment(SMALL), deployment(LARGE)), caller.fake()
    caller.strategy(router, fake, keep_open=True)
    metadata: dict[str, Unchecked] = {"user": "somebody"}
    caller.call(router, metadata=metadata)
    caller.until(lambda: bool(fake.rewards))

    assert fake.rewards[0].more_to_come
    assert fake.rewards[0].decision_id == metadata["learning"]["decision_id"]
    assert (metadata["learning"]["arm"], metadata["learning"]["propensity"]) == (LARGE, 1.0)


def test_what_a_decision_depends_on(caller: Caller) -> None:
    """The options see the messages, and what they tell reaches the sidecar."""
    seen: list[float] = []

    def choose(domain: str, arms: list[str], context: Mapping[str, float]) -> str:
        del domain
        seen.append(context["length"])
        return arms[0]

    router = routed(deployment(SMALL), deployment(LARGE))
    fake = type(caller.fake())(choose)
    caller.strategy(router, fake, options=lambda messages: {"context": {"length": len(messages[0]["content"])}})
    caller.call(router)

    assert seen == [17.0]


def test_a_scorer_that_fails_costs_no_report(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    """Cost and latency are reported, and the log has the reason."""
    router, fake = routed(deployment(SMALL), deployment(LARGE)), caller.fake()
    caller.strategy(router, fake, score=lambda response, _: response.no_such_thing)
    caller.call(router)
    caller.until(lambda: bool(fake.rewards))

    assert set(fake.rewards[0].signals) == {"cost_usd", "latency_ms"}
    assert "could not score a call of route" in caplog.text


def test_other_routers_are_not_reported(caller: Caller) -> None:
    """LiteLLM tells every strategy of every call; each reports its own, in the same domain, too."""
    first, second = caller.fake(), caller.fake()
    mine, other = routed(deployment(SMALL), deployment(LARGE)), routed(deployment(SMALL), deployment(LARGE))
    caller.strategy(mine, first)
    caller.strategy(other, second)
    caller.call(mine)
    caller.call(other)
    caller.until(lambda: bool(first.rewards and second.rewards))

    assert [reward.arm for reward in first.rewards] == [LARGE]
    assert [reward.arm for reward in second.rewards] == [LARGE]


def test_a_deployment_that_is_asked_for_by_name_answers(caller: Caller) -> None:
    """Who names one has decided already: the sidecar is not asked."""
    router, fake = routed(deployment(SMALL, "by name"), deployment(LARGE)), caller.fake()
    caller.strategy(router, fake)
    metadata: dict[str, Unchecked] = {}
    response = caller.call(router, model=router.get_model_ids()[0], metadata=metadata)

    assert response.choices[0].message.content == "by name"


def test_where_word_is_left(caller: Caller) -> None:
    """Where `metadata` is the provider's, LiteLLM's own is used; who brings neither gets the first, unasked."""
    offered: list[list[str]] = []

    def choose(arms: list[str]) -> str:
        offered.append(arms)
        return LARGE

    router = routed(deployment(SMALL), deployment(LARGE))
    caller.strategy(router, caller.fake(choose))
    request: dict[str, Unchecked] = {"litellm_metadata": {}}
    chosen = caller.deployment(router, request_kwargs=request)
    unasked = caller.deployment(router)

    assert [one["litellm_params"]["model"] for one in (chosen, unasked)] == [LARGE, SMALL]
    assert request["litellm_metadata"]["learning"]["arm"] == LARGE
    assert "metadata" not in request
    assert len(offered) == 1


def test_an_answer_that_came_too_late_is_given_back() -> None:
    """The sidecar holds a decision that nobody acted on: at the end of the call it is released, not rewarded."""

    class Late(FakeLearning):
        def recommend(self, domain: str, candidates: Sequence[str], **options: Unchecked) -> Decision:
            recorded = super().recommend(domain, candidates, **options)
            return replace(recorded, arm=recorded.baseline, expires_at_unix_ms=0, answer_missed=True)

    caller, fake = Caller("sync"), Late(lambda *_: LARGE)
    router = routed(deployment(SMALL, "from the first"), deployment(LARGE))
    caller.strategy(router, fake, on_error="ignore")
    response = caller.call(router)
    caller.until(lambda: bool(fake.released))
    caller.close()
    forget_strategies()

    assert response.choices[0].message.content == "from the first"
    assert fake.rewards == []


def test_a_judge_may_be_awaited() -> None:
    """On the async path the scorer may be a coroutine, such as another model's verdict."""

    async def judge(response: Unchecked, call: Mapping[str, Unchecked]) -> float:
        del response, call
        await asyncio.sleep(0)
        return 0.7

    async def answered() -> None:
        router, fake = routed(deployment(SMALL), deployment(LARGE)), AsyncFakeLearning()
        LearningStrategy(router, async_client=fake, score=judge).install()
        await router.acompletion("chat", MESSAGES)
        await eventually_async(lambda: bool(fake.rewards))

        assert fake.rewards[0].signals["quality"] == 0.7

    asyncio.run(answered())
    forget_strategies()


def test_calls_may_share_their_metadata() -> None:
    """One dict for all calls at once: each is still reported as the decision that it was."""

    async def answered() -> None:
        router, fake = routed(deployment(SMALL), deployment(LARGE)), AsyncFakeLearning()
        LearningStrategy(router, async_client=fake).install()
        metadata: dict[str, Unchecked] = {"user": "somebody"}
        await asyncio.gather(*[router.acompletion("chat", MESSAGES, metadata=metadata) for _ in range(5)])
        await eventually_async(lambda: len(fake.rewards) == 5)

        assert len({reward.decision_id for reward in fake.rewards}) == 5

    asyncio.run(answered())
    forget_strategies()
