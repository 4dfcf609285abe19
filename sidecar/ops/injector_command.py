"""`learning-sidecar injector`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sidecar.ops.injecting.declared import read_declared
from sidecar.ops.injecting.serving import Webhook, host_and_port, serve
from sidecar.telemetry.logs import configure_logs

_TLS = Path("/etc/learning-injector/tls")


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "injector",
        help="the webhook that puts the sidecar into pods of Kubernetes",
        description="Answer the reviews of a Kubernetes API server until SIGTERM: pods get the sidecar by a patch. It "
        "needs no rights in the cluster. docs/kubernetes.md says how to install it.",
    )
    one.add_argument("--address", default="0.0.0.0:8443", help="HOST:PORT of HTTPS (default %(default)s)")
    one.add_argument("--management-address", default="127.0.0.1:9464", help="HOST:PORT of probes and metrics, or off")
    one.add_argument("--certificate", type=Path, default=_TLS / "tls.crt", help="PEM; taken up again when it changes")
    one.add_argument("--key", type=Path, default=_TLS / "tls.key", help="PEM; likewise")
    one.add_argument("--config", type=Path, help="what is said of all pods, YAML or TOML")
    one.add_argument("--drain", type=float, default=5.0, help="seconds from not being ready to the end (default 5)")
    one.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info")
    one.add_argument("--log-format", choices=("text", "json"), default="text")
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Serve."""
    configure_logs(asked.log_level, asked.log_format)
    declared = read_declared(asked.config)
    host, port = host_and_port(asked.address)
    await serve(
        declared, Webhook(host, port, asked.management_address, asked.certificate, asked.key, asked.drain, grace_s=10.0)
    )
    return 0
