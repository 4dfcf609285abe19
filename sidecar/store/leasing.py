"""A lease: money of one domain that one sidecar may decide with while the store is away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sidecar.errors import StoreMisbehaved
from sidecar.model.names import Scope
from sidecar.store.keys import domain_keys
from sidecar.store.transitions import Level
from sidecar.store.wire import Call, optional


@dataclass(frozen=True, slots=True)
class Lease:
    """What `sidecar` spent in nano-dollars since its report before, and what it wants to have from now on.

    A `report` with the number of one that was taken is not booked again. `holds_ms` later, without a further report,
    the lease lapses, and all of it counts as spent.
    """

    scope: Scope
    sidecar: str
    report: int
    spent_nano: int
    wanted_nano: int
    holds_ms: int
    domain_level: Level
    workspace_level: Level


def lease_call(prefix: str, lease: Lease) -> Call:
    """The call that reports and renews a lease."""
    of_levels = [
        word for one in (lease.domain_level, lease.workspace_level) for word in (optional(one.limit_nano), one.window)
    ]
    return Call(
        "lease",
        domain_keys(prefix, lease.scope),
        (
            lease.scope.domain, lease.sidecar, lease.report, lease.spent_nano, lease.wanted_nano, lease.holds_ms,
            *of_levels,
        ),
    )  # fmt: skip


def granted_from(answer: Any) -> int:  # noqa: ANN401 - whatever the server sent
    """The nano-dollars that are set aside.

    Raises:
        StoreMisbehaved: it is not an amount.
    """
    try:
        return int(answer)
    except (TypeError, ValueError) as error:
        raise StoreMisbehaved("lease", answer) from error
