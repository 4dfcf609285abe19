"""The purses of one sidecar, one for each domain that has a lease, and their upkeep."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sidecar.clock import Clock
from sidecar.engine.learner import Learner
from sidecar.engine.purse import Purse
from sidecar.errors import StoreError
from sidecar.model.ids import fresh_id
from sidecar.model.names import Scope
from sidecar.store.leasing import Lease
from sidecar.store.redis_store import RedisStore

_log = logging.getLogger(__name__)


class Purses:
    """Holds them.

    Args:
        store: sets money aside.
        clock: tells when a lease ends.
    """

    def __init__(self, store: RedisStore, clock: Clock) -> None:
        """Start with none."""
        self._store, self._clock = store, clock
        self._sidecar = fresh_id()
        self._purses: dict[Scope, Purse] = {}

    def of(self, learner: Learner) -> Purse:
        """The purse of a domain; an empty one if it has no lease."""
        return self._purses.get(learner.scope) or Purse(learner, self._sidecar, self._clock)

    async def renew(self, learners: Iterable[Learner]) -> None:
        """Report what was spent, and see that each of these domains, and no other, has what it declares.

        Raises:
            StoreUnavailable: the store could not be asked; the next time goes on.
        """
        used = {learner.scope: learner for learner in learners}
        for scope, learner in used.items():
            if learner.settings.budget.lease_usd and scope not in self._purses:
                self._purses[scope] = Purse(learner, self._sidecar, self._clock)
        for scope, purse in list(self._purses.items()):
            if (report := purse.report(last=scope not in used)) is not None:
                await self._settle(purse, report)
            elif scope not in used:
                del self._purses[scope]

    async def close(self) -> None:
        """Give back what is left; what cannot be given back lapses, and then counts as spent."""
        for scope, purse in self._purses.items():
            try:
                while (report := purse.report(last=True)) is not None:
                    await self._settle(purse, report)
            except StoreError as error:
                _log.warning("the lease of %s could not be given back and will count as spent: %s", scope, error)
                return
        self._purses.clear()

    async def _settle(self, purse: Purse, report: Lease) -> None:
        asked_at = self._clock.monotonic()
        purse.granted(await self._store.lease(report), asked_at)
