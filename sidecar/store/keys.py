"""All names of keys in the store; docs/keys.md documents them for operators.

A key is `<prefix>:1:{tenant/workspace}:<domain>:<kind>`, or without domain for the workspace's own. The 1 is the
version of the schema. What is in braces is the hash tag: all keys of a workspace lie in one slot of a
cluster, so one script may touch any of them. Names are percent-encoded, so that none can close the tag.
No key expires: decisions are fields, closed and forgotten by `sweep` in `_decision.lua`.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from sidecar.model.names import Scope

SCHEMA = 1
DOMAIN_KINDS = ("arms", "recent", "pending", "due", "settled", "gate", "checkpoint")


def _encoded(name: str) -> str:
    return quote(name, safe="")


@lru_cache(maxsize=65_536)
def workspace_key(prefix: str, tenant: str, workspace: str) -> str:
    """The hash with a workspace's accounts and the list of its domains.

    >>> workspace_key("learning", "acme", "chat{1}")
    'learning:1:{acme/chat%7B1%7D}:workspace'
    """
    return f"{prefix}:{SCHEMA}:{{{_encoded(tenant)}/{_encoded(workspace)}}}:workspace"


@lru_cache(maxsize=65_536)
def domain_keys(prefix: str, scope: Scope) -> tuple[str, ...]:
    """The eight keys that every script of a domain takes: those of `DOMAIN_KINDS`, then the workspace's."""
    whole = workspace_key(prefix, scope.tenant, scope.workspace)
    stem = f"{whole.removesuffix(':workspace')}:{_encoded(scope.domain)}"
    return (*(f"{stem}:{kind}" for kind in DOMAIN_KINDS), whole)
