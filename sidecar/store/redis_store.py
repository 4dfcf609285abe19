"""The store that sidecars share: every transition is one script on one server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from sidecar.errors import StoreError, StoreMisbehaved
from sidecar.model.names import Scope
from sidecar.model.view import WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.connection import Begun, Connection, Server
from sidecar.store.fields import domains_from
from sidecar.store.keys import domain_keys, workspace_key
from sidecar.store.leasing import Lease, granted_from, lease_call
from sidecar.store.packing import Hot, alike, own, packed, scope_of
from sidecar.store.wire import call_for, changed_domains, read_call, reply_from, workspace_from

_READ_ATTEMPTS = 5
_TOGETHER_MOST = 64


class Origin(NamedTuple):
    """When a domain was founded, by the server's clock, and the version of its statistics."""

    founded_ms: int
    version: int


class RedisStore:
    """Applies transitions to the state in Redis or Valkey.

    Args:
        connection: to the server.
        prefix: every key starts with it.
    """

    def __init__(self, connection: Connection, *, prefix: str = "learning") -> None:
        """Keep both."""
        self._connection = connection
        self._prefix = prefix

    async def apply(self, transition: t.Transition, until: float = math.inf) -> t.Reply:
        """Apply one transition atomically; wait at most until that moment of the loop's clock.

        Raises:
            StoreUnavailable: the server could not be asked in time. Whether the transition happened is not
                known; each is safe to repeat.
            StoreMisbehaved: the answer is not one that this version knows.
        """
        if isinstance(transition, Hot):
            begun = self._begin(transition, until)
            return _reply(begun, await self._connection.answer(begun))
        if isinstance(transition, t.Read):
            return await self._read(transition, until)
        call = call_for(self._prefix, transition)
        return reply_from(call.script, await self._connection.run(call, until))

    async def apply_all(self, transitions: Sequence[t.Transition], until: float) -> list[t.Reply | StoreError]:
        """Apply several, each atomically: the hot ones in one round trip, in parts so that nobody waits for all of it.

        Returns the replies, or why there is none, in order.
        """
        outcomes: list[t.Reply | StoreError] = []
        for first in range(0, len(transitions), _TOGETHER_MOST):
            part = transitions[first : first + _TOGETHER_MOST]
            begun = [self._begun_or_not(one, until) for one in part]
            outcomes += [await self._outcome(*both, until) for both in zip(part, begun, strict=True)]
        return outcomes

    def _begun_or_not(self, transition: t.Transition, until: float) -> Begun | StoreError | None:
        try:
            return self._begin(transition, until) if isinstance(transition, Hot) else None
        except StoreError as error:
            return error

    async def _outcome(
        self, transition: t.Transition, begun: Begun | StoreError | None, until: float
    ) -> t.Reply | StoreError:
        if isinstance(begun, StoreError):
            return begun
        try:
            if begun is None:
                return await self.apply(transition, until)
            return _reply(begun, await self._connection.answer(begun))
        except StoreError as error:
            return error

    def _begin(self, transition: Hot, until: float) -> Begun:
        key = domain_keys(self._prefix, scope_of(transition))[0]
        if isinstance(transition, t.Issue):
            joint = alike(self._prefix, transition)
            return self._connection.begin(own(transition), "recommend", key, until, joint)
        name = "settle" if isinstance(transition, t.Settle) else "release"
        return self._connection.begin(packed(self._prefix, transition), name, key, until)

    async def lease(self, lease: Lease) -> int:
        """Report and renew a lease; return how many nano-dollars are set aside.

        Raises:
            StoreUnavailable: the server could not be asked. Safe to repeat.
            StoreMisbehaved: the answer is no amount.
        """
        return granted_from(await self._connection.run(lease_call(self._prefix, lease)))

    async def domains(self, tenant: str, workspace: str) -> list[str]:
        """The names of a workspace's domains."""
        return domains_from(await self._connection.fields(workspace_key(self._prefix, tenant, workspace)))

    async def origins(self, tenant: str, workspace: str) -> dict[str, Origin]:
        """The origin of every domain of a workspace.

        Raises:
            StoreUnavailable: the server could not be asked.
        """
        fields = await self._connection.table(workspace_key(self._prefix, tenant, workspace))
        domains = domains_from(fields)
        arms = [domain_keys(self._prefix, Scope(tenant, workspace, domain))[0] for domain in domains]
        versions = await asyncio.gather(*(self._connection.field(key, "version") for key in arms))
        return {
            domain: Origin(int(fields[f"domain:{domain}"]), int(version or 0))
            for domain, version in zip(domains, versions, strict=True)
        }

    @property
    def breaker(self) -> str:
        """Whether calls go to the server: `closed` when they do, `open`, or `half_open`."""
        return self._connection.breaker

    async def server(self) -> Server:
        """Who the server says it is."""
        return await self._connection.server()

    async def close(self) -> None:
        """Close every connection."""
        await self._connection.close()

    async def _read(self, read: t.Read, until: float) -> WorkspaceView:
        whole = workspace_key(self._prefix, read.tenant, read.workspace)
        domains: list[str] | None = await self.domains(read.tenant, read.workspace)
        for _ in range(_READ_ATTEMPTS):
            known = domains or []
            call = read_call(
                whole, lambda name: domain_keys(self._prefix, Scope(read.tenant, read.workspace, name)), known
            )
            answer = await self._connection.run(call, until)
            domains = changed_domains(answer)
            if domains is None:
                return workspace_from(answer, known)
        raise StoreMisbehaved("snapshot", "the workspace's domains keep changing")


def _reply(begun: Begun, answer: Any) -> t.Reply:  # noqa: ANN401 - whatever the server sent
    """The typed reply; decisions that go together were given theirs."""
    reply: t.Reply = answer if begun.joint else reply_from(begun.name, answer)
    return reply
