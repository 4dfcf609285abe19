"""The command `learning-sidecar`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from sidecar import __version__
from sidecar.errors import SidecarError
from sidecar.ops import openssl

EXIT_INVALID = 2

_COMMANDS = {
    "serve": "serve_command",
    "check-config": "check_config",
    "status": "status_command",
    "plan": "plan_command",
    "replay": "replay_command",
    "demo": "demo",
    "health": "health",
    "doctor": "doctor_command",
    "inject": "inject_command",
    "injector": "injector_command",
}
"""Commands, and the modules that they live in."""


def parser(only: str = "") -> argparse.ArgumentParser:
    """The parser with every command, or with one: a sidecar shall not load what only the others need."""
    whole = argparse.ArgumentParser(
        prog="learning-sidecar",
        description="Learns which model, prompt, retrieval setting or tool plan to use, within declared budgets.",
        epilog="Settings come from LEARNING_* environment variables; see docs/settings.md.",
    )
    whole.add_argument("--version", action="version", version=__version__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, module in _COMMANDS.items():
        if only in ("", name):
            import_module(f"sidecar.ops.{module}").add_parser(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 good, 1 failed, 2 invalid input, 130 interrupted."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] != ["injector"]:  # it speaks HTTPS
        openssl.leave_out((*words, *os.environ.values()))
    import asyncio  # noqa: PLC0415 - only now

    asked = parser(words[0] if words and words[0] in _COMMANDS else "").parse_args(words)
    try:
        result: int = asyncio.run(asked.run(asked))
    except SidecarError as error:
        print(f"learning-sidecar: {error}", file=sys.stderr)
        return EXIT_INVALID
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return result


if __name__ == "__main__":
    sys.exit(main())
