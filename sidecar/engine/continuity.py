"""Notices when the store has lost what this sidecar saw in it, so that no emptied store passes for a fresh start.

A domain is founded once: the moment is kept in the store, and from then on the version of its statistics only grows. A
domain that is gone, that was founded at another moment, or whose version is lower than one seen before has lost
something: the server came up empty, an older copy was put in its place, or a failover went to a replica that lagged.

What a sidecar saw it forgets when it ends. A store that is emptied while no sidecar runs is a fresh start to all.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from sidecar.clock import Clock
from sidecar.model.names import Scope
from sidecar.store.redis_store import Origin

_log = logging.getLogger(__name__)

KNOWN_MAX = 20_000
"""Of so many workspaces it is remembered what was seen."""


class LossKind(StrEnum):
    """How much of a workspace is gone: all that was known of it, or what came last."""

    EMPTIED = "emptied"
    ROLLED_BACK = "rolled_back"


class Loss(NamedTuple):
    """What was lost of one workspace, and when that was noticed."""

    kind: LossKind
    at_unix_ms: int
    message: str


class OriginStore(Protocol):
    """What is looked at."""

    async def origins(self, tenant: str, workspace: str) -> Mapping[str, Origin]:
        """When each domain of a workspace was founded, and the version of its statistics."""


class Continuity:
    """Compares what workspaces are with what they were.

    Args:
        store: where they are.
        clock: for when it was noticed.
        version_of: the version of a scope's statistics that was seen elsewhere, 0 for none.
        drop: told of every scope that has lost something: what is remembered of it is not so any more.
    """

    def __init__(
        self, store: OriginStore, clock: Clock, version_of: Callable[[Scope], int], drop: Callable[[Scope], object]
    ) -> None:
        """Start with nothing known."""
        self._store = store
        self._clock = clock
        self._version_of = version_of
        self._drop = drop
        self._known: OrderedDict[tuple[str, str], Mapping[str, Origin]] = OrderedDict()
        self._losses: OrderedDict[tuple[str, str], Loss] = OrderedDict()
        self.observer: Callable[[str], None] = lambda _kind: None
        """Told the kind of every loss."""

    def loss(self, tenant: str, workspace: str) -> Loss | None:
        """What a workspace was last seen to have lost."""
        return self._losses.get((tenant, workspace))

    async def look(self, tenant: str, workspace: str) -> list[str]:
        """Look at a workspace, say aloud if something is lost, and return the names of its domains.

        Raises:
            StoreUnavailable: the store could not be asked; what is known stays.
        """
        whole = (tenant, workspace)
        seen = self._known.get(whole, {})
        # Noted before the question is sent: what is answered may then only be as new or newer.
        known = {
            domain: Origin(one.founded_ms, max(one.version, self._version_of(Scope(*whole, domain))))
            for domain, one in seen.items()
        }
        found = await self._store.origins(tenant, workspace)
        gone = [domain for domain, one in known.items() if _lost(one, found.get(domain))]
        if gone:
            self._say(whole, known, found, gone)
        self._known[whole] = found
        _make_room(self._known, whole)
        return sorted(found)

    def _say(
        self,
        whole: tuple[str, str],
        known: Mapping[str, Origin],
        found: Mapping[str, Origin],
        gone: list[str],
    ) -> None:
        survives = any(domain in found and found[domain].founded_ms == one.founded_ms for domain, one in known.items())
        kind = LossKind.ROLLED_BACK if survives else LossKind.EMPTIED
        what = ", ".join(_in_words(domain, known[domain], found.get(domain)) for domain in sorted(gone))
        loss = Loss(kind, self._clock.unix_ms(), f"{kind.replace('_', ' ')}: {what}")
        self._losses[whole] = loss
        _make_room(self._losses, whole)
        self.observer(kind)
        _log.error(
            "the store has lost what it held of workspace %s/%s (%s); modes set at run time, open decisions and money "
            "spent are as lost as statistics; docs/doctor.md says what to do",
            *whole,
            loss.message,
            extra={"facts": {"tenant": whole[0], "workspace": whole[1], "kind": str(kind)}},
        )
        for domain in {*known, *found}:
            self._drop(Scope(*whole, domain))


def _lost(known: Origin, found: Origin | None) -> bool:
    return found is None or found.founded_ms != known.founded_ms or found.version < known.version


def _in_words(domain: str, known: Origin, found: Origin | None) -> str:
    if found is None:
        return f"{domain} was at version {known.version} and is gone"
    afresh = "" if found.founded_ms == known.founded_ms else " of a new beginning"
    return f"{domain} was at version {known.version} and is at {found.version}{afresh}"


def _make_room(kept: OrderedDict[tuple[str, str], Mapping[str, Origin]] | OrderedDict[tuple[str, str], Loss],
               newest: tuple[str, str]) -> None:  # fmt: skip
    kept.move_to_end(newest)
    if len(kept) > KNOWN_MAX:
        kept.popitem(last=False)
