"""An ordinary app on asyncio: how `AsyncLearningClient` is used."""

from __future__ import annotations

import asyncio

from learning_client import AsyncLearningClient, Refused
from learning_client.testing import AsyncFakeLearning

from conformance.seen import Act, ActFailed, Asking, Seen

Client = AsyncLearningClient
Fake = AsyncFakeLearning


async def block(client: AsyncLearningClient, asking: Asking, act: Act) -> Seen:
    """Decide, act and report in a block, in a task of its own that may be cancelled."""
    seen = Seen()
    failure = ActFailed()
    with asking.traced():
        task = asyncio.create_task(_block(client, asking, act, seen, failure))
    try:
        await task
    except ActFailed as raised:
        seen.raised = raised is failure
    except asyncio.CancelledError:
        seen.raised = task.cancelled()
    return seen


async def _block(client: AsyncLearningClient, asking: Asking, act: Act, seen: Seen, failure: ActFailed) -> None:
    async with client.decide(asking.domain, asking.candidates, **asking.options) as decision:
        seen.asked(decision)
        if decision.refused:
            return
        seen.acted = True
        await asyncio.sleep(act.sleep_s)
        for signals in act.observe:
            decision.observe(**signals)
        if act.keep_open:
            decision.keep_open()
        if act.fails == "cancel":
            task = asyncio.current_task()
            assert task
            task.cancel()
            await asyncio.sleep(0)
        elif act.fails:
            raise failure


async def learn(client: AsyncLearningClient, asking: Asking, act: Act) -> Seen:
    """Decide, act and report in one call."""
    seen = Seen()

    async def execute(arm: str) -> str:
        seen.asked()
        seen.acted = True
        await asyncio.sleep(act.sleep_s)
        return arm

    try:
        with asking.traced():
            learned = await client.learn(
                asking.domain, asking.candidates, execute,
                score=lambda _: act.score(),
                **asking.options,
            )  # fmt: skip
        seen.decision = learned.decision
    except Refused as refused:
        seen.asked(refused.decision)
    return seen


async def together(client: AsyncLearningClient, times: int, asking: Asking, act: Act) -> list[Seen]:
    """So many blocks at once, each in a task."""
    return await asyncio.gather(*(block(client, asking, act) for _ in range(times)))
