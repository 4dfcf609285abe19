"""Goal: the example asks OpenAI for the model that the sidecar chooses, and reports what came of it.

Method: the SDK itself over a mocked HTTP transport; a fake and a real sidecar; the program, and a stub of the API.
"""

from __future__ import annotations

import json

import httpx
import openai
import pytest
from learning_client import LearningClient, Refused
from learning_client.testing import FakeLearning

from .conftest import PATIENT_MS, example, run_example, status
from .openai_stub import TOKENS_IN, TOKENS_OUT, completion, listening

EXAMPLE = example("with_openai")
QUESTION = "What is a bandit?"


def answering(asked: list[str], *, failing: bool = False) -> openai.OpenAI:
    """Make an SDK whose answers are made here; it notes the models it is asked for."""

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["model"])
        return httpx.Response(500) if failing else httpx.Response(200, json=completion(asked[-1], "an answer"))

    client = httpx.Client(transport=httpx.MockTransport(handle))
    return openai.OpenAI(api_key="none", http_client=client, max_retries=0)


def test_the_chosen_model_answers_and_is_reported() -> None:
    """The SDK is asked for the arm; quality is the grade, cost is computed from the tokens that were used."""
    asked: list[str] = []
    fake = FakeLearning(lambda domain, candidates, context: candidates[int(context["length"] > 10)])  # noqa: ARG005
    text = EXAMPLE.ask(fake, answering(asked), QUESTION, lambda text: float(text == "an answer"))
    (reward,) = fake.rewards

    assert (text, asked, reward.arm) == ("an answer", ["gpt-4o"], "gpt-4o")
    assert reward.signals["quality"] == 1.0
    assert reward.signals["cost_usd"] == pytest.approx((TOKENS_IN * 2.5 + TOKENS_OUT * 10) / 1e6)
    assert reward.signals["latency_ms"] > 0


def test_a_call_that_fails_is_reported() -> None:
    """The SDK's exception propagates, and the model gets the worst reward."""
    fake = FakeLearning()
    with pytest.raises(openai.InternalServerError):
        EXAMPLE.ask(fake, answering([], failing=True), QUESTION, lambda _: 1.0)

    assert fake.rewards[0].signals["reward"] == 0.0


def test_without_a_sidecar_the_first_model_answers() -> None:
    """Nothing raises, and nothing is reported."""
    asked: list[str] = []
    fake = FakeLearning(lambda domain, candidates, context: candidates[-1])  # noqa: ARG005
    fake.away = True

    assert EXAMPLE.ask(fake, answering(asked), QUESTION, lambda _: 1.0) == "an answer"
    assert asked == ["gpt-4o-mini"]
    assert fake.rewards == []


def test_when_nothing_is_affordable_nothing_is_asked() -> None:
    """OpenAI is not called."""
    asked: list[str] = []
    with pytest.raises(Refused):
        EXAMPLE.ask(FakeLearning(lambda *_: None), answering(asked), QUESTION, lambda _: 1.0)

    assert asked == []


def test_a_real_sidecar_learns(sidecar_address: str, workspace: str) -> None:
    """Every question is a decision that was rewarded, with what its tokens cost."""
    with LearningClient(sidecar_address, workspace=workspace, timeout_ms=PATIENT_MS) as learning:
        for _ in range(20):
            EXAMPLE.ask(learning, answering([]), QUESTION, lambda _: 1.0)
    route = status(sidecar_address, workspace)

    assert (route.decisions, route.applied) == (20, 20)
    assert {arm.arm for arm in route.arms if arm.pulls} <= {"gpt-4o-mini", "gpt-4o"}
    assert route.budget.spent_usd > 0
    assert route.budget.overrun_usd == 0  # the ceilings are true


def test_the_program(missing_address: str) -> None:
    """It prints an answer; without a sidecar it is the first model's."""
    with listening() as url:
        printed = run_example(
            "with_openai", QUESTION, LEARNING_ADDRESS=missing_address, OPENAI_BASE_URL=url, OPENAI_API_KEY="none"
        )

    assert printed.strip() == "a reward, says gpt-4o-mini"
