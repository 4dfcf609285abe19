"""Whether the caller may: one table of rights, and one check of tenant and workspace.

The boundary admits a call, which settles who calls and whether the token has the method's right. The servicer then asks
for every scope that it is about to use, defaults filled in; without an admission that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path

from sidecar.api.authentication import Authentication, Grant
from sidecar.errors import PermissionDenied
from sidecar.settings.service import ServiceSettings
from sidecar.settings.tokens import ANY, Right

OPEN_SERVICES = frozenset({"grpc.health.v1.Health"})
"""Answered without a token: probes have none. Reflection, too, which tells what is in the repository."""

RIGHTS: Mapping[str, Right] = {
    "Recommend": Right.DECIDE,
    "RecommendBatch": Right.DECIDE,
    "Release": Right.DECIDE,
    "Reward": Right.REWARD,
    "RewardBatch": Right.REWARD,
    "Status": Right.READ,
    "Snapshot": Right.READ,
    "Restore": Right.ADMIN,
    "SetMode": Right.ADMIN,
}
"""What each method of the service needs. One without a line here cannot be registered where tokens are asked for."""

Metadata = Iterable[tuple[str, str | bytes]]
Admit = Callable[[Metadata], None]
Allow = Callable[[str, str], None]

_ADMITTED: ContextVar[tuple[Grant, Right]] = ContextVar("admitted")  # of one call: each runs in a context of its own


class Access:
    """Asks every call for a token.

    Args:
        path: the file of tokens.

    Raises:
        InvalidSettings: it cannot be read or is not valid.
    """

    def __init__(self, path: Path) -> None:
        """Read the tokens."""
        self._authentication = Authentication(path)
        self.refresh = self._authentication.refresh

    def admission(self, service: str, method: str) -> Admit | None:
        """What admits the calls of a method, given their metadata; None for what is open to everybody.

        Raises:
            KeyError: nobody has said what right the method needs; a fault of ours.
        """
        return None if service in OPEN_SERVICES else partial(self._admit, RIGHTS[method])

    def allow(self, tenant: str, workspace: str) -> None:
        """Let the call that is being answered use a workspace; a report also counts against its token's rate.

        Raises:
            PermissionDenied: its token is for others.
            RateExceeded: its token has reported too much.
            LookupError: no call was admitted; a fault of ours.
        """
        grant, right = _ADMITTED.get()
        token = grant.token
        if tenant not in token.tenants and ANY not in token.tenants:
            raise PermissionDenied(right, tenant, workspace)
        if workspace not in token.workspaces and ANY not in token.workspaces:
            raise PermissionDenied(right, tenant, workspace)
        if right is Right.REWARD and grant.rewards is not None:
            grant.rewards.take()

    def _admit(self, right: Right, metadata: Metadata) -> None:
        """Know the caller from here on.

        Raises:
            Unauthenticated: nobody is known by that token.
            PermissionDenied: it has not the right.
        """
        grant = self._authentication.grant(metadata)
        if right not in grant.token.rights:
            raise PermissionDenied(right)
        _ADMITTED.set((grant, right))


def access_of(settings: ServiceSettings) -> Access | None:
    """What the settings ask for; None where everybody who can connect may do everything.

    Raises:
        InvalidSettings: the file of tokens cannot be read or is not valid.
    """
    return Access(Path(settings.tokens)) if settings.tokens else None


def allow_everything(tenant: str, workspace: str) -> None:
    """What is asked where there are no tokens."""
