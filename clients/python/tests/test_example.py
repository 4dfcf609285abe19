"""Goal: the example app runs as it is shipped. Method: as a program, with a sidecar that answers and with none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .conftest import PATIENT_MS
from .scripted import ScriptedSidecar

APP = Path(__file__).parents[1] / "example" / "app.py"


def run(address: str, requests: int) -> str:
    """Run the app; gives what it printed."""
    variables = {
        "LEARNING_ADDRESS": address, "EXAMPLE_REQUESTS": str(requests), "EXAMPLE_TIMEOUT_MS": str(PATIENT_MS),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "error", str(APP)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_with_a_sidecar(sidecar: ScriptedSidecar) -> None:
    """Every request is decided by the sidecar, with true ceilings, and rewarded with quality, cost and latency."""
    printed = run(sidecar.address, 8)

    assert "decided by learned: 8" in printed
    assert "8 decisions, 8 rewards applied" in printed
    assert {c.arm: c.cost_ceiling_usd for c in sidecar.recommends[0].candidates} == {"small": 0.0004, "large": 0.005}
    assert {spec.name for spec, _ in sidecar.rewards[0].signals.ListFields()} == {"quality", "cost_usd", "latency_ms"}


def test_without_one(tmp_path: Path) -> None:
    """The first model answers everything, and the app ends well."""
    printed = run(f"unix:{tmp_path}/nobody.sock", 8)

    assert "decided by fallback: 8" in printed
    assert "8 decisions, 0 rewards applied" in printed
