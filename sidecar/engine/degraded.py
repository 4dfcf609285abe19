"""The decision without a store: the baseline, or what the money that was set aside for this affords."""

from __future__ import annotations

from msgspec import structs

from sidecar.engine.flows import baseline
from sidecar.engine.learner import Learner
from sidecar.engine.purse import Purse
from sidecar.model.decision import Ask, Decision, Shield, ShieldAction, ShieldEffect, Source
from sidecar.shields.budget import affordable_cases, cost_ceilings


def degraded(learner: Learner, ask: Ask, purse: Purse) -> Decision:
    """The first candidate that the purse affords, the baseline before all others; without any limit, the baseline.

    A candidate that costs nothing is always affordable. When none is, what `when_exhausted` says: the cheapest, or
    nothing.
    """
    plain = baseline(ask, learner.mode, Source.DEGRADED)
    if not learner.limited:
        return plain
    names = [candidate.arm for candidate in ask.candidates]
    ceilings = cost_ceilings(ask.candidates, [learner.view.arm(name) for name in names], learner.settings)
    if not ceilings[0]:
        return plain
    cases = affordable_cases(range(len(names)), ceilings, names, limited=True, refuse=learner.refuses)
    available = purse.available_nano
    for case in reversed(cases):
        if case.threshold_nano is None or case.threshold_nano <= available:
            purse.spend(case.ceiling_nano)
            return structs.replace(plain, arm=names[case.chosen], shields=case.actions, reserved_nano=case.ceiling_nano)
    refused = ShieldAction(Shield.BUDGET, ShieldEffect.REFUSED, names[ceilings.index(min(ceilings))])
    return structs.replace(plain, arm="", shields=(refused,))
