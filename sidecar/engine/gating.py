"""The gate's part of the conversation with the store: folding epochs, and an operator's change of mode."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.engine.flow import Flow, view_of
from sidecar.engine.learner import Learner
from sidecar.errors import StoreMisbehaved
from sidecar.gate.ladder import fold as step_over
from sidecar.gate.ladder import operated
from sidecar.model.mode import Mode
from sidecar.store import transitions as t

_ATTEMPTS = 5
_STEPS_MOST = 1000


def fold(learner: Learner) -> Flow[None]:
    """Fold every epoch that is complete, in order, as of the learner's view; tell the learner's `moved` of moves.

    Any sidecar may do so at any time: of those that try the same step one wins, the others see that it was made.

    Raises:
        StoreMisbehaved: the reply is not one to this transition.
    """
    outrun = 0
    for _ in range(_STEPS_MOST):
        view = learner.view
        cell = view.gate.settled_cell(view.now_ms)
        if cell is None or not learner.sampling or outrun == _ATTEMPTS:
            return
        step = step_over(view.gate, cell, learner.circumstances())
        reply = yield t.Fold(
            scope=learner.scope,
            phase=view.control.revision,
            cell=cell,
            gate=step.state,
            released_ppm=cell.count * view.gate.terms.share_ppm,
            new_phase=step.new_phase,
            checkpoint="keep" if step.checkpoint else "reinstate" if step.restore else "",
        )
        match reply:
            case t.Folded(after):
                learner.refresh(after)
                if step.new_phase:
                    learner.moved(learner.scope, step.state.events[0])
            case t.Outrun(after):
                learner.refresh(after)
                outrun += 1
            case _:
                raise StoreMisbehaved("fold", reply)


@dataclass(frozen=True, slots=True)
class ModeChange:
    """What is to be changed: the mode, why, settings to lay over (JSON; empty keeps those laid before), and more.

    `reset_attempts` begins a new promise; `reinstate_checkpoint` exchanges what was learned for the last checkpoint.
    """

    mode: Mode
    reason: str = ""
    settings_json: str = ""
    reset_attempts: bool = False
    reinstate_checkpoint: bool = False


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """The modes in force before and now, and the revision that announces it."""

    before: Mode
    now: Mode
    revision: int
    reinstated: bool


def set_mode(learner: Learner, change: ModeChange) -> Flow[ModeChanged]:
    """Set a domain's mode for every sidecar. The settings must have been validated.

    Raises:
        StoreMisbehaved: the state kept changing, or the reply is not one to this transition.
    """
    for _ in range(_ATTEMPTS):
        learner.refresh((yield from view_of(learner.scope)))
        view, before = learner.view, learner.mode
        settings = learner.settings_under(change.settings_json or view.control.settings_json)
        around = learner.circumstances(settings)
        gate = operated(view.gate, change.mode, change.reason, around, reset_attempts=change.reset_attempts)
        reply = yield t.SetMode(
            scope=learner.scope,
            known_revision=view.control.revision,
            mode=change.mode,
            reason=change.reason,
            settings_json=change.settings_json,
            gate=gate,
            reinstate=change.reinstate_checkpoint,
        )
        match reply:
            case t.ModeSet(revision, _, reinstated):
                learner.refresh((yield from view_of(learner.scope)))
                return ModeChanged(before, learner.mode, revision, reinstated)
            case t.Stale():
                continue
            case _:
                break
    raise StoreMisbehaved("set_mode", "the state keeps changing")
