"""One gated domain on a store in memory, with a clock that only a test moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec
import pytest

from sidecar.engine import flows, gating, workspace
from sidecar.engine.flow import run
from sidecar.engine.learner import Learner
from sidecar.model.decision import Ask, Candidate, Decision
from sidecar.model.gate import GateEvent, GateState
from sidecar.model.mode import Mode
from sidecar.model.names import Scope
from sidecar.model.signals import Signals
from sidecar.model.view import DomainView
from sidecar.settings.file import Configuration, Document
from sidecar.store.memory_store import MemoryStore
from sidecar.store.transitions import Read
from tests.conftest import FakeClock

SCOPE = Scope("default", "main", "route")
EAGER: dict[str, Any] = {
    "policy": {"name": "epsilon_greedy", "parameters": {"epsilon": 0.2}, "seed": 1},
    "posterior_refresh_ms": 0,
    "gate": {"shadow_decisions": 20, "epoch_decisions": 10, "share": 0.3, "seed": 7},
}


@dataclass(slots=True)
class Domain:
    """A gated domain, and one sidecar that decides in it."""

    route: dict[str, Any]
    clock: FakeClock = field(default_factory=FakeClock)
    moves: list[GateEvent] = field(default_factory=list)
    rng: Random = field(default_factory=lambda: Random(3))
    count: int = 0
    store: MemoryStore = field(init=False)
    learner: Learner = field(init=False)

    def __post_init__(self) -> None:
        """Start the sidecar."""
        self.store = MemoryStore(self.clock)
        self.learner = self.sidecar()

    def sidecar(self, **over: Any) -> Learner:
        """Start another sidecar, perhaps with other settings."""
        plain = {"domains": {"route": self.route | over}}
        configuration = Configuration(msgspec.convert(plain, Document))
        return Learner(SCOPE, configuration, self.clock, moved=lambda _, event: self.moves.append(event))

    def recommend(self, *arms: str | Candidate, decision_id: str = "") -> Decision:
        """Ask for a decision."""
        self.count += 1
        self.clock.ms += 1
        candidates = tuple(Candidate(arm) if isinstance(arm, str) else arm for arm in arms or ("base", "new"))
        ask = Ask(SCOPE, decision_id or f"d{self.count}", candidates)
        return run(flows.recommend(self.learner, ask), self.store)

    def reward(self, decision: Decision, reward: float, **signals: float) -> flows.Settled:
        """Report."""
        flow = flows.reward(self.learner, decision.decision_id, Signals(reward=reward, **signals), final=True)
        return run(flow, self.store)

    def release(self, decision: Decision) -> flows.ReleaseOutcome:
        """Declare that nothing was done."""
        return run(flows.release(self.learner, decision.decision_id), self.store)

    def traffic(self, count: int, means: dict[str, float], *arms: str | Candidate) -> list[Decision]:
        """Decide so often, each time with a prompt yes-or-no reward of the arm's mean."""
        made = []
        for _ in range(count):
            made.append(self.recommend(*arms))
            self.reward(made[-1], float(self.rng.random() < means[made[-1].arm]))
        return made

    def until(self, stage: Mode, means: dict[str, float], most: int = 20_000) -> int:
        """Decide until the domain is in that stage; say how many decisions that took."""
        for at in range(most):
            if self.gate.stage is stage:
                return at
            self.traffic(1, means)
        pytest.fail(f"not {stage} after {most} decisions: {self.gate}")

    def set_mode(self, mode: Mode, settings: dict[str, Any] | None = None, **more: Any) -> gating.ModeChanged:
        """Set the mode by hand."""
        text = "" if settings is None else msgspec.json.encode(settings).decode()
        return run(gating.set_mode(self.learner, gating.ModeChange(mode, "by hand", text, **more)), self.store)

    def sweep(self) -> None:
        """Close what is overdue, and fold what is complete."""
        run(workspace.expire(self.learner), self.store)

    @property
    def view(self) -> DomainView:
        """The domain as the store has it."""
        whole: Any = self.store.apply(Read("default", "main"))
        view: DomainView = whole.domains.get("route", DomainView())
        return view

    @property
    def gate(self) -> GateState:
        """The gate as the store has it."""
        return self.view.gate


@pytest.fixture
def domain() -> Callable[..., Domain]:
    """Make a gated domain; settings are laid over eager ones, key by key in `gate`."""

    def make(**over: Any) -> Domain:
        gate = EAGER["gate"] | over.pop("gate", {})
        return Domain(EAGER | over | {"gate": gate})

    return make
