"""Goal: the example app shows that something is learned. Method: it runs as a program, against a real sidecar."""

from __future__ import annotations

import re

from .conftest import PATIENT_MS, run_example


def test_it_learns(sidecar_address: str) -> None:
    """In the later half the better model answers most; every decision is the sidecar's, every reward is applied."""
    printed = run_example(
        "app", LEARNING_ADDRESS=sidecar_address, EXAMPLE_REQUESTS="300", EXAMPLE_TIMEOUT_MS=str(PATIENT_MS)
    )
    later = {name: int(half) for name, half in re.findall(r"^(small|large) +\d+ +(\d+) ", printed, flags=re.MULTILINE)}

    assert "300 decisions, 300 rewards applied" in printed
    assert "fallback" not in printed
    assert later["large"] > later["small"]
