"""What a sidecar knows of one domain, as of one reply of the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.gate import GateState


@dataclass(frozen=True, slots=True)
class Control:
    """What operators set at run time: mode (empty: as configured), reason, settings laid over, revision."""

    revision: int = 0
    mode: str = ""
    reason: str = ""
    settings_json: str = ""


@dataclass(frozen=True, slots=True)
class DomainView:
    """Statistics, counters and control of one domain.

    `version` grows with every change of a statistic, `control.revision` with every SetMode and every phase of the gate.
    `delay` is how long rewards took to come, in milliseconds.
    Of a domain with very many arms only those that were asked for come along; then it is not `whole`.
    `counters` has decisions, applied, duplicates, late, released, expired, refused, shadowed, agreed.
    """

    version: int = 0
    now_ms: int = 0
    arms: Mapping[str, Arm] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    control: Control = Control()
    gate: GateState = field(default_factory=GateState)
    open: int = 0
    delay: SlidingAverage = field(default_factory=SlidingAverage)
    whole: bool = True

    def arm(self, name: str) -> Arm:
        """The arm's statistics; those of a new arm when it is not known."""
        return self.arms.get(name) or Arm(name)

    def with_arm(self, arm: Arm, version: int) -> DomainView:
        """The view after one arm changed."""
        return replace(self, version=version, arms={**self.arms, arm.name: arm})


@dataclass(frozen=True, slots=True)
class Account:
    """One level of the budget in its current window, in nano-dollars; `window` is such as `day/20414`."""

    window: str = "total"
    spent_nano: int = 0
    reserved_nano: int = 0
    overrun_nano: int = 0
    decisions: int = 0


@dataclass(frozen=True, slots=True)
class WorkspaceView:
    """All of one workspace, read atomically; accounts by level (`workspace`, `domain/<name>`)."""

    domains: Mapping[str, DomainView] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
