"""Every error that this package raises on purpose.

The tree (the gRPC status of each class stands in one table, `sidecar.api.statuses`)::

    SidecarError
    ├── InvalidInput            a request, a setting or a snapshot has a value that is not allowed
    │   └── InvalidSettings     ... found while reading the configuration
    ├── UnknownDomain           an admin call names a domain that nobody knows
    ├── RestoreConflict         the state changed while a snapshot was being restored
    ├── Overloaded              a queue is full; try again later
    ├── Unauthenticated         a call has no token that is known
    ├── PermissionDenied        a call's token is not good for what was asked
    ├── RateExceeded            a call's token has been used too often; try again later
    └── StoreError
        ├── StoreUnavailable    the store could not be asked, or did not answer in time
        └── StoreMisbehaved     the store answered something that this version does not understand
"""

from __future__ import annotations

_SHOWN_MAX = 120


class SidecarError(Exception):
    """Base of all errors raised on purpose; `reason` is stable and machine-readable."""

    reason = "SIDECAR_ERROR"


class InvalidInput(SidecarError):
    """A value is not allowed: says which field, what it was, and what would be allowed."""

    reason = "INVALID_INPUT"

    def __init__(self, field: str, value: object, allowed: str) -> None:
        """Keep the facts; `value` is shortened so that a message stays readable."""
        self.field = field
        self.value = value
        self.allowed = allowed
        super().__init__(f"{field}: got {_shortened(value)}; allowed: {allowed}")


class InvalidSettings(InvalidInput):
    """A configuration key has a value that is not allowed; `field` is the key's full path."""

    reason = "INVALID_SETTINGS"


class UnknownDomain(SidecarError):
    """An admin call names a domain that is neither configured nor found in the store."""

    reason = "UNKNOWN_DOMAIN"

    def __init__(self, domain: str) -> None:
        """Keep the name that was asked for."""
        self.domain = domain
        super().__init__(f"domain {_shortened(domain)} is neither configured nor known to the store")


class RestoreConflict(SidecarError):
    """The workspace changed between reading and writing; nothing was written."""

    reason = "RESTORE_CONFLICT"

    def __init__(self, attempts: int) -> None:
        """Keep how often it was tried."""
        self.attempts = attempts
        super().__init__(f"the workspace kept changing during the restore ({attempts} attempts); nothing was written")


class Overloaded(SidecarError):
    """A bounded queue is full; the caller may try again after `retry_after_s` seconds."""

    reason = "OVERLOADED"

    def __init__(self, what: str, retry_after_s: float) -> None:
        """Keep what is full and when to try again."""
        self.what = what
        self.retry_after_s = retry_after_s
        super().__init__(f"{what} is full; try again in {retry_after_s:g} s")


class Unauthenticated(SidecarError):
    """A call has no token, or none that is known. The token itself is never kept."""

    reason = "UNAUTHENTICATED"

    def __init__(self, found: str) -> None:
        """Keep what was found in place of a good token, such as `none`."""
        self.found = found
        super().__init__(f"a known token is needed as metadata `authorization: Bearer TOKEN`; found {found}")


class PermissionDenied(SidecarError):
    """A call's token has not the right, or not for that tenant and workspace."""

    reason = "PERMISSION_DENIED"

    def __init__(self, right: str, tenant: str = "", workspace: str = "") -> None:
        """Keep the right that was needed and, if the token has it elsewhere, for what."""
        self.right = right
        self.tenant = tenant
        self.workspace = workspace
        where = f" in tenant {_shortened(tenant)}, workspace {_shortened(workspace)}" if tenant else ""
        super().__init__(f"this token has not the right {right}{where}")


class RateExceeded(SidecarError):
    """A token has been used more often than it may; the caller may try again after `retry_after_s` seconds."""

    reason = "RATE_EXCEEDED"

    def __init__(self, what: str, per_s: float, retry_after_s: float) -> None:
        """Keep what was counted, how much of it is allowed, and when to try again."""
        self.what = what
        self.per_s = per_s
        self.retry_after_s = retry_after_s
        super().__init__(f"this token may send {per_s:g} {what} a second; try again in {retry_after_s:.3g} s")


class StoreError(SidecarError):
    """Something is wrong with the store. The driver's own text stays in `__cause__` and in the log."""

    reason = "STORE_ERROR"


class StoreUnavailable(StoreError):
    """The store could not be asked, or did not answer in time."""

    reason = "STORE_UNAVAILABLE"

    def __init__(self, doing: str) -> None:
        """Keep what was being done."""
        self.doing = doing
        super().__init__(f"the store could not be reached for {doing}")


class StoreMisbehaved(StoreError):
    """The store answered something that this version does not understand."""

    reason = "STORE_MISBEHAVED"

    def __init__(self, doing: str, answer: object) -> None:
        """Keep what was being done and what came back."""
        self.doing = doing
        self.answer = answer
        super().__init__(f"the store gave an answer to {doing} that this version does not understand")


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}... ({len(text)} characters)"
