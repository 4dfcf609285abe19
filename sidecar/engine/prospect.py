"""What a question looks like as of one view: who may be chosen, how likely, and at which price.

It depends neither on the draw, nor on the coin, nor on the money that is left, so many decisions are made from one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from random import Random
from typing import Generic, TypeVar

from sidecar.engine.exposure import BASELINE
from sidecar.engine.learner import Learner
from sidecar.engine.preference import Tier, fixed, ranked
from sidecar.model.decision import Ask
from sidecar.model.mode import STAGES
from sidecar.shields.budget import cost_ceilings
from sidecar.shields.latency import latency_shield

P = TypeVar("P")

_PLANS_MOST = 64
_REPEATING_MOST = 6


class Prospect(Generic[P]):
    """The candidates of a question. `plans` keeps what was made of draws that come up again and again.

    Args:
        learner: of the question's scope.
        ask: the question.
    """

    def __init__(self, learner: Learner, ask: Ask) -> None:
        """Look at the candidates."""
        arms = [learner.view.arm(candidate.arm) for candidate in ask.candidates]
        verdict = latency_shield(arms, ask.max_latency_us, learner.settings.latency, learner.view.now_ms)
        allowed = [arms[i] for i in verdict.allowed]
        self.names = [arm.name for arm in arms]
        self.actions = verdict.actions
        self.ceilings = cost_ceilings(ask.candidates, arms, learner.settings)
        self.limited = learner.limited
        self.learned = Tier(verdict.allowed, learner.choice(allowed, ask)) if allowed else None
        self.tiers = [fixed((BASELINE,))] if learner.mode in STAGES else []
        self.tiers += [self.learned] if self.learned else []
        self.tiers += [fixed(verdict.too_slow)] if verdict.too_slow else []
        self.plans: dict[tuple[object, ...], P] = {}

    def draw(self, rng: Random) -> Sequence[int]:
        """Draw the order in which the policy prefers those that it may choose from."""
        return ranked(self.learned, rng) if self.learned else ()

    def order(self, preferred: Sequence[int]) -> list[int]:
        """All candidates in the order of preference, where the policy prefers these in this order."""
        orders = (preferred if tier is self.learned else tier.indices for tier in self.tiers)
        return list(dict.fromkeys(chain.from_iterable(orders)))

    def signature(self, preferred: Sequence[int]) -> tuple[int, ...] | None:
        """What of a draw makes a difference; None for one that will hardly come up again."""
        if not self.limited:
            return (preferred[0],) if preferred else ()
        return tuple(preferred) if len(preferred) <= _REPEATING_MOST else None

    def keep(self, signature: tuple[object, ...], plan: P) -> None:
        """Keep what was made of a draw."""
        if len(self.plans) < _PLANS_MOST:
            self.plans[signature] = plan
