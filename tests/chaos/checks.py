"""Compares what clients were told with what the store holds, exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import NamedTuple

from sidecar.gate.phase import Phase
from sidecar.model.units import NANO, reward_sq_nano

from .evidence import DomainEvidence, Evidence, Record
from .truth import APPLIED, Ledger, Story, Verdict

FIGURES = ("count", "defaulted", "reward_micro", "reward_sq_nano", "cost_nano", "pulls")
_LATE = ("late", "paid")
_CLOSED_BY_TIME = ("expired", *_LATE)


class Violation(NamedTuple):
    """A promise that was broken: which one, where, and how."""

    rule: str
    where: str
    what: str


@dataclass(slots=True)
class Verdicts:
    """What a check found."""

    violations: list[Violation] = field(default_factory=list)
    lost: int = 0
    """Rewards that were acknowledged and are not in the statistics."""
    double: int = 0
    """Rewards that are in the statistics more than once."""
    states: Counter[str] = field(default_factory=Counter)
    """How many decisions the store has in which state."""

    def broken(self, rule: str, where: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(rule, where, what))


def check(
    ledger: Ledger,
    evidence: Evidence,
    limits_usd: Mapping[str, float],
    *,
    leased: str = "",
    baseline_usd: float = 0.0,
    forgets: bool = False,
) -> Verdicts:
    """Check a round that is over: what waited on disk has come to the store, and what is overdue is closed.

    A decision whose deadline is still to come may be open: then its reservation is held, and what a partial report
    brought is kept with it.

    Args:
        ledger: what clients were told; `quiet` was called.
        evidence: what the store holds.
        limits_usd: declared limits by level, in US dollars.
        forgets: whether another server may have taken over, without the last writes; then a report that is told again
            is rightly answered APPLIED again, and only the sums say whether it was counted twice.
        leased: a domain in which money is set aside for outages; what was spent of it is known but for an interval.
        baseline_usd: what an answer that nobody heard may have cost there.
    """
    found = Verdicts()
    for name, domain in evidence.domains.items():
        stories = {story.decision_id: story for story in ledger.of(name)}
        found.states.update(record.state for record in domain.records.values())
        _decisions(found, name, domain, stories)
        _deadlines(found, name, domain, stories, evidence.read_ms)
        _rewards(found, name, domain, stories, forgets=forgets)
        _sums(found, name, domain, stories)
        _gate(found, name, domain, stories)
    for story in ledger.stories.values():
        if story.domain not in evidence.domains and (story.answer or story.acknowledged):
            found.broken("I4 kept", story.domain, f"{story.decision_id} was acknowledged, and its domain is not there")
            found.lost += story.acknowledged
    _money(found, ledger, evidence, leased, round(baseline_usd * NANO))
    found.violations += limits_held(evidence, limits_usd)
    return found


def limits_held(evidence: Evidence, limits_usd: Mapping[str, float]) -> list[Violation]:
    """I1 at one instant: spent and reserved money within the limit, but for booked overrun, and no overrun."""
    broken = []
    for level, limit_usd in limits_usd.items():
        spent, reserved, overrun = (evidence.money(figure, level) for figure in ("spent", "reserved", "overrun"))
        if spent + reserved - overrun > round(limit_usd * NANO):
            what = f"spent {spent} + reserved {reserved} - overrun {overrun} > limit {round(limit_usd * NANO)}"
            broken.append(Violation("I1 limit", level, what))
    return broken


def _decisions(found: Verdicts, name: str, domain: DomainEvidence, stories: Mapping[str, Story]) -> None:
    states = Counter(record.state for record in domain.records.values())
    for decision_id in domain.records.keys() - stories.keys():
        found.broken("I2 invented", name, f"{decision_id} was never asked for")
    for story in stories.values():
        record = domain.records.get(story.decision_id)
        if story.answer and story.answer.arm and (record is None or story.arms != {record.arm}):
            found.broken("I4 decision", name, f"{story.decision_id}: told {story.arms}, recorded {record}")
    expected = {
        "decisions": len(domain.records),
        "applied": states["rewarded"],
        "released+expired": sum(states[state] for state in ("released", *_CLOSED_BY_TIME)),
    }
    counted = {
        "decisions": domain.figures.get("decisions", 0),
        "applied": domain.figures.get("applied", 0),
        "released+expired": domain.figures.get("released", 0) + domain.figures.get("expired", 0),
    }
    again = domain.made_again
    expected["decisions"] += again
    expected["released+expired"] += again
    if counted != expected or again > sum(bool(story.degraded or story.releases) for story in stories.values()):
        found.broken("I3 counters", name, f"counted {counted}, recorded {expected}, {again} of them made anew")


def _deadlines(
    found: Verdicts, name: str, domain: DomainEvidence, stories: Mapping[str, Story], read_ms: float
) -> None:
    """I5: what is overdue is closed; I4: nothing is closed for time, nor called late, before its deadline."""
    overdue = sum(one.state == "open" and one.deadline_ms <= read_ms for one in domain.records.values())
    if overdue:
        found.broken("I5 open", name, f"{overdue} decisions are open after their deadlines")
    for decision_id, record in domain.records.items():
        story = stories.get(decision_id)
        released = story is not None and story.releases
        if record.state in _CLOSED_BY_TIME and record.deadline_ms > read_ms and not released:
            what = f"{decision_id} is {record.state}, {(record.deadline_ms - read_ms) / 1000:.0f} s before its deadline"
            found.broken("I4 early", name, what)
    for story in stories.values():
        if story.late_early:
            what = f"{story.decision_id} was told LATE before its deadline"
            found.broken("I4 early", name, f"{what}; {len(story.degraded)} calls with its id were answered degraded")


def _rewards(
    found: Verdicts, name: str, domain: DomainEvidence, stories: Mapping[str, Story], *, forgets: bool
) -> None:
    for story in stories.values():
        record = domain.records.get(story.decision_id)
        state = record.state if record else "unknown"
        if story.finals[APPLIED] > 1 and not forgets:
            found.double += 1
            found.broken("I2 once", name, f"{story.decision_id} was told APPLIED {story.finals[APPLIED]} times")
        kept = state == "rewarded" or (story.verdict is Verdict.KEPT and (_counts(record) or _waits(record, story)))
        if story.acknowledged and not kept:
            found.lost += 1
            told = dict(story.finals + story.parts)
            what = f"{story.decision_id} was acknowledged ({told}) and is {state}"
            if story.degraded:
                what += f"; {len(story.degraded)} Recommend calls with its id were answered degraded"
            found.broken("I4 kept", name, what)
        if story.verdict is Verdict.NOTHING and state == "rewarded":
            told = dict(story.finals + story.parts)
            found.broken(
                "I2 nothing", name, f"{story.decision_id} counts, and its app was told {told}, as if it did not"
            )


def _sums(found: Verdicts, name: str, domain: DomainEvidence, stories: Mapping[str, Story]) -> None:
    """Each figure of each arm: that of the records to the integer, and within what clients know."""
    again = domain.made_again
    for arm in sorted(domain.arms):
        held = Counter({figure: domain.figure(figure, arm) for figure in FIGURES})
        exact: Counter[str] = Counter()
        for decision_id, record in domain.records.items():
            if record.arm == arm:
                exact.update(_learned(record, stories.get(decision_id)))
        more = min(again, max(0, held["pulls"] - exact["pulls"]))
        again, exact["pulls"] = again - more, exact["pulls"] + more
        if any(held[figure] != exact[figure] for figure in FIGURES):
            found.broken("I3 sums", f"{name}/{arm}", f"holds {dict(held)}, its decisions make {dict(exact)}")
            found.lost += max(0, exact["count"] + exact["defaulted"] - held["count"] - held["defaulted"])
            found.double += max(0, held["count"] + held["defaulted"] - exact["count"] - exact["defaulted"])
        mine = [one for one in stories.values() if one.arms == {arm} and not _waits(_record(domain, one), one)]
        least = sum(story.reward_micro or 0 for story in mine if story.acknowledged)
        most = least + sum(story.reward_micro or 0 for story in mine if story.verdict is Verdict.MAYBE)
        if not least <= held["reward_micro"] <= most:
            found.broken("I4 sums", f"{name}/{arm}", f"reward {held['reward_micro']} not in [{least}, {most}]")


def _learned(record: Record, story: Story | None) -> Counter[str]:
    learned = Counter(pulls=1)
    if story is None or story.reward_micro is None:
        return learned
    if record.state == "rewarded" or _counts(record):
        learned["count" if record.state == "rewarded" else "defaulted"] += 1
        learned["reward_micro"] = story.reward_micro
        learned["reward_sq_nano"] = reward_sq_nano(story.reward_micro)
        learned["cost_nano"] = story.cost_nano or 0
    return learned


def _counts(record: Record | None) -> bool:
    """Whether a decision that expired had a reward by then."""
    return record is not None and record.state in _CLOSED_BY_TIME and record.collected.partition(" ")[0] != ""


def _record(domain: DomainEvidence, story: Story) -> Record | None:
    return domain.records.get(story.decision_id)


def _waits(record: Record | None, story: Story) -> bool:
    """Whether what a partial report brought is kept until the deadline, to count then."""
    return record is not None and record.state == "open" and record.collected.split(" ")[0] == str(story.reward_micro)


def _paid(record: Record, story: Story | None) -> tuple[int, int]:
    """What is spent for it by now, and how much of that beyond its reservation."""
    if record.state == "open":
        return 0, 0
    cost = story.cost_nano if story else None
    if record.state == "rewarded":
        paid = record.ceiling_nano if cost is None else cost
        return paid, max(0, paid - record.ceiling_nano)
    kept = (record.collected or "    ").split(" ")[2]
    if kept:
        return int(kept), max(0, int(kept) - record.ceiling_nano)
    return (cost or 0, cost or 0) if record.state == "paid" else (0, 0)


def _money(found: Verdicts, ledger: Ledger, evidence: Evidence, leased: str, baseline_nano: int) -> None:
    whole = [0, 0, 0]
    told = sum(round(one.reserved_usd * NANO) for story in ledger.of(leased) for one in story.degraded)
    unheard = sum(story.unheard for story in ledger.of(leased)) * baseline_nano
    purse = range(told, told + unheard + 1)
    for name, domain in evidence.domains.items():
        paid = [_paid(record, ledger.stories.get(decision_id)) for decision_id, record in domain.records.items()]
        held = sum(record.ceiling_nano for record in domain.records.values() if record.state == "open")
        parts = [sum(one for one, _ in paid), sum(one for _, one in paid), held]
        whole = [one + more for one, more in zip(whole, parts, strict=True)]
        _account(found, evidence, f"domain/{name}", parts, purse if name == leased else range(1))
    _account(found, evidence, "workspace", whole, purse)


def _account(found: Verdicts, evidence: Evidence, level: str, parts: list[int], purse: range) -> None:
    """What decisions have spent and overrun, and what the open ones hold; `purse` bounds what outages may have spent.

    Of that a killed sidecar reports nothing: it is still in its lease.
    """
    spent, overrun, waiting = parts
    held, leases = evidence.money("spent", level), evidence.leased(level)
    if not spent <= held < spent + purse.stop or held + leases < spent + purse.start:
        what = f"spent is {held}, decisions make {spent}, outages {purse.start} to {purse.stop - 1}, leases {leases}"
        found.broken("I1 spent", level, what)
    if evidence.money("overrun", level) != overrun:
        found.broken("I1 overrun", level, f"is {evidence.money('overrun', level)}, decisions make {overrun}")
    if evidence.money("reserved", level) != leases + waiting:
        what = f"{evidence.money('reserved', level)} is reserved, open decisions hold {waiting}, leases {leases}"
        found.broken("I5 reserved", level, what)


def _gate(found: Verdicts, name: str, domain: DomainEvidence, stories: Mapping[str, Story]) -> None:
    """I6: the sums of the present phase are those of its samples, by the pure computation.

    A decision that was released and made anew was a sample both times, and the first time without a reward.
    """
    phase = Phase(domain.gate.terms)
    rows = list(_evidence_of(phase, domain, stories))
    held = gate_sums(domain)
    sides = (phase.charged(exposed=False), phase.charged(exposed=True))
    missed = (
        list(some) for many in range(domain.made_again + 1) for some in combinations_with_replacement(sides, many)
    )
    if held not in {_added([*rows, *more], phase.width) for more in missed}:
        expected = _added(rows, phase.width)
        found.broken("I6 gate", name, f"evidence is {held}, {len(rows)} samples make {expected}")
    for story in stories.values():
        record = domain.records.get(story.decision_id)
        if story.answer and record and story.answer.sampled != bool(record.sample):
            found.broken("I6 samples", name, f"{story.decision_id}: told {story.answer.sampled}, is {record.sample!r}")


def gate_sums(domain: DomainEvidence) -> tuple[int, ...]:
    """The evidence of the present phase, however much of it is folded."""
    phase = Phase(domain.gate.terms)
    told = [domain.gate.totals, *(phase.whole(cell) for cell in domain.gate.cells.values())]
    return _added([row for row in told if row], phase.width)


def _evidence_of(phase: Phase, domain: DomainEvidence, stories: Mapping[str, Story]) -> Iterator[tuple[int, ...]]:
    for decision_id, record in domain.records.items():
        parts = record.sample.split(" ")
        if not record.sample or int(parts[0]) != domain.revision:
            continue
        exposed, story = parts[2] == "1", stories.get(decision_id)
        yield phase.charged(exposed=exposed)
        if story and story.reward_micro is not None and (record.state == "rewarded" or _counts(record)):
            yield phase.settled(story.reward_micro, story.safety_micro, exposed=exposed)


def _added(rows: list[tuple[int, ...]], width: int) -> tuple[int, ...]:
    return tuple(map(sum, zip(*rows, strict=True))) if rows else (0,) * width
