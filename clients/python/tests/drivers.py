"""One face for both clients, so that one test makes its claim about the sync and the async one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from learning_client import AsyncLearningClient, Decision, Learned, LearningClient, ReleaseResult, RewardResult

T = TypeVar("T")

Unchecked = Any
"""What a test passes on as it is: also what the types forbid, because not every app is type-checked."""


class Driver:
    """Drives a client; every method returns when the client is done."""

    def __init__(self, client: LearningClient | AsyncLearningClient, runner: asyncio.Runner) -> None:
        """Keep the client, and the event loop that an async one lives on."""
        self.client = client
        self._runner = runner

    def block(
        self, body: Callable[[Decision], object], domain: str, candidates: Sequence[str], **options: Unchecked
    ) -> Decision:
        """Run `body` inside a decide block."""
        if isinstance(self.client, AsyncLearningClient):
            return self._runner.run(_async_block(self.client, body, domain, candidates, **options))
        with self.client.decide(domain, candidates, **options) as decision:
            body(decision)
        return decision

    def learn(
        self, domain: str, candidates: Sequence[str], act: Callable[[str], object], **options: Unchecked
    ) -> Learned[object]:
        """Run `act` under learn."""

        async def awaited(arm: str) -> object:
            return act(arm)

        acting = awaited if isinstance(self.client, AsyncLearningClient) else act
        learn: Unchecked = self.client.learn
        return self._done(learn(domain, candidates, acting, **options))

    def recommend(self, domain: str, candidates: Sequence[str], **options: Unchecked) -> Decision:
        """Ask without a block."""
        return self._done(self.client.recommend(domain, candidates, **options))

    def reward(self, decision: Decision | str, **signals: Unchecked) -> RewardResult:
        """Report."""
        return self._done(self.client.reward(decision, **signals))

    def release(self, decision: Decision | str, **where: Unchecked) -> ReleaseResult:
        """Give back."""
        return self._done(self.client.release(decision, **where))

    def close(self) -> None:
        """Close the client."""
        self._done(self.client.close())

    def _done(self, result: T | Coroutine[object, object, T]) -> T:
        return self._runner.run(result) if isinstance(result, Coroutine) else result


async def _async_block(
    client: AsyncLearningClient,
    body: Callable[[Decision], object],
    domain: str,
    candidates: Sequence[str],
    **options: Unchecked,
) -> Decision:
    async with client.decide(domain, candidates, **options) as decision:
        body(decision)
    return decision
