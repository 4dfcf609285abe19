"""LiteLLM's routers with mocked responses, and one face for their sync and their async path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import litellm
from learning_client import AsyncLearningClient, LearningClient
from learning_client.litellm import LearningStrategy
from learning_client.testing import AsyncFakeLearning, FakeLearning

from .conftest import PATIENT_MS, eventually_async

SMALL, LARGE = "openai/gpt-4o-mini", "openai/gpt-4o"
MESSAGES = [{"role": "user", "content": "What is a bandit?"}]
Fake = FakeLearning | AsyncFakeLearning
Unchecked = Any


def deployment(model: str, says: object = "an answer") -> dict[str, Unchecked]:
    """Describe a deployment that answers, or fails if what it says is an exception."""
    return {"model_name": "chat", "litellm_params": {"model": model, "api_key": "none", "mock_response": says}}


def routed(*deployments: dict[str, Unchecked], **settings: Unchecked) -> litellm.Router:
    """Make a router that gives up at the first failure, unless told otherwise."""
    return litellm.Router(model_list=list(deployments), **{"num_retries": 0, "disable_cooldowns": True, **settings})


def forget_strategies() -> None:
    """Leave LiteLLM without callbacks; it has no public way."""
    litellm.logging_callback_manager._reset_all_callbacks()


class Caller:
    """Calls routers on one of their two paths, and waits for what is reported afterwards."""

    def __init__(self, path: str) -> None:
        """Make an event loop for all of the test."""
        self._path = path
        self._runner = asyncio.Runner()

    def fake(self, choose: Callable[[list[str]], str | None] = lambda arms: arms[-1]) -> Fake:
        """Make a fake sidecar for the path; without an argument it chooses the last candidate."""
        kind = FakeLearning if self._path == "sync" else AsyncFakeLearning
        return kind(lambda domain, arms, context: choose(arms))  # noqa: ARG005  # a chooser takes all three

    def strategy(self, router: litellm.Router, client: object, **settings: Unchecked) -> LearningStrategy:
        """Put a strategy in force."""
        key = "client" if self._path == "sync" else "async_client"
        return LearningStrategy(router, **{key: client, **settings}).install()

    def call(self, router: litellm.Router, model: str = "chat", **settings: Unchecked) -> Unchecked:
        """Answer the question; of a stream, the text of its pieces."""
        if self._path == "sync":
            answered = router.completion(model, MESSAGES, **settings)
            if settings.get("stream"):
                return "".join(piece.choices[0].delta.content or "" for piece in answered)
            return answered
        return self._runner.run(_acall(router, model, **settings))

    def deployment(self, router: litellm.Router, **settings: Unchecked) -> Unchecked:
        """Ask only which deployment it would be."""
        if self._path == "sync":
            return router.get_available_deployment("chat", **settings)
        return self._runner.run(router.async_get_available_deployment("chat", **settings))

    def client(self, address: str, workspace: str) -> LearningClient | AsyncLearningClient:
        """Make a client of a real sidecar for the path."""
        kind = LearningClient if self._path == "sync" else AsyncLearningClient
        return kind(address, workspace=workspace, timeout_ms=PATIENT_MS)

    def until(self, so: Callable[[], bool]) -> None:
        """Wait until it is so."""
        self._runner.run(eventually_async(so))

    def done(self, client: LearningClient | AsyncLearningClient) -> None:
        """Close a client."""
        if isinstance(client, AsyncLearningClient):
            self._runner.run(client.close())
        else:
            client.close()

    def close(self) -> None:
        """Let LiteLLM's own tasks end, and the loop with them."""
        self._runner.close()


async def _acall(router: litellm.Router, model: str, **settings: Unchecked) -> Unchecked:
    answered = await router.acompletion(model, MESSAGES, **settings)
    if settings.get("stream"):
        return "".join([piece.choices[0].delta.content or "" async for piece in answered])
    return answered


@contextmanager
def calling(path: str) -> Iterator[Caller]:
    """Make a caller for one path, and forget its strategies at the end."""
    made = Caller(path)
    yield made
    made.close()
    forget_strategies()
