"""Which fault strikes when: drawn from a seed, and carried out on proxies, sidecars and servers."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from redis import RedisError

from .killers import KilledSidecar, Store
from .proxy import PASS, Fault, Kind, ProxyProcess

LINK = tuple(kind for kind in Kind if kind is not Kind.PASS)
BLOWS = (
    "sidecar killed", "sidecar stopped", "store killed", "store stopped", "scripts flushed", "clients killed",
    "store paused",
)  # fmt: skip
_BLOW_WEIGHTS = (2, 3, 3, 4, 4, 4, 4)
_LINK_SHARE = 0.65
_GAP_S = (0.05, 0.5)
_LASTS_S = (0.03, 0.35)


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: when it begins, in seconds from the start, how long it lasts, and whom it hits by number."""

    at_s: float
    name: str
    lasts_s: float
    whom: int
    fault: Fault = PASS


def schedule(seed: int, load_s: float, *, links: int, blows: Sequence[str] = BLOWS) -> list[Strike]:
    """The faults of one round: the same for the same seed."""
    rng = random.Random(seed)
    weights = [_BLOW_WEIGHTS[BLOWS.index(name)] for name in blows]
    strikes, at = [], rng.uniform(*_GAP_S)
    while at < load_s:
        lasts, whom = rng.uniform(*_LASTS_S), rng.randrange(links)
        if not blows or rng.random() < _LINK_SHARE:
            kind = rng.choice(LINK)
            slow = Fault(kind, rng.uniform(1, 60), rng.uniform(0, 60)) if kind is Kind.DELAY else Fault(kind)
            strikes.append(Strike(at, f"link {kind}", lasts, whom, slow))
        else:
            strikes.append(Strike(at, rng.choices(blows, weights)[0], lasts, whom))
        at += rng.uniform(*_GAP_S)
    return strikes


Blow = Callable[[Strike], Awaitable[None]]


class Struck(Protocol):
    """Servers that are struck."""

    def aim(self, strike: Strike) -> tuple[object, Blow]:
        """What is hit, of which one blow at a time is dealt, and how; a blow may raise redis.RedisError: it missed."""

    async def settle(self) -> None:
        """Wait until they are whole again."""


class Chaos:
    """Carries strikes out, and heals what they broke.

    Args:
        servers: where the state lies.
        proxies: one before the store for each sidecar, or none.
        sidecars: two.
    """

    def __init__(self, servers: Struck, proxies: Sequence[ProxyProcess], sidecars: Sequence[KilledSidecar]) -> None:
        """Nothing is broken yet."""
        self._servers, self.proxies, self._sidecars = servers, proxies, sidecars
        self._turns = [0] * len(proxies)
        self._busy: set[object] = set()
        self.struck: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        """Strikes that found their target down already."""
        self.begun: list[tuple[float, str]] = []
        """When each strike began (monotonic seconds), and what it was."""

    async def carry_out(self, strikes: Sequence[Strike]) -> None:
        """Let every strike happen at its time; returns when all are over and what they broke is whole again."""
        began = time.monotonic()

        async def one(strike: Strike) -> None:
            await asyncio.sleep(max(0.0, began + strike.at_s - time.monotonic()))
            await self._strike(strike)

        await asyncio.gather(*(one(strike) for strike in strikes))

    async def heal(self) -> None:
        """Make sure that traffic passes, and that the servers are whole."""
        for proxy in self.proxies:
            await proxy.switch(PASS)
        await self._servers.settle()

    async def _strike(self, strike: Strike) -> None:
        self.begun.append((time.monotonic(), f"{strike.name} {strike.whom} for {strike.lasts_s:.2f} s"))
        if strike.name.startswith("link "):
            self.struck[strike.name] += 1
            await self._link(strike)
            return
        blow: Blow
        if strike.name.startswith("sidecar "):
            sidecar = self._sidecars[strike.whom % len(self._sidecars)]
            target: object = sidecar
            blow = self._kill_sidecar if strike.name.endswith("killed") else self._stop_sidecar
        else:
            target, blow = self._servers.aim(strike)
        # A target that is down already cannot be hit again, and of two sidecars one stays up.
        if target in self._busy or (strike.name == "sidecar killed" and self._a_sidecar_is_down()):
            self.missed[strike.name] += 1
            return
        self._busy.add(target)
        try:
            await blow(strike)
            self.struck[strike.name] += 1
        except RedisError:
            self.missed[strike.name] += 1
        finally:
            self._busy.discard(target)

    def _a_sidecar_is_down(self) -> bool:
        return any(sidecar in self._busy for sidecar in self._sidecars)

    async def _link(self, strike: Strike) -> None:
        """Set a proxy's fault and take it back, unless a later one has taken its place."""
        self._turns[strike.whom] += 1
        turn, proxy = self._turns[strike.whom], self.proxies[strike.whom]
        await proxy.switch(strike.fault)
        await asyncio.sleep(strike.lasts_s)
        if self._turns[strike.whom] == turn:
            await proxy.switch(PASS)

    async def _kill_sidecar(self, strike: Strike) -> None:
        sidecar = self._sidecars[strike.whom % len(self._sidecars)]
        await asyncio.to_thread(sidecar.kill)
        await sidecar.start()

    async def _stop_sidecar(self, strike: Strike) -> None:
        sidecar = self._sidecars[strike.whom % len(self._sidecars)]
        await _stopped(sidecar, strike.lasts_s)


async def _stopped(target: Store | KilledSidecar, lasts_s: float) -> None:
    target.stop_and_go(go=False)
    try:
        await asyncio.sleep(lasts_s)
    finally:
        target.stop_and_go(go=True)


class StoreBlows:
    """What is done to one store."""

    def __init__(self, store: Store) -> None:
        """Keep it."""
        self._store = store

    async def settle(self) -> None:
        """Every blow leaves it running."""

    def aim(self, strike: Strike) -> tuple[object, Blow]:
        """Of all that may be done to it, one thing at a time."""
        return self._store, self._blow(strike.name)

    def _blow(self, name: str) -> Blow:
        async def killed(strike: Strike) -> None:
            await asyncio.to_thread(self._store.kill)
            await asyncio.sleep(strike.lasts_s)
            await asyncio.to_thread(self._store.start)

        async def stopped(strike: Strike) -> None:
            await _stopped(self._store, strike.lasts_s)

        def asking(*words: Any) -> Blow:
            async def asked(_: Strike) -> None:
                await asyncio.to_thread(self._store.ask, *words)

            return asked

        async def paused(strike: Strike) -> None:
            await asking("CLIENT", "PAUSE", int(strike.lasts_s * 1000), "ALL")(strike)
            await asyncio.sleep(strike.lasts_s)

        return {
            "store killed": killed,
            "store stopped": stopped,
            "store paused": paused,
            "scripts flushed": asking("SCRIPT", "FLUSH"),
            "clients killed": asking("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"),
        }[name]
