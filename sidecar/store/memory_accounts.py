"""Money of the store in memory: `scripts/_ledger.lua` in Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sidecar.model.names import Scope
from sidecar.model.view import Account
from sidecar.model.window import window_id
from sidecar.store import transitions as t


class Accounts:
    """The accounts of every workspace: one for each domain, and one for the whole."""

    def __init__(self) -> None:
        """Start with none."""
        self._accounts: dict[tuple[str, str], dict[str, Account]] = {}

    def of(self, tenant: str, workspace: str) -> dict[str, Account]:
        """Accounts by level."""
        return dict(sorted(self._accounts.get((tenant, workspace), {}).items()))

    def available(self, menu: t.Menu, now: int, *, unpaced: bool) -> float:
        """What one more decision may reserve, at both levels."""
        return min(self._available(menu.scope, name, level, now, unpaced=unpaced) for name, level in _levels(menu))

    def reserve(self, menu: t.Menu, ceiling_nano: int, now: int) -> None:
        """Reserve for one decision."""
        for name, level in _levels(menu):
            account = self._account(menu.scope, name, level.window, now)
            held = account.reserved_nano + ceiling_nano
            self._put(menu.scope, name, replace(account, decisions=account.decisions + 1, reserved_nano=held))

    def book(self, scope: Scope, reservation: int, paid: int, now: int) -> None:
        """Give a reservation back and book what was really paid."""
        if not reservation and not paid:
            return
        for level in (level_of(scope), "workspace"):
            account = self._account(scope, level, None, now)
            after = replace(
                account,
                spent_nano=account.spent_nano + paid,
                reserved_nano=account.reserved_nano - reservation,
                overrun_nano=account.overrun_nano + max(0, paid - reservation),
            )
            self._put(scope, level, after)

    def restore(self, tenant: str, workspace: str, accounts: Mapping[str, Account]) -> None:
        """Set accounts, but for what open decisions hold."""
        whole = self._accounts.setdefault((tenant, workspace), {})
        for level, account in accounts.items():
            whole[level] = replace(account, reserved_nano=whole.get(level, Account()).reserved_nano)

    def _available(self, scope: Scope, name: str, level: t.Level, now: int, *, unpaced: bool) -> float:
        if level.limit_nano is None:
            return float("inf")
        account = self._account(scope, name, level.window, now)
        free = unpaced or level.pace_nano is None
        released = level.limit_nano if free else (level.pace_nano or 0) * (account.decisions + 1)
        return min(level.limit_nano, released) - account.spent_nano - account.reserved_nano

    def _account(self, scope: Scope, level: str, kind: str | None, now: int) -> Account:
        account = self._accounts.get(scope[:2], {}).get(level, Account())
        window = window_id(kind or account.window.partition("/")[0], now)
        return account if window == account.window else Account(window, reserved_nano=account.reserved_nano)

    def _put(self, scope: Scope, level: str, account: Account) -> None:
        self._accounts.setdefault(scope[:2], {})[level] = account


def level_of(scope: Scope) -> str:
    """The name of a domain's account."""
    return f"domain/{scope.domain}"


def _levels(menu: t.Menu) -> tuple[tuple[str, t.Level], tuple[str, t.Level]]:
    return ((level_of(menu.scope), menu.domain_level), ("workspace", menu.workspace_level))
