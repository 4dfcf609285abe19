"""Goal: the example's runnable invokes the arm that the sidecar chooses, and reports what came of it.

Method: chains of LangChain's own fake models, invoked and awaited; a fake sidecar, and a real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from learning_client import AsyncLearningClient, LearningClient, Refused, SignalValues
from learning_client.testing import AsyncFakeLearning, FakeLearning

from .conftest import PATIENT_MS, example, run_example, status
from .openai_stub import listening

EXAMPLE = example("with_langchain")
ARMS = {name: FakeListChatModel(responses=[f"from the {name} one"]) for name in ("small", "large")}
Invoke = Callable[[Runnable[Any, Any], object], object]


@pytest.fixture(params=["invoke", "ainvoke"])
def invoke(request: pytest.FixtureRequest) -> Iterator[Invoke]:
    """Run a chain on each of its two paths, all of a test on one event loop."""
    with asyncio.Runner() as runner:
        yield (
            lambda chain, asked: chain.invoke(asked) if request.param == "invoke" else runner.run(chain.ainvoke(asked))
        )


def grade(asked: object, answer: object) -> SignalValues:
    """What the large one says is good."""
    del asked
    return {"quality": float("large" in str(answer)), "cost_usd": 0.01}


class Fakes:
    """A fake sidecar for each path, that chooses alike."""

    def __init__(self, chosen: str | None) -> None:
        """Let both choose this arm, or refuse."""
        self.of_invoke = FakeLearning(lambda *_: chosen)
        self.of_ainvoke = AsyncFakeLearning(lambda *_: chosen)

    def learned(self, arms: dict[str, Runnable[Any, Any]] | None = None) -> Runnable[Any, Any]:
        """Make the example's runnable."""
        made: Runnable[Any, Any] = EXAMPLE.learned(arms or ARMS, grade, self.of_invoke, self.of_ainvoke)
        return made

    @property
    def rewards(self) -> list[Any]:
        """What came to either."""
        return [*self.of_invoke.rewards, *self.of_ainvoke.rewards]


def test_the_chosen_arm_is_a_part_of_the_chain(invoke: Invoke) -> None:
    """What stands before feeds it, what stands behind gets its answer, and the score is reported once."""
    fakes = Fakes("large")
    chain = ChatPromptTemplate.from_template("Explain {thing}") | fakes.learned() | StrOutputParser()
    said = invoke(chain, {"thing": "a bandit"})
    (reward,) = fakes.rewards

    assert said == "from the large one"
    assert (reward.arm, reward.signals["quality"], reward.signals["cost_usd"]) == ("large", 1.0, 0.01)
    assert reward.signals["latency_ms"] > 0


def test_an_arm_that_fails_is_reported(invoke: Invoke) -> None:
    """Its exception propagates, and it gets the worst reward."""

    def fail(asked: object) -> object:
        raise LookupError(asked)

    fakes = Fakes("small")
    with pytest.raises(LookupError, match="anything"):
        invoke(fakes.learned({"small": RunnableLambda(fail), "large": ARMS["large"]}), "anything")

    assert [reward.signals["reward"] for reward in fakes.rewards] == [0.0]


def test_when_nothing_is_affordable_nothing_is_invoked(invoke: Invoke) -> None:
    """The chain raises Refused."""
    with pytest.raises(Refused):
        invoke(Fakes(None).learned(), "anything")


def test_a_real_sidecar_learns(invoke: Invoke, sidecar_address: str, workspace: str) -> None:
    """Of two arms it comes to prefer the better one."""

    async def async_client() -> AsyncLearningClient:
        return AsyncLearningClient(sidecar_address, workspace=workspace, timeout_ms=PATIENT_MS)

    with LearningClient(sidecar_address, workspace=workspace, timeout_ms=PATIENT_MS) as client:
        chain = EXAMPLE.learned(ARMS, grade, client, asyncio.run(async_client()))
        for _ in range(30):
            invoke(chain, "anything")
    route = status(sidecar_address, workspace)
    pulls = {arm.arm: arm.pulls for arm in route.arms}

    assert (route.decisions, route.applied) == (30, 30)
    assert pulls["large"] > 15


def test_nobody_listens(invoke: Invoke, missing_address: str) -> None:
    """The first arm answers."""
    with LearningClient(missing_address) as client:
        chain = EXAMPLE.learned(ARMS, grade, client, AsyncLearningClient(missing_address)) | StrOutputParser()
        assert invoke(chain, "anything") == "from the small one"


def test_the_program(missing_address: str) -> None:
    """It prints an answer; without a sidecar it is the first model's."""
    with listening() as url:
        printed = run_example(
            "with_langchain", "a bandit", LEARNING_ADDRESS=missing_address, OPENAI_BASE_URL=url, OPENAI_API_KEY="none"
        )

    assert printed.strip() == "a reward, says gpt-4o-mini"
