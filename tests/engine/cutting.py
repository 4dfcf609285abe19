"""A store that is cut off on command."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.errors import StoreError, StoreMisbehaved, StoreUnavailable
from sidecar.store import transitions as t
from sidecar.store.connection import Server
from sidecar.store.leasing import Lease
from sidecar.store.redis_store import RedisStore


class CutStore(RedisStore):
    """The store on the server, unless it is `away`, or `strange` about a decision; it says that it is `run_id`.

    `deaf`, or `deaf_to_leases`, it does what it is asked and its answer is lost. With a `breath` it answers so many
    times, then once not. While `mute` it says who it is, and does nothing else.
    """

    away = False
    deaf = False
    deaf_to_leases = False
    strange = ""
    run_id = "one"
    mute = False
    breath = 0
    _breathed = 0

    async def apply(self, transition: t.Transition, until: float = float("inf")) -> t.Reply:
        """Apply one transition."""
        self._breathed += 1
        if self.away or self.mute or (self.breath and self._breathed % (self.breath + 1) == 0):
            raise StoreUnavailable("apply")
        if isinstance(transition, t.Settle) and transition.decision_id == self.strange:
            raise StoreMisbehaved("settle", "?")
        reply = await super().apply(transition, until)
        if self.deaf:
            raise StoreUnavailable("apply")
        return reply

    async def apply_all(self, transitions: Sequence[t.Transition], until: float) -> list[t.Reply | StoreError]:
        """Apply several, one after the other."""
        outcomes: list[t.Reply | StoreError] = []
        for one in transitions:
            try:
                outcomes.append(await self.apply(one, until))
            except StoreError as error:
                outcomes.append(error)
        return outcomes

    async def server(self) -> Server:
        """Say who it is."""
        if self.away:
            raise StoreUnavailable("asking what it is")
        return Server("a test's", self.run_id)

    async def lease(self, lease: Lease) -> int:
        """Report and renew."""
        if self.away:
            raise StoreUnavailable("lease")
        granted = await super().lease(lease)
        if self.deaf_to_leases:
            raise StoreUnavailable("lease")
        return granted
