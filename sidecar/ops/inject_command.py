"""`learning-sidecar inject`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sidecar.errors import InvalidInput
from sidecar.ops.injecting.declared import read_declared
from sidecar.ops.injecting.injection import Outcome
from sidecar.ops.injecting.manifests import with_sidecar


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "inject",
        help="put the sidecar into manifests, without a cluster",
        description="Read manifests of Kubernetes, and print them with the sidecar in every pod, as the webhook would "
        "put it there. What holds no pod is printed as it was. What a pod's author should know goes to standard error.",
        epilog="Exits 0, or 1 with --strict when a pod was left alone although it did not ask for that.",
    )
    one.add_argument("-f", "--filename", default="-", help="YAML or JSON; - is standard input (default)")
    one.add_argument("--config", type=Path, help="what is said of all pods, YAML or TOML: the injector's file")
    one.add_argument("--strict", action="store_true", help="fail when a pod was left alone, or only half served")
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Inject."""
    declared = read_declared(asked.config)
    manifests = list(with_sidecar(_read(asked.filename), declared))
    print("---\n".join(one.text for one in manifests), end="")
    for one in manifests:
        for warning in one.warnings:
            print(f"warning: {warning}", file=sys.stderr)
    told = any(one.warnings for one in manifests)
    pods = [one.outcome for one in manifests if one.outcome is not None]
    fine = {Outcome.INJECTED, Outcome.ALREADY, Outcome.DECLINED}
    return 1 if asked.strict and (told or not set(pods) <= fine) else 0


def _read(filename: str) -> str:
    try:
        return sys.stdin.read() if filename == "-" else Path(filename).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("--filename", filename, "a readable file of UTF-8") from error
