"""The command `learning-sidecar`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from sidecar import __version__
from sidecar.errors import SidecarError
from sidecar.ops import check_config, demo, health, plan_command, replay_command, serve_command, status_command

EXIT_INVALID = 2

_COMMANDS = (serve_command, check_config, status_command, plan_command, replay_command, demo, health)


def parser() -> argparse.ArgumentParser:
    """The parser with every command."""
    whole = argparse.ArgumentParser(
        prog="learning-sidecar",
        description="Learns which model, prompt, retrieval setting or tool plan to use, within declared budgets.",
        epilog="Settings come from LEARNING_* environment variables; see docs/settings.md.",
    )
    whole.add_argument("--version", action="version", version=__version__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0 good, 1 failed, 2 invalid input, 130 interrupted."""
    asked = parser().parse_args(arguments)
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
