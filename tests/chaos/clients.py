"""64 apps that use the client library over two sidecars, and write down everything they are told.

An app never sees an exception: what its client does when the sidecar is gone, late or failing is part of the promise.
Every call goes through `Noting`, which hands the raw answer to the ledger.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from enum import Enum, auto
from typing import Any

from learning_client import AsyncLearningClient, Decision
from learning_client._calls import Failure, Method
from learning_client._endpoint import Endpoint
from learning_client._transport import AsyncGrpcTransport

from .killers import KilledSidecar
from .truth import Ledger

APPS = 64
DEADLINE_MS = 2000.0
"""How long an app waits for any answer."""
_GRACE_S = 2.5
"""For so long after a sidecar came back an app's connection to it may still wait for its next attempt."""
_THINK_S = 0.12

CEILINGS_USD = {"small": 0.001, "large": 0.01, "cached": 0.0}
REWARDS = {"small": 0.6, "large": 0.9, "cached": 0.2}
DOMAINS = ("route", "prompt", "retrieval", "tool_planning")
REWARD_DEADLINE_MS = 600_000
"""Of decisions that are to be rewarded: longer than any machine stands still, so that LATE is never its fault. Those
whose reward does not come are open when the round is over."""
SHORT_DEADLINE_MS = 400
"""Of decisions that are not to be rewarded in time, so that they expire within the round."""
PART_DEADLINE_MS = 1000
"""Of decisions whose partial report is to count when they expire; if it came too late, their app is told so."""


class Fate(Enum):
    """What an app does after a decision."""

    REWARDED = auto()
    THRICE = auto()
    IN_PARTS = auto()
    ONLY_A_PART = auto()
    LEFT_OPEN = auto()
    RELEASED = auto()
    TOO_LATE = auto()
    FORGOTTEN = auto()


WEIGHTS = {
    Fate.REWARDED: 60, Fate.THRICE: 10, Fate.IN_PARTS: 9, Fate.ONLY_A_PART: 4, Fate.LEFT_OPEN: 2,
    Fate.RELEASED: 6, Fate.TOO_LATE: 5, Fate.FORGOTTEN: 5,
}  # fmt: skip
_DEADLINES_MS = {
    Fate.TOO_LATE: SHORT_DEADLINE_MS, Fate.FORGOTTEN: SHORT_DEADLINE_MS, Fate.ONLY_A_PART: PART_DEADLINE_MS,
}  # fmt: skip


class Noting(AsyncGrpcTransport):
    """Sends calls as the client library does, and writes each down."""

    def __init__(self, to: Endpoint, sidecar: KilledSidecar, ledger: Ledger, *, strict: bool) -> None:
        """Connect with the first call."""
        super().__init__(to)
        self._sidecar, self._ledger, self._strict = sidecar, ledger, strict

    async def call(self, method: Method, request: Any) -> Any:
        """Send; return the answer, or why there is none."""
        if self._strict and method.name == "Recommend":
            request.strict = True
        began = time.monotonic()
        reply = await super().call(method, request)
        ended = time.monotonic()
        killed = isinstance(reply, Failure) and self._sidecar.was_down(began, ended, _GRACE_S)
        self._ledger.note(request, reply, began, ended, killed=killed, sidecar=self._sidecar.transport)
        return reply


class AppClient(AsyncLearningClient):
    """The client library, whose calls are written down.

    Args:
        sidecar: whom to call.
        ledger: of the round.
        workspace: of the app.
        strict: refuse the degraded baseline: the companion run without degrading.
        own: keep a connection of its own, as another process would.
    """

    def __init__(
        self,
        sidecar: KilledSidecar,
        ledger: Ledger,
        workspace: str,
        *,
        strict: bool = False,
        own: bool = True,
    ) -> None:
        """Prepare; nothing is connected yet."""
        self._noting = sidecar, ledger, strict
        super().__init__(
            sidecar.address,
            workspace=workspace,
            timeout_ms=DEADLINE_MS,
            channel_options=[("grpc.use_local_subchannel_pool", int(own))],
        )

    def _connect(self, to: Endpoint) -> Noting:
        sidecar, ledger, strict = self._noting
        return Noting(to, sidecar, ledger, strict=strict)


class App:
    """One app: decides, acts and reports until it is told to stop.

    Args:
        number: from 0; every fourth app gives up early, the others keep trying.
        home: the client that it uses.
        other: another sidecar's, for retries.
        ledger: of the round.
        seed: of its choices.
    """

    def __init__(self, number: int, home: AppClient, other: AppClient, ledger: Ledger, seed: int) -> None:
        """Keep them."""
        self._home, self._other, self._ledger = home, other, ledger
        self._rng = random.Random(seed * 1_000_003 + number)
        self._tries = 2 if number % 4 == 3 else 12

    async def live(self, until: float) -> None:
        """Make decisions until that moment (monotonic seconds), and finish what was begun."""
        await asyncio.sleep(self._rng.random() * _THINK_S)
        while time.monotonic() < until:
            try:
                await self._decide()
            except Exception as error:  # noqa: BLE001 - the promise is that there is none
                self._ledger.raised.append(repr(error))
            await asyncio.sleep(self._rng.uniform(0.5, 1.5) * _THINK_S)

    async def _decide(self) -> None:
        rng = self._rng
        domain = rng.choice(DOMAINS)
        fate = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        decision_id = f"{rng.getrandbits(96):024x}"

        async def ask(client: AppClient) -> Decision:
            return await client.recommend(
                domain,
                list(CEILINGS_USD),
                decision_id=decision_id,
                cost_ceilings_usd=CEILINGS_USD,
                reward_deadline_ms=_DEADLINES_MS.get(fate, REWARD_DEADLINE_MS),
            )

        clients = [self._home] + [self._other] * (rng.random() < 0.05) + [self._home] * (rng.random() < 0.05)
        decisions = await asyncio.gather(*(ask(client) for client in clients))
        if rng.random() < 0.03:
            decisions.append(await ask(self._home))  # the same id again: a retry of an app that lost the answer
        recorded = [one for one in decisions if one.recorded]
        if recorded:
            await self._finish(recorded[0], fate)
        elif decisions[0].answer_missed:
            await self._persist(lambda client: client.release(decisions[0]))

    async def _finish(self, decision: Decision, fate: Fate) -> None:  # noqa: C901 - one case for each fate
        rng = self._rng
        signals: dict[str, float] = {"reward": round(min(1.0, max(0.0, rng.gauss(REWARDS[decision.arm], 0.1))), 6)}
        if fate is not Fate.TOO_LATE:  # a late cost would be booked beyond its reservation
            signals["cost_usd"] = round(rng.uniform(0, CEILINGS_USD[decision.arm]), 9)
        if decision.domain == "prompt":
            signals["safety"] = round(rng.random(), 3)

        def report(client: AppClient, *, more_to_come: bool = False, **said: float) -> Awaitable[Any]:
            return client.reward(
                decision.decision_id, domain=decision.domain, more_to_come=more_to_come, **(said or signals)
            )  # type: ignore[arg-type]  # names of signals

        await asyncio.sleep(rng.random() * 0.03)
        match fate:
            case Fate.REWARDED:
                await self._persist(report)
            case Fate.THRICE:
                await asyncio.gather(self._persist(report), self._persist(report), report(self._other))
            case Fate.IN_PARTS:
                await report(
                    self._home, more_to_come=True, latency_ms=rng.uniform(1, 2000), cost_usd=signals["cost_usd"]
                )
                await self._persist(report)
            case Fate.ONLY_A_PART | Fate.LEFT_OPEN:
                await self._persist(lambda client: report(client, more_to_come=True))
            case Fate.RELEASED:
                await self._persist(lambda client: client.release(decision))
            case Fate.TOO_LATE:
                await asyncio.sleep(SHORT_DEADLINE_MS / 1000 + 0.05)
                await self._persist(report)
            case Fate.FORGOTTEN:
                pass

    async def _persist(self, call: Callable[[AppClient], Awaitable[Any]]) -> None:
        """Call until there is an answer, at either sidecar; or give up."""
        for attempt in range(self._tries):
            result = await call(self._home if attempt % 3 != 2 else self._other)
            if result.outcome != "unsent":
                return
            await asyncio.sleep(min(0.8, 0.1 * 2**attempt) * self._rng.uniform(0.5, 1.5))


async def run_apps(
    sidecars: Sequence[KilledSidecar],
    ledger: Ledger,
    workspaces: Sequence[str],
    seed: int,
    *,
    until: float,
    apps: int = APPS,
    strict: bool = False,
) -> None:
    """Let apps decide until that moment (monotonic seconds), and finish what they began.

    Each of them is in one of the workspaces and at home at one of the sidecars.
    """
    async with AsyncExitStack() as stack:

        async def client(sidecar: KilledSidecar, workspace: str, *, own: bool) -> AppClient:
            made = AppClient(sidecar, ledger, workspace, strict=strict, own=own)
            return await stack.enter_async_context(made)

        shared = {
            (at, name): await client(sidecars[at], name, own=False)
            for at in range(len(sidecars))
            for name in workspaces
        }
        living = []
        for number in range(apps):
            at, name = number % len(sidecars), workspaces[number // len(sidecars) % len(workspaces)]
            home = await client(sidecars[at], name, own=True)
            other = shared[(at + 1) % len(sidecars), name]
            living.append(App(number, home, other, ledger, seed).live(until))
        await asyncio.gather(*living)
