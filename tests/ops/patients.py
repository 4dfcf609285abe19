"""Who examines a server, and what is found."""

from __future__ import annotations

import shlex
from typing import Any

from sidecar.ops.doctor_command import examined
from sidecar.ops.doctoring.finding import Finding
from sidecar.settings.redis_url import target_of
from sidecar.settings.service import ServiceSettings
from sidecar.store.rights import acl_line

SETTINGS = ServiceSettings(store_timeout_ms=10_000.0)
PASSWORD = "not-so-secret"  # noqa: S105 - of a server that lives for a minute


async def user(admin: Any, without: str = "") -> str:
    """Make the user that docs/doctor.md describes, but for one right; return the options of a URL that name it."""
    words = shlex.split(acl_line("learning", password=PASSWORD))
    await admin.execute_command(*(word for word in words if word != f"+{without}"))
    return f"username=learning&password={PASSWORD}"


async def findings(url: str) -> dict[str, Finding]:
    """What there is to say about the store of a URL, by what was checked."""
    return {one.check: one for one in await examined(SETTINGS, target_of(url))}
