"""`learning-sidecar serve`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import msgspec

from sidecar.ops.serving import process_environment, serve
from sidecar.settings.file import read_configuration
from sidecar.settings.service import read_service_settings, unknown_variables
from sidecar.telemetry.logs import configure_logs

_log = logging.getLogger(__name__)


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "serve",
        help="run the sidecar until SIGTERM",
        description="Run the sidecar until SIGTERM. Options win over LEARNING_* environment variables. Without "
        "LEARNING_REDIS_URL a private embedded server keeps the state in the data directory.",
    )
    one.add_argument("--address", help="127.0.0.1:PORT, [::1]:PORT or unix:/absolute/path (default 127.0.0.1:50051)")
    one.add_argument("--transport", choices=("grpcio", "native"), help="what speaks gRPC (default grpcio)")
    one.add_argument("--workers", help="so many processes answer calls on one TCP port (default 1)")
    one.add_argument("--management-address", help="HOST:PORT of probes, metrics and the page, or off")
    one.add_argument("--config", help="the file of domains, YAML or TOML")
    one.add_argument("--redis-url", help="redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")
    one.add_argument("--data-dir", help="where the embedded server keeps its data")
    one.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    one.add_argument("--log-format", choices=("text", "json"))
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Serve."""
    environment = process_environment()
    chosen = {
        f"LEARNING_{name.upper()}": value for name, value in vars(asked).items() if name != "run" and value is not None
    }
    settings = read_service_settings(environment | chosen)
    configure_logs(settings.log_level, settings.log_format)
    for variable in unknown_variables(environment):
        _log.warning("the variable %s means nothing to the sidecar", variable)
    configuration = read_configuration(Path(settings.config) if settings.config else None)
    _log.debug("settings: %s", msgspec.structs.replace(settings, redis_url="..." if settings.redis_url else ""))
    if settings.workers > 1:
        from sidecar.ops.workers.supervising import serve_with_workers  # noqa: PLC0415 - what only a parent needs

        return await serve_with_workers(settings, environment)
    await serve(settings, configuration, environment)
    return 0
