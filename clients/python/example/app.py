"""An app that lets the sidecar choose between two models: decide, act, report, and see what was learned.

    python app.py

It needs `learning_client` and nothing else, and works without a sidecar, too: the first model then answers everything.
Variables that may be set: `LEARNING_ADDRESS`, where the sidecar is (`host:port` or `unix:/path`, else 127.0.0.1:50051);
`EXAMPLE_REQUESTS`, how many requests to handle (200); `EXAMPLE_TIMEOUT_MS`, how long to wait for the sidecar (50).
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import dataclass

from learning_client import Decision, LearningClient, RewardOutcome, RewardResult


@dataclass(frozen=True)
class Model:
    """What stands in for a language model."""

    good: float
    """The probability that an answer is good."""
    cost_usd: float
    """What an answer costs."""
    seconds: float
    """How long it takes."""

    def answer(self, chance: random.Random) -> float:
        """Answer, and grade the answer at once: 1 is good, 0 is not."""
        time.sleep(self.seconds)
        return float(chance.random() < self.good)


MODELS = {
    "small": Model(good=0.6, cost_usd=0.0004, seconds=0.001),
    "large": Model(good=0.9, cost_usd=0.0050, seconds=0.003),
}


def handle(client: LearningClient, chance: random.Random) -> Decision:
    """Handle one request: this is all that an app has to do."""
    ceilings_usd = {name: model.cost_usd for name, model in MODELS.items()}
    with client.decide("route", list(MODELS), cost_ceilings_usd=ceilings_usd) as decision:
        if not decision.refused:  # it is, where no model is affordable and the domain declares `refuse`
            model = MODELS[decision.arm]
            decision.observe(quality=model.answer(chance), cost_usd=model.cost_usd)
    return decision


def main() -> None:
    """Handle requests, and print what came of them."""
    requests = int(os.environ.get("EXAMPLE_REQUESTS", "200"))
    timeout_ms = float(os.environ.get("EXAMPLE_TIMEOUT_MS", "50"))
    chance = random.Random(7)  # noqa: S311  # the same requests each time
    with LearningClient(timeout_ms=timeout_ms) as client:
        decisions = [handle(client, chance) for _ in range(requests)]
    for line in report(decisions):
        print(line)  # noqa: T201  # it is a program


def report(decisions: list[Decision]) -> list[str]:
    """Describe decisions: which model answered, which one the policy would have taken, and who decided."""
    late = decisions[len(decisions) // 2 :]  # by then something was learned
    lines = ["model     answered   in the later half   proposed there by the policy"]
    lines += [
        f"{name:10}{counted(decisions, name):8}{counted(late, name):20}{sum(one.proposal == name for one in late):31}"
        for name in MODELS
    ]
    reports = [one.report for one in decisions if isinstance(one.report, RewardResult)]
    applied = sum(one.outcome is RewardOutcome.APPLIED for one in reports)
    lines += [f"decided by {source}: {times}" for source, times in Counter(one.source for one in decisions).items()]
    lines += [f"in mode {mode}: {times}" for mode, times in Counter(one.mode for one in decisions).items()]
    return [*lines, f"{len(decisions)} decisions, {applied} rewards applied"]


def counted(decisions: list[Decision], arm: str) -> int:
    """How many decisions executed an arm."""
    return sum(one.arm == arm and not one.refused for one in decisions)


if __name__ == "__main__":
    main()
