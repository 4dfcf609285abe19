"""Never promises more money than there is: what to execute for each amount that may be left.

How much is left is known only inside the store's script, after the choice was made. So the choice goes
there as a list of offers, dearest first: *if at least this much is available, execute this arm*. Which
candidates are affordable depends on one number only, the money available, so there are at most as many
different affordable sets as there are different ceilings; for each of them the arm (the first affordable
one in the order that was drawn) and its exact probability are worked out beforehand. The script takes the first
offer whose threshold is met: one round trip, an exact propensity, and not a cent more than was agreed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby

from sidecar.features.averages import upper_estimate
from sidecar.model.arm import Arm
from sidecar.model.decision import Candidate, Shield, ShieldAction, ShieldEffect
from sidecar.model.units import nano_usd_ceiling
from sidecar.settings.domain import DomainSettings

ACTIONS_MAX = 16
"""A decision tells of so many arms that were stepped over for money, at most."""


@dataclass(frozen=True, slots=True)
class Affordable:
    """One case: `threshold_nano` or more is available (None: whatever is), but less than in the case before.

    `chosen` is the arm to execute. `added` are the candidates that are affordable here and in no cheaper case.
    With `unpaced` the whole limit is what is available, not only what the pace released so far.
    """

    threshold_nano: int | None
    chosen: int
    added: tuple[int, ...]
    ceiling_nano: int
    actions: tuple[ShieldAction, ...]
    unpaced: bool = False


def cost_ceilings(candidates: Sequence[Candidate], arms: Sequence[Arm], settings: DomainSettings) -> list[int]:
    """The most that each candidate can cost, in nano-dollars.

    As the request says, else as declared, else a high quantile of its recent costs, else 0.
    """
    ceilings = []
    for candidate, arm in zip(candidates, arms, strict=True):
        declared = settings.arms.get(candidate.arm)
        if candidate.cost_ceiling_nano is not None:
            ceilings.append(candidate.cost_ceiling_nano)
        elif declared is not None and declared.cost_ceiling_usd is not None:
            ceilings.append(nano_usd_ceiling(declared.cost_ceiling_usd))
        else:
            ceilings.append(upper_estimate(arm.cost, settings.averages.cost_quantile))
    return ceilings


def affordable_cases(
    order: Sequence[int],
    ceilings: Sequence[int],
    names: Sequence[str],
    *,
    limited: bool,
    refuse: bool,
    paced: bool = False,
    most: int | None = None,
) -> list[Affordable]:
    """Every case of what is affordable, cheapest first; without `refuse` the first one needs no money.

    Args:
        order: the candidates by preference, as drawn; all of them.
        ceilings: of each candidate, in nano-dollars.
        names: of each candidate.
        limited: whether any budget level has a limit; if not there is one case.
        refuse: what to do when nothing is affordable: refuse, or execute the cheapest.
        paced: whether any budget level releases its limit gradually. Then the cheapest is still paid from
            the rest of the limit before it counts as overrun.
        most: if there are more cases than that, only so many of the dearest; the cheapest of these then has as `added`
            whatever is affordable in it.
    """
    if not limited:
        return [Affordable(None, order[0], tuple(order), ceilings[order[0]], ())]
    by_ceiling = sorted(range(len(ceilings)), key=ceilings.__getitem__)
    steps = [(threshold, tuple(group)) for threshold, group in groupby(by_ceiling, key=ceilings.__getitem__)]
    cases = []
    if most is not None and len(steps) > most:
        cheaper = tuple(chain.from_iterable(group for _, group in steps[: 1 - most]))
        steps = [(steps[-most][0], cheaper), *steps[1 - most :]]
    else:
        cases = _without_money(ceilings, names, refuse=refuse, paced=paced)
    rank = {index: at for at, index in enumerate(order)}
    first = len(order)
    for threshold, added in steps:
        first = min(first, *(rank[index] for index in added))
        stepped = stepped_over(order[:first], names)
        cases.append(Affordable(threshold, order[first], added, ceilings[order[first]], stepped))
    return cases


def _without_money(ceilings: Sequence[int], names: Sequence[str], *, refuse: bool, paced: bool) -> list[Affordable]:
    """The cases in which no candidate is affordable."""
    cases = []
    cheapest = min(range(len(ceilings)), key=ceilings.__getitem__)
    anyway = ShieldAction(Shield.BUDGET, ShieldEffect.CHEAPEST_ANYWAY, names[cheapest])
    if not refuse:
        # Nothing is left to reserve from; all that it costs is booked as overrun.
        cases.append(Affordable(None, cheapest, (), 0, (anyway,)))
    if paced:
        # A pace spreads decisions, it does not end them: one that is refused would release nothing for the next.
        least = ceilings[cheapest]
        cases.append(Affordable(least, cheapest, (), least, (anyway,), unpaced=True))
    return cases


def stepped_over(indices: Sequence[int], names: Sequence[str]) -> tuple[ShieldAction, ...]:
    """What is told of candidates that were not affordable: of the first ones, the most preferred."""
    return tuple(ShieldAction(Shield.BUDGET, ShieldEffect.STEPPED_OVER, names[i]) for i in indices[:ACTIONS_MAX])
