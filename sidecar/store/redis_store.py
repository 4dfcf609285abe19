"""The store that sidecars share: every transition is one script on one server."""

from __future__ import annotations

from sidecar.errors import StoreMisbehaved
from sidecar.model.names import Scope
from sidecar.model.view import WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.connection import Connection
from sidecar.store.fields import domains_from
from sidecar.store.keys import domain_keys, workspace_key
from sidecar.store.wire import call_for, changed_domains, read_call, reply_from, workspace_from

_READ_ATTEMPTS = 5


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

    async def apply(self, transition: t.Transition) -> t.Reply:
        """Apply one transition atomically.

        Raises:
            StoreUnavailable: the server could not be asked in time. Whether the transition happened is not
                known; each is safe to repeat.
            StoreMisbehaved: the answer is not one that this version knows.
        """
        if isinstance(transition, t.Read):
            return await self._read(transition)
        call = call_for(self._prefix, transition)
        return reply_from(call.script, await self._connection.run(call))

    async def domains(self, tenant: str, workspace: str) -> list[str]:
        """The names of a workspace's domains."""
        return domains_from(await self._connection.fields(workspace_key(self._prefix, tenant, workspace)))

    async def server(self) -> str:
        """What the server says it is."""
        return await self._connection.server()

    async def close(self) -> None:
        """Close every connection."""
        await self._connection.close()

    async def _read(self, read: t.Read) -> WorkspaceView:
        whole = workspace_key(self._prefix, read.tenant, read.workspace)
        domains: list[str] | None = await self.domains(read.tenant, read.workspace)
        for _ in range(_READ_ATTEMPTS):
            known = domains or []
            call = read_call(
                whole, lambda name: domain_keys(self._prefix, Scope(read.tenant, read.workspace, name)), known
            )
            answer = await self._connection.run(call)
            domains = changed_domains(answer)
            if domains is None:
                return workspace_from(answer, known)
        raise StoreMisbehaved("snapshot", "the workspace's domains keep changing")
