"""The README's examples, run in order against a sidecar that answers."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from learning_client import AsyncLearningClient

from .drivers import Unchecked
from .scripted import ScriptedSidecar

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_run(monkeypatch: pytest.MonkeyPatch, sidecar: ScriptedSidecar) -> None:
    """Every Python block of the README works as it stands, and its decisions reach the sidecar."""

    def ask_model(arm: str) -> SimpleNamespace:
        return SimpleNamespace(arm=arm, cost_usd=0.01)

    async def ask_model_async(arm: str) -> SimpleNamespace:
        return ask_model(arm)

    monkeypatch.setenv("LEARNING_ADDRESS", sidecar.address)
    names: dict[str, Unchecked] = {"ask_model": ask_model, "ask_model_async": ask_model_async, "grade": lambda _: 0.9}
    examples = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for example in examples:
        exec(compile(example, str(README), "exec"), names)  # noqa: S102  # our own README
    names["client"].close()

    async def asynchronously() -> None:
        async with AsyncLearningClient() as client:
            await names["handle"](client)

    asyncio.run(asynchronously())

    assert len(examples) == 5
    assert [request.domain for request in sidecar.recommends] == ["route", "prompt", "route", "route"]
    assert len(sidecar.rewards) == 5
