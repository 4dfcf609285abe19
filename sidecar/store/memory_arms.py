"""Arms of the store in memory: what a reward, a pull or a reinstated checkpoint makes of them."""

from __future__ import annotations

from dataclasses import replace

from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.units import reward_sq_nano
from sidecar.store.transitions import Shape

Arms = dict[str, Arm]


def add(arms: Arms, name: str, **figures: int) -> None:
    """Add to the figures of one arm."""
    arm = arms.get(name, Arm(name))
    arms[name] = replace(arm, **{figure: getattr(arm, figure) + more for figure, more in figures.items()})


def learn(
    arms: Arms,
    name: str,
    counter: str,
    micro: int,
    *,
    cost_nano: int | None,
    latency_us: int | None,
    now: int,
    shape: Shape,
) -> None:
    """Add one reward; `counter` is `count` for one that came, `defaulted` for one that did not."""
    sums = {"reward_micro": micro, "reward_sq_nano": reward_sq_nano(micro), "cost_nano": cost_nano or 0}
    add(arms, name, **{counter: 1}, **sums)
    arm = arms[name]
    arms[name] = replace(
        arm, cost=slid(arm.cost, cost_nano, now, shape), latency=slid(arm.latency, latency_us, now, shape)
    )


def slid(average: SlidingAverage, value: int | None, now: int, shape: Shape) -> SlidingAverage:
    """The average after one more value, if there is one."""
    if value is None:
        return average
    if not average.recent:
        return SlidingAverage(value, (value,), now)
    # floor(x / n + 1/2) in integers, as the script's doubles have it
    mean = average.mean + (2 * (value - average.mean) + shape.ewma_length) // (2 * shape.ewma_length)
    return SlidingAverage(mean, (*average.recent, value)[-shape.recent_length :], now)


def reinstated(kept: Arms, now: Arms) -> Arms:
    """What was learned as it was kept; what arms cost and how long they take of late was not learned, and stays."""
    lately = {name: arm for name, arm in now.items() if arm.cost.recent or arm.latency.recent}
    return {
        name: replace(kept.get(name, Arm(name)), cost=one.cost, latency=one.latency)
        for name in (*kept, *lately)
        for one in [lately.get(name, Arm(name))]
    }
