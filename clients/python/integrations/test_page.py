"""Goal: what people copy from docs/integrations.md works. Method: its blocks are run, in order, as they stand.

OpenAI is a stub of its API, so the calls go all the way through LiteLLM; the sidecar is a real one.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from learning_client import LearningClient

from .conftest import PATIENT_MS, eventually, status
from .openai_stub import listening
from .routers import forget_strategies

PAGE = Path(__file__).parents[3] / "docs" / "integrations.md"


def test_the_page(sidecar_address: str, workspace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block works, and each of the three calls is a decision that was rewarded."""
    names: dict[str, Any] = {
        "messages": [{"role": "user", "content": "What is a bandit?"}],
        "grade": lambda messages, text: float(len(messages) == 1 and "a reward" in text),
        "call": lambda arm: SimpleNamespace(arm=arm, cost_usd=0.01),
        "judge": lambda _: 1.0,
    }
    ours = {"workspace": workspace, "timeout_ms": PATIENT_MS}
    # What the page leaves to defaults, and so every client that is made there, is put where this test can look.
    monkeypatch.setattr(LearningClient.__init__, "__kwdefaults__", {**LearningClient.__init__.__kwdefaults__, **ours})
    monkeypatch.setenv("LEARNING_ADDRESS", sidecar_address)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    with listening() as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102  # our own page
        eventually(lambda: status(sidecar_address, workspace).open == 0)
    route = status(sidecar_address, workspace)
    forget_strategies()

    assert len(blocks) == 3
    assert (route.decisions, route.applied) == (3, 3)
    assert {arm.reward_mean for arm in route.arms if arm.rewards} == {1.0}
