"""Goal: whatever happens in whatever order, the gate's books are right. Method: a random walk against a plain ledger.

Three sidecars share one store. They decide, take rewards (late, twice, in parts, never), release, sweep, fold, change
the mode and restart, in any order. After every step the ledger, which only adds up what each decision came to, must
agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from sidecar.engine import flows, gating, workspace
from sidecar.engine.flow import run
from sidecar.engine.learner import Learner
from sidecar.gate.attempts import loss_max_of
from sidecar.gate.coin import toss
from sidecar.gate.phase import Phase
from sidecar.model.decision import Ask, Candidate, Decision
from sidecar.model.gate import GateEvent
from sidecar.model.mode import STAGES, Mode
from sidecar.model.signals import Signals
from sidecar.model.units import MICRO, reward_micro
from sidecar.model.view import DomainView
from sidecar.settings.domain import DomainSettings, GateSettings, PolicySettings, RewardSettings
from sidecar.settings.file import Configuration
from sidecar.store.memory_store import MemoryStore
from sidecar.store.transitions import Read
from tests.conftest import FakeClock

from .conftest import SCOPE

ARMS = ("base", "b", "c")
DEADLINE_S = 10.0
GATE = GateSettings(
    share=0.5, holdback=0.3, alpha=0.5, shadow_decisions=4, attempt_decisions=40, epoch_decisions=3,
    canary_loss_max=12.0, live_loss_max=20.0, false_alarm_epochs=10, safety_margin=0.3, checkpoint_s=5.0,
)  # fmt: skip
rewards = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@dataclass(slots=True)
class Entry:
    """One decision in the ledger: its phase (None if it is no sample), what was reported, what it came to."""

    decision: Decision
    phase: int | None
    partial: tuple[float, float | None] | None = None
    settled: tuple[float, float | None] | None = None
    mode: Mode = field(default=Mode.OFF)
    released: bool = False


class Gated(RuleBasedStateMachine):
    """The random walk."""

    decided = Bundle("decided")

    def __init__(self) -> None:
        """Start three sidecars on an empty store."""
        super().__init__()
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.moves: list[GateEvent] = []
        self.ledger: dict[str, Entry] = {}
        self.attempts = [1]
        self.sidecars = [self.start() for _ in range(3)]

    def start(self) -> Learner:
        """Start one sidecar, which knows nothing yet."""
        configuration = Configuration()
        configuration.domains["route"] = DomainSettings(
            policy=PolicySettings(name="epsilon_greedy", parameters={"epsilon": 0.8}, seed=len(self.ledger)),
            reward=RewardSettings(deadline_s=DEADLINE_S, remember_s=1000.0),
            gate=GATE,
        )
        return Learner(SCOPE, configuration, self.clock, moved=lambda _, event: self.moves.append(event))

    def view(self) -> DomainView:
        """Read the domain."""
        whole: Any = self.store.apply(Read("default", "main"))
        view: DomainView = whole.domains.get("route", DomainView())
        return view

    def pending(self, decision_id: str) -> bool:
        """Whether the store still waits for the decision's reward."""
        return self.store._domains[SCOPE].decisions[decision_id].state == "pending"

    # --- what may happen

    @rule(target=decided, sidecar=st.integers(0, 2))
    def recommend(self, sidecar: int) -> Any:
        """Decide; an exposure must fit in the allowance."""
        before = self.view()
        ask = Ask(SCOPE, f"d{len(self.ledger)}", tuple(map(Candidate, ARMS)))
        decision = run(flows.recommend(self.sidecars[sidecar], ask), self.store)
        if decision.mode is Mode.OFF:
            return multiple()  # nothing is recorded
        phase = before.control.revision if decision.sampled else None
        self.ledger[decision.decision_id] = Entry(decision, phase, mode=decision.mode)
        if decision.sampled and decision.mode is not Mode.SHADOW:
            assert before.gate.has_room
            coin = toss(before.gate.salt, before.control.revision, decision.decision_id, before.gate.terms.share_ppm)
            assert (decision.arm == decision.proposal) is coin
            assert decision.proposal != decision.baseline
        elif decision.mode in STAGES:
            assert decision.arm == decision.baseline, "without a coin the baseline is executed"
        return decision.decision_id

    @rule(count=st.integers(5, 40), exposed=rewards, held=rewards, missing=st.sampled_from([0, 0, 0, 3]))
    def traffic(self, count: int, exposed: float, held: float, missing: int) -> None:
        """A burst of decisions, each rewarded at once through another sidecar; every so many never is."""
        for at in range(count):
            decision_id = self.recommend(sidecar=at % 3)
            if decision_id in self.ledger and not (missing and at % (missing + 1) == 0):
                decision = self.ledger[decision_id].decision
                reward = held if decision.arm == decision.baseline else exposed
                self.reward(sidecar=(at + 1) % 3, decision_id=decision_id, reward=reward, safety=reward)

    @rule(sidecar=st.integers(0, 2), decision_id=decided)
    def retry(self, sidecar: int, decision_id: str) -> None:
        """A retry gets the same arm, whatever changed since; one that was released would be decided anew."""
        if self.ledger[decision_id].released:
            return
        ask = Ask(SCOPE, decision_id, tuple(map(Candidate, ARMS)))
        again = run(flows.recommend(self.sidecars[sidecar], ask), self.store)
        if again.mode is not Mode.OFF:
            assert again.arm == self.ledger[decision_id].decision.arm

    @rule(sidecar=st.integers(0, 2), decision_id=decided, reward=rewards, safety=st.none() | rewards)
    def reward(self, sidecar: int, decision_id: str, reward: float, safety: float | None) -> None:
        """Report for good; only the first report in time counts."""
        entry = self.ledger[decision_id]
        done = run(
            flows.reward(self.sidecars[sidecar], decision_id, Signals(reward=reward, safety=safety), final=True),
            self.store,
        )
        if done.outcome is flows.RewardOutcome.APPLIED:
            assert entry.settled is None
            first = entry.partial or (reward, safety)
            entry.settled = (first[0], first[1] if first[1] is not None else safety)

    @rule(sidecar=st.integers(0, 2), decision_id=decided, reward=rewards)
    def reward_in_part(self, sidecar: int, decision_id: str, reward: float) -> None:
        """Report a part; it counts when nothing follows."""
        entry = self.ledger[decision_id]
        flow = flows.reward(self.sidecars[sidecar], decision_id, Signals(reward=reward), final=False)
        if run(flow, self.store).outcome is flows.RewardOutcome.COLLECTED and entry.partial is None:
            entry.partial = (reward, None)

    @rule(sidecar=st.integers(0, 2), decision_id=decided)
    def release(self, sidecar: int, decision_id: str) -> None:
        """Declare that nothing was done: a missing reward, never a deletion."""
        done = run(flows.release(self.sidecars[sidecar], decision_id), self.store)
        if done is flows.ReleaseOutcome.RELEASED:
            self.ledger[decision_id].partial = None
            self.ledger[decision_id].released = True

    @rule(ms=st.integers(1, 12_000))
    def time_passes(self, ms: int) -> None:
        """Let deadlines pass."""
        self.clock.ms += ms

    @rule(sidecar=st.integers(0, 2))
    def every_deadline_passes(self, sidecar: int) -> None:
        """Whoever sweeps then closes everything and folds it."""
        self.clock.ms += round(DEADLINE_S * 1000)
        run(workspace.expire(self.sidecars[sidecar]), self.store)
        gate = self.view().gate
        assert not any(cell.open for cell in gate.cells.values())

    @rule(sidecar=st.integers(0, 2))
    def sweep(self, sidecar: int) -> None:
        """Close what is overdue, and fold what is complete."""
        run(workspace.expire(self.sidecars[sidecar]), self.store)

    @rule(sidecar=st.integers(0, 2))
    def fold(self, sidecar: int) -> None:
        """Fold by a view that may be old: whoever is late must change nothing."""
        run(gating.fold(self.sidecars[sidecar]), self.store)

    @rule(mode=st.sampled_from([*Mode]), reset=st.booleans(), reinstate=st.booleans(), die=st.integers(0, 5))
    def set_mode(self, mode: Mode, die: int, *, reset: bool, reinstate: bool) -> None:
        """Change the mode by hand, now and then."""
        if die:
            return
        sidecar = len(self.ledger) % 3
        before = self.view().gate
        change = gating.ModeChange(mode, "a test", reset_attempts=reset, reinstate_checkpoint=reinstate)
        run(gating.set_mode(self.sidecars[sidecar], change), self.store)
        after = self.view().gate
        spent = before.stage is not Mode.SHADOW
        assert after.attempt == (1 if reset else before.attempt + spent)
        self.attempts.append(after.attempt)

    @rule(sidecar=st.integers(0, 2))
    def restart(self, sidecar: int) -> None:
        """A sidecar dies, another takes its place; all that matters is in the store."""
        self.sidecars[sidecar] = self.start()

    # --- what must hold

    @invariant()
    def every_sum_is_that_of_the_ledger(self) -> None:
        """Totals and open epochs together are what the samples of the present phase came to; of no other phase."""
        view = self.view()
        phase = Phase(view.gate.terms)
        expected = [0] * phase.width
        for entry in self.of_phase(view):
            for row in self.worth(entry, phase):
                expected = [a + b for a, b in zip(expected, row, strict=True)]
        rows = [view.gate.totals or (0,) * phase.width, *map(phase.whole, view.gate.cells.values())]
        assert [sum(column) for column in zip(*rows, strict=True)] == expected

    @invariant()
    def every_sample_is_in_one_epoch(self) -> None:
        """Folded and open epochs have all samples of the phase, once; what is folded waits for nothing."""
        view = self.view()
        gate, entries = view.gate, self.of_phase(view)
        folded = Phase(gate.terms).tallies(gate.totals).decisions
        assert folded + sum(cell.count for cell in gate.cells.values()) == len(entries)
        waiting = sum(self.pending(entry.decision.decision_id) for entry in entries)
        assert sum(cell.open for cell in gate.cells.values()) == waiting
        assert all(gate.folded < number <= gate.epoch for number in gate.cells)

    @invariant()
    def unfolded_exposures_are_held(self) -> None:
        """What holds the allowance is what is not folded, each decision as a total loss times its share."""
        gate = self.view().gate
        assert gate.unfolded_ppm == gate.terms.share_ppm * sum(cell.count for cell in gate.cells.values())

    @invariant()
    def attempts_only_grow(self) -> None:
        """Attempts grow but for an operator's reset, and with them error and allowance shrink."""
        view = self.view()
        assert view.gate.attempt >= self.attempts[-1]
        self.attempts.append(view.gate.attempt)
        if view.gate.terms.share_ppm and self.sidecars[0].settings.gate is GATE:
            first = GATE.live_loss_max if view.gate.stage is Mode.LIVE else GATE.canary_loss_max
            assert view.gate.terms.loss_max_micro == loss_max_of(round(first * MICRO), view.gate.attempt)

    @invariant()
    def every_move_is_told_once(self) -> None:
        """Each change of stage was told by exactly one sidecar."""
        told = [event for event in self.view().gate.events if not event.reason.startswith(("a test", "set to"))]
        assert told == self.moves[::-1][: len(told)]

    def of_phase(self, view: DomainView) -> list[Entry]:
        """The samples of the present phase."""
        return [entry for entry in self.ledger.values() if entry.phase == view.control.revision]

    def worth(self, entry: Entry, phase: Phase) -> list[tuple[int, ...]]:
        """What an entry adds: its charge, and the difference once it is settled."""
        exposed = entry.decision.arm != entry.decision.baseline
        rows = [phase.charged(exposed=exposed)]
        closed = not self.pending(entry.decision.decision_id)
        known = entry.settled or (entry.partial if closed else None)
        if known is not None:
            safety = None if known[1] is None else reward_micro(known[1])
            rows.append(phase.settled(reward_micro(known[0]), safety, exposed=exposed))
        return rows


TestGated = Gated.TestCase
TestGated.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestGated.__doc__ = "Any interleaving keeps the gate's books right."
