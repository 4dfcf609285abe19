"""Goal: docs/security.md says what is so. Method: its examples are carried out, its tables compared with the code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from sidecar.api.authorization import RIGHTS
from sidecar.api.batches import BATCH_MAX
from sidecar.api.messages import SELECTION_MAX, SETTINGS_BYTES_MAX
from sidecar.api.transports import transport_of
from sidecar.model.decision import CANDIDATES_MAX, CONTEXT_FEATURES_MAX, REWARD_DEADLINE_MS_MAX
from sidecar.model.names import DECISION_ID_LENGTH_MAX, NAME_LENGTH_MAX
from sidecar.model.units import COST_USD_MAX, LATENCY_MS_MAX
from sidecar.settings.service import OF_COMMANDS, ServiceSettings
from sidecar.settings.tokens import SECRET_LENGTH_MAX, SECRET_LENGTH_MIN, TOKENS_MAX, digest_of, read_tokens
from sidecar.telemetry.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")


def run(line: str, directory: Path) -> str:
    """Carry out a line of the page; gives what it printed."""
    done = subprocess.run(line, shell=True, cwd=directory, capture_output=True, text=True, timeout=60, check=False)  # noqa: S602
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_of_tokens_works_with_the_secret_that_is_made(tmp_path: Path) -> None:
    """The lines make a secret that is long enough, and its digest; the file takes both."""
    example = re.search(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example
    made, told = (line for line in PAGE.splitlines() if line.startswith(("openssl rand", "openssl dgst")))
    run(made, tmp_path)
    secret = (tmp_path / "chat-app.token").read_text()
    digest = run(told, tmp_path).split()[0]
    (tmp_path / "operator.token").write_text("o" * 64)
    file = tmp_path / "tokens.yaml"
    file.write_text(re.sub(r"sha256: \w+", f"sha256: {digest}", example.group(1)))
    app, operator = read_tokens(file).tokens

    assert app.digest == digest_of(secret)
    assert (tmp_path / "chat-app.token").stat().st_mode & 0o777 == 0o600
    assert SECRET_LENGTH_MIN <= len(secret) <= SECRET_LENGTH_MAX
    assert operator.digest == digest_of("o" * 64)


async def test_the_example_of_certificates_works(tmp_path: Path) -> None:
    """What the lines make is taken."""
    lines = [line for line in PAGE.splitlines() if line.startswith("openssl req")]
    assert len(lines) == 3
    for line in lines:
        run(line, tmp_path)
    paths = {"tls_certificate": "server.pem", "tls_key": "server.key", "tls_client_authority": "ca.pem"}
    settings = ServiceSettings(address="127.0.0.1:0", **{name: str(tmp_path / file) for name, file in paths.items()})
    transport_of(settings, Metrics(()))
    run("openssl verify -CAfile ca.pem client.pem", tmp_path)


def test_the_table_of_rights() -> None:
    """Each right with its methods."""
    rows = re.findall(r"^\| `(read|decide|reward|admin)` \| (.*?) \|", PAGE, flags=re.MULTILINE)
    assert {method: right for right, methods in rows for method in methods.split(", ")} == dict(RIGHTS)


def test_the_variables_of_commands() -> None:
    """Each, and no other."""
    assert set(re.findall(r"LEARNING_CLIENT_[A-Z_]+", PAGE)) == OF_COMMANDS


def test_the_limits() -> None:
    """The table's figures are the code's."""
    table = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE.partition("## Limits")[2], flags=re.MULTILINE))
    expected = {
        "calls at once": ServiceSettings().in_flight_max,
        "tenant, workspace, domain, arm, feature": NAME_LENGTH_MAX,
        "decision id": DECISION_ID_LENGTH_MAX,
        "candidates": CANDIDATES_MAX,
        "features": CONTEXT_FEATURES_MAX,
        "`cost_ceiling_usd`, signal `cost_usd`": int(COST_USD_MAX),
        "signal `latency_ms`": int(LATENCY_MS_MAX),
        "`reward_deadline_ms`": REWARD_DEADLINE_MS_MAX,
        "requests in a batch": BATCH_MAX,
        "`policies` of Snapshot and Restore": SELECTION_MAX,
        "`settings` of SetMode": SETTINGS_BYTES_MAX,
        "a bearer token": SECRET_LENGTH_MAX,
        "tokens in the file": TOKENS_MAX,
    }
    assert {name: f"{figure:,}" in table[name] for name, figure in expected.items()} == dict.fromkeys(expected, True)
