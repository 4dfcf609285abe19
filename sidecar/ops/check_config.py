"""`learning-sidecar check-config`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from sidecar.clock import SystemClock
from sidecar.engine.learner import Learner
from sidecar.errors import InvalidInput
from sidecar.model.mode import WIRED_DOMAINS
from sidecar.model.names import Scope
from sidecar.ops.serving import process_environment
from sidecar.settings.domain import as_builtins
from sidecar.settings.file import Configuration, read_configuration
from sidecar.settings.flags import Flags
from sidecar.settings.service import read_service_settings, unknown_variables
from sidecar.settings.tokens import read_tokens


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "check-config",
        help="validate the environment and a configuration file",
        description="Validate LEARNING_* and ENABLE_RL_* variables and a file of domains, build every policy, and "
        "start nothing. Exits 0 when all is well, 2 with the key, its value and what is allowed when not.",
    )
    one.add_argument("file", nargs="?", help="YAML or TOML (default: LEARNING_CONFIG)")
    one.add_argument("--json", action="store_true", help="print one JSON object")
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Check, and say what was found."""
    environment = process_environment()
    try:
        settings = read_service_settings(environment)
        flags = Flags(environment)
        if settings.tokens:
            read_tokens(Path(settings.tokens))
        file = asked.file or settings.config
        configuration = read_configuration(Path(file) if file else None)
        domains = checked(configuration)
    except InvalidInput as error:
        if not asked.json:
            raise
        found = {"valid": False, "field": error.field, "value": repr(error.value), "allowed": error.allowed}
        print(json.dumps(found))
        return 2
    if asked.json:
        print(json.dumps({"valid": True, "domains": domains}))
        return 0
    for variable in unknown_variables(environment):
        print(f"warning: the variable {variable} means nothing to the sidecar", file=sys.stderr)
    print(f"valid: {file or 'no file, every domain has the defaults'}")
    for name, one in domains.items():
        learning = "learning" if flags.learning(name) else "switched off by a flag"
        print(f"  {name}: mode {one['mode']}, policy {one['policy']['name']}, {learning}")
    return 0


def checked(configuration: Configuration) -> dict[str, Any]:
    """Every domain's settings as plain values, after its policy was built.

    Raises:
        InvalidInput: names the key.
    """
    names = sorted({*WIRED_DOMAINS, *configuration.domains})
    for name in names:
        try:
            Learner(Scope("default", "main", name), configuration, SystemClock())
        except InvalidInput as error:
            raise InvalidInput(f"domains.{name}.{error.field}", error.value, error.allowed) from error
    return {name: as_builtins(configuration.domain(name)) for name in names}
