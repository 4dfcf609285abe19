"""The OpenAI SDK with the sidecar choosing the model.

    OPENAI_API_KEY=... python with_openai.py "What is a bandit?"

`ask` is what an app takes over: decide, call the chosen model, report quality, cost and latency.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from learning_client import LearningClient, Refused
from openai import OpenAI
from openai.types.chat import ChatCompletion

USD_PER_MILLION_TOKENS = {"gpt-4o-mini": (0.15, 0.60), "gpt-4o": (2.50, 10.00)}
"""What a token costs, going in and coming out, by model; the first model is the baseline."""
OUTPUT_TOKENS_MAX = 500


def cost_usd(model: str, tokens_in: int, tokens_out: int) -> float:
    """Compute what a call costs."""
    usd_in, usd_out = USD_PER_MILLION_TOKENS[model]
    return (tokens_in * usd_in + tokens_out * usd_out) / 1e6


def ask(learning: LearningClient, openai: OpenAI, question: str, grade: Callable[[str], float]) -> str:
    """Answer a question by the model that the sidecar chooses.

    Raises:
        Refused: No model is affordable.
        openai.OpenAIError: The call failed; the model gets the worst reward.
    """
    tokens_at_most = len(question.encode()) + 50  # a token has at least a byte; the frame of a message takes a few more
    ceilings_usd = {model: cost_usd(model, tokens_at_most, OUTPUT_TOKENS_MAX) for model in USD_PER_MILLION_TOKENS}
    context = {"length": len(question)}
    with learning.decide("route", list(ceilings_usd), context=context, cost_ceilings_usd=ceilings_usd) as decision:
        if decision.refused:
            raise Refused(decision)
        completion = openai.chat.completions.create(
            model=decision.arm,
            messages=[{"role": "user", "content": question}],
            max_completion_tokens=OUTPUT_TOKENS_MAX,
        )
        text = completion.choices[0].message.content or ""
        decision.observe(quality=grade(text), cost_usd=cost_of(decision.arm, completion))
    return text


def cost_of(model: str, completion: ChatCompletion) -> float | None:
    """Compute what a completion cost; None where the answer does not count its tokens."""
    usage = completion.usage
    return None if usage is None else cost_usd(model, usage.prompt_tokens, usage.completion_tokens)


if __name__ == "__main__":
    asked = " ".join(sys.argv[1:]) or "What is a multi-armed bandit?"
    with LearningClient() as client:
        print(ask(client, OpenAI(), asked, grade=lambda text: float("reward" in text)))  # noqa: T201  # a program
