"""How statistics lie in hashes, and back: `<figure>:<arm>` for an arm's, plain names for the domain's counters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.view import Account, Control, DomainView
from sidecar.store.gate_fields import gate_from

FIGURES = ("pulls", "proposed", "count", "defaulted", "reward_micro", "reward_sq_nano", "cost_nano")
MEASURES = {"cost_nano": "cost", "latency_us": "latency"}
COUNTERS = (
    "decisions", "applied", "duplicates", "late", "released", "expired", "refused", "shadowed", "agreed",
)  # fmt: skip
KEEP = "# keep"


def arms_from(figures: Mapping[str, str], recent: Mapping[str, str]) -> dict[str, Arm]:
    """Arms by name, from the fields of `arms` and `recent`."""
    values: dict[str, dict[str, int | SlidingAverage]] = {}
    for field, value in figures.items():
        figure, colon, arm = field.partition(":")
        if colon and figure in FIGURES:
            values.setdefault(arm, {})[figure] = int(value)
    for field, value in recent.items():
        measure, colon, arm = field.partition(":")
        if colon and measure in MEASURES:
            values.setdefault(arm, {})[MEASURES[measure]] = average_from(value)
    return {name: Arm(name, **one) for name, one in values.items()}  # type: ignore[arg-type]  # keys are Arm's fields


def fields_of(view: DomainView) -> tuple[dict[str, int], dict[str, str]]:
    """The fields of `arms` and `recent` that hold these arms and counters; zeros are left out."""
    figures = {counter: view.counters[counter] for counter in COUNTERS if view.counters.get(counter)}
    recent = {}
    for arm in view.arms.values():
        figures |= {f"{figure}:{arm.name}": getattr(arm, figure) for figure in FIGURES if getattr(arm, figure)}
        for field, attribute in MEASURES.items():
            average: SlidingAverage = getattr(arm, attribute)
            if average.recent:
                recent[f"{field}:{arm.name}"] = packed(average)
    return figures, recent


def average_from(value: str | None) -> SlidingAverage:
    """A sliding average from `mean at_ms v1 v2 ...`."""
    if not value:
        return SlidingAverage()
    mean, at_ms, *recent = (int(part) for part in value.split(" "))
    return SlidingAverage(mean, tuple(recent), at_ms)


def packed(average: SlidingAverage) -> str:
    """The inverse of `average_from`."""
    return " ".join(str(value) for value in (average.mean, average.at_ms, *average.recent))


def view_from(
    figures: Mapping[str, str],
    recent: Mapping[str, str],
    gate: Mapping[str, str],
    *,
    now_ms: int,
    still_open: int,
    whole: bool = True,
) -> DomainView:
    """A domain's view from its three hashes."""
    return DomainView(
        version=int(figures.get("version", 0)),
        now_ms=now_ms,
        arms=arms_from(figures, recent),
        counters={counter: int(figures.get(counter, 0)) for counter in COUNTERS},
        control=Control(
            int(gate.get("revision", 0)), gate.get("mode", ""), gate.get("reason", ""), gate.get("settings", "")
        ),
        gate=gate_from(gate),
        open=still_open,
        delay=average_from(recent.get("delay_ms")),
        whole=whole,
    )


def accounts_from(workspace: Mapping[str, str]) -> dict[str, Account]:
    """Accounts by level, from the fields of the workspace's hash."""
    levels = {level for field in workspace for name, _, level in [field.partition(":")] if name == "reserved_nano"}
    levels |= {field.partition(":")[2] for field in workspace if field.startswith("spent_nano:")}
    return {
        level: Account(
            workspace.get(f"window:{level}", "total"),
            *(int(workspace.get(f"{figure}:{level}", 0)) for figure in ACCOUNT_FIGURES),
        )
        for level in sorted(levels)
    }


ACCOUNT_FIGURES = ("spent_nano", "reserved_nano", "overrun_nano", "decisions")


def domains_from(workspace: Iterable[str]) -> list[str]:
    """The names of a workspace's domains, from the fields of its hash."""
    return sorted(field.removeprefix("domain:") for field in workspace if field.startswith("domain:"))
