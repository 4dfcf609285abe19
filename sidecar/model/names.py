"""Names that callers choose, and what is allowed in them."""

from __future__ import annotations

from typing import NamedTuple

from sidecar.errors import InvalidInput

NAME_LENGTH_MAX = 128
DECISION_ID_LENGTH_MAX = 128

_NAME_ALLOWED = f"1 to {NAME_LENGTH_MAX} printable characters"
_DECISION_ID_ALLOWED = f"1 to {DECISION_ID_LENGTH_MAX} printable ASCII characters without spaces"


class Scope(NamedTuple):
    """Where a decision belongs: who, which deployment, which kind of decision."""

    tenant: str
    workspace: str
    domain: str


def valid_name(field: str, name: str) -> str:
    """Return `name` unchanged, or raise InvalidInput when it is empty, too long or not printable."""
    if 0 < len(name) <= NAME_LENGTH_MAX and name.isprintable() and not name.isspace():
        return name
    raise InvalidInput(field, name, _NAME_ALLOWED)


def valid_decision_id(field: str, decision_id: str) -> str:
    """Return `decision_id` unchanged, or raise InvalidInput."""
    fits = 0 < len(decision_id) <= DECISION_ID_LENGTH_MAX
    if fits and decision_id.isascii() and decision_id.isprintable() and " " not in decision_id:
        return decision_id
    raise InvalidInput(field, decision_id, _DECISION_ID_ALLOWED)


def valid_scope(tenant: str, workspace: str, domain: str) -> Scope:
    """Return the scope with `default` and `main` filled in, or raise InvalidInput."""
    return Scope(
        valid_name("tenant", tenant or "default"),
        valid_name("workspace", workspace or "main"),
        valid_name("domain", domain),
    )
