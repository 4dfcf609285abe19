"""LangChain with the sidecar choosing the model.

    OPENAI_API_KEY=... python with_langchain.py "a bandit"

`learned` makes one runnable out of several, to be put into any chain. It needs langchain-core; the program below also
needs langchain-openai.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from learning_client import AsyncLearningClient, LearningClient, Refused, SignalValues


def learned(
    arms: dict[str, Runnable[Any, Any]],
    score: Callable[[Any, Any], SignalValues],
    learning: LearningClient,
    async_learning: AsyncLearningClient,
    domain: str = "route",
) -> Runnable[Any, Any]:
    """Make a runnable that invokes the arm which the sidecar chooses, and reports what `score(asked, answer)` says.

    The first arm is the baseline. An arm that raises gets the worst reward, and `invoke` and `ainvoke` raise the same;
    they raise `Refused` when no arm is affordable.
    """

    def invoke(asked: object, config: RunnableConfig) -> object:
        with learning.decide(domain, list(arms)) as decision:
            if decision.refused:
                raise Refused(decision)
            answer = arms[decision.arm].invoke(asked, config)
            decision.observe(**score(asked, answer))
        return answer

    async def ainvoke(asked: object, config: RunnableConfig) -> object:
        async with async_learning.decide(domain, list(arms)) as decision:
            if decision.refused:
                raise Refused(decision)
            answer = await arms[decision.arm].ainvoke(asked, config)
            decision.observe(**score(asked, answer))
        return answer

    return RunnableLambda(invoke, afunc=ainvoke, name="learned")


def main() -> None:
    """Answer one question by one of two models."""
    from langchain_core.output_parsers import StrOutputParser  # noqa: PLC0415  # what only the program needs
    from langchain_core.prompts import ChatPromptTemplate  # noqa: PLC0415
    from langchain_openai import ChatOpenAI  # noqa: PLC0415

    models: dict[str, Runnable[Any, Any]] = {name: ChatOpenAI(model=name) for name in ("gpt-4o-mini", "gpt-4o")}
    prompt = ChatPromptTemplate.from_template("Explain to a child: {thing}")
    with LearningClient() as client:
        model = learned(models, lambda _, answer: {"quality": len(answer.text) < 1_000}, client, AsyncLearningClient())  # noqa: PLR2004
        chain = prompt | model | StrOutputParser()
        print(chain.invoke({"thing": " ".join(sys.argv[1:]) or "a bandit"}))  # noqa: T201  # a program


if __name__ == "__main__":
    main()
