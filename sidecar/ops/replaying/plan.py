"""What is asked of a replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sidecar.model.mode import Mode
from sidecar.ops.replaying.degrading import Degradation

_REWARD_DEADLINE_S = 604_800.0
_CHECKPOINT_S = 2_592_000.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a log is replayed.

    Args:
        domain: which domain decides.
        baseline: the first candidate of every request.
        policy: its name.
        parameters: of the policy.
        mode: the domain's.
        budget_per_request_usd: the budget is so much for each row, released with each decision; None sets none.
        seed: of the order of the rows, of the policy and of the gate's coins; each shuffle adds its number.
        shuffles: how often the log is replayed, each time in another order and from a fresh start.
        in_order: replay in the log's own order instead; only the policy's seed then differs.
        refresh_ms: age at which the statistics behind a choice are computed anew; 0 makes replays reproducible.
        ceilings: send each arm's own cost in the row as its cost ceiling, as an app does that knows its token counts.
        degradation: what arms give from some row on; None leaves the rows as they are.
    """

    domain: str
    baseline: str
    policy: str = "thompson"
    parameters: Mapping[str, float] = field(default_factory=dict)
    mode: Mode = Mode.UNGATED
    budget_per_request_usd: float | None = None
    seed: int = 0
    shuffles: int = 1
    in_order: bool = False
    refresh_ms: float = 0.0
    ceilings: bool = True
    degradation: Degradation | None = None

    def settings(self, shuffle: int, rows: int) -> dict[str, Any]:
        """What to lay over the domain's settings for one shuffle of so many rows."""
        laid: dict[str, Any] = {
            "policy": {"name": self.policy, "parameters": dict(self.parameters), "seed": self.seed + shuffle},
            "posterior_refresh_ms": self.refresh_ms,
            # How long a replay takes must not change its result: no epoch and no checkpoint by the clock.
            "reward": {"deadline_s": _REWARD_DEADLINE_S},
            "gate": {"seed": self.seed + shuffle, "checkpoint_s": _CHECKPOINT_S},
        }
        if self.budget_per_request_usd is not None:
            laid["budget"] = {
                "limit_usd": rows * self.budget_per_request_usd,
                "pace_usd_per_decision": self.budget_per_request_usd,
                "window": "total",
                "when_exhausted": "cheapest",
            }
        return laid
