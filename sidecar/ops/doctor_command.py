"""`learning-sidecar doctor`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from sidecar.ops.doctoring import access, durability, server
from sidecar.ops.doctoring.facts import facts_of
from sidecar.ops.doctoring.finding import Finding, Level, ok, problem, warning
from sidecar.ops.serving import process_environment
from sidecar.settings.redis_url import Target, target_of
from sidecar.settings.service import ServiceSettings, read_service_settings
from sidecar.store.embedded import EmbeddedServer, default_data_dir
from sidecar.store.inquiry import Inquiry
from sidecar.store.refusals import Refused

_MARKS = {Level.OK: "[green]ok[/]", Level.WARNING: "[yellow]warning[/]", Level.PROBLEM: "[red]problem[/]"}

_DESCRIPTION = """\
Look at the Redis or Valkey that a sidecar with these settings would use, and say what is wrong with it and the exact
words that change it. It connects as the sidecar does: with LEARNING_REDIS_URL (or --redis-url), LEARNING_KEY_PREFIX and
LEARNING_STORE_TIMEOUT_MS, or to the embedded server in LEARNING_DATA_DIR if that runs. It changes nothing.

It checks: that the server can be reached; its version, and known holes in its Lua; how far away it is; both clocks;
that it never evicts, has memory left and writes its data to disk; its replicas; a cluster's slots; keys of another
schema; what the user may do, that this is enough, and no more than needed; and that a password is asked for.

What the server does not let this user look at is said and is no problem: run it once as the sidecar's user, to see that
its rights suffice, and once as an administrator, to see the rest.
"""
_EPILOG = "Exits 0 when there is no problem (warnings are none), 1 when there is one. docs/doctor.md says more."


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "doctor",
        help="look at the store: what is wrong with it, and what to change",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("--redis-url", help="instead of LEARNING_REDIS_URL, perhaps with another user")
    one.add_argument("--json", action="store_true", help="print one JSON object")
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Look, and say what was found."""
    environment = process_environment()
    if asked.redis_url:
        environment["LEARNING_REDIS_URL"] = asked.redis_url
    settings = read_service_settings(environment)
    found = await examined(settings, _target(settings, environment))
    healthy = all(one.level is not Level.PROBLEM for one in found)
    if asked.json:
        print(json.dumps({"healthy": healthy, "findings": [asdict(one) for one in found]}))
    else:
        _show(found)
    return 0 if healthy else 1


async def examined(settings: ServiceSettings, target: Target | None) -> list[Finding]:
    """What there is to say about a store; `target` is None when there is none yet."""
    if target is None:
        return [warning("reachable", "no LEARNING_REDIS_URL, and no embedded server runs: start the sidecar first")]
    prefix, timeout_ms = settings.key_prefix, settings.store_timeout_ms
    if target.kind != "cluster":
        return await _node(target, prefix, timeout_ms)
    found: list[Finding] = []
    for address in target.addresses:  # some may be gone, and each has a configuration of its own
        several = await _node(msgspec.structs.replace(target, addresses=(address,)), prefix, timeout_ms)
        found += [replace(one, check=f"{address} {one.check}") for one in several]
    return found


async def _node(target: Target, prefix: str, timeout_ms: float) -> list[Finding]:
    asking = Inquiry(target, timeout_ms / 1000)
    try:
        facts = await facts_of(asking, target, prefix, timeout_ms)
    except (Refused, OSError) as error:
        return [problem("reachable", f"{_place(target)} does not let us in: {error}", _hint(error))]
    finally:
        await asking.close()
    reached = ok("reachable", f"{_place(target)} answers")
    return [reached, *server.findings(facts), *durability.findings(facts), *access.findings(facts)]


def _target(settings: ServiceSettings, environment: dict[str, str]) -> Target | None:
    if settings.redis_url:
        return target_of(settings.redis_url)
    embedded = EmbeddedServer(Path(settings.data_dir) if settings.data_dir else default_data_dir(environment))
    return target_of(embedded.url) if embedded.socket_path.exists() else None


def _place(target: Target) -> str:
    return target.path or ", ".join(map(str, target.addresses))


def _hint(error: Exception) -> str:
    text = str(error)
    if "WRONGPASS" in text or "NOAUTH" in text:
        return "LEARNING_REDIS_URL=redis://USER:PASSWORD@..."
    return "see that it runs, and that LEARNING_REDIS_URL names it"


def _show(found: list[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for one in found:
        console.print(f"{_MARKS[one.level]:>10}  ", end="")
        console.print(f"{one.check}: {one.message}", markup=False)
        if one.change:
            console.print(f"          change: {one.change}", markup=False)
