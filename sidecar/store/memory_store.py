"""The store of one process, without a server: the same transitions on plain Python values.

What it guarantees: the same replies and the same integers as the scripts on a server (one suite of tests
runs on both). What it does not: sharing, durability, or a clock other than the machine's. Not thread-safe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sidecar.clock import Clock, SystemClock
from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.gate import GateState
from sidecar.model.names import Scope
from sidecar.model.view import Control, DomainView, WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.fields import COUNTERS, accounts_from, arms_from, average_from
from sidecar.store.memory_accounts import Accounts
from sidecar.store.memory_arms import add, learn, reinstated, slid
from sidecar.store.memory_epochs import charged, folded, resolved

_SWEEP_MOST = 16


@dataclass(slots=True)
class _Decision:
    """One decision; `collected` is the latest partial report. A sample of the gate has a phase and an epoch."""

    menu: t.Menu
    offer: t.Offer
    deadline: int
    phase: int = -1
    epoch: int = 0
    collected: t.Settle | None = None
    state: str = "pending"
    due: int = 0


@dataclass(slots=True)
class _Domain:
    """The state of one domain."""

    version: int = 0
    arms: dict[str, Arm] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)
    decisions: dict[str, _Decision] = field(default_factory=dict)
    control: Control = field(default_factory=Control)
    gate: GateState = field(default_factory=GateState)
    delay: SlidingAverage = field(default_factory=SlidingAverage)
    checkpoint: tuple[dict[str, Arm], Counter[str]] | None = None

    def view(self, now_ms: int) -> DomainView:
        counters = {name: self.counters[name] for name in COUNTERS}
        still_open = sum(decision.state == "pending" for decision in self.decisions.values())
        return DomainView(
            self.version, now_ms, dict(self.arms), counters, self.control, self.gate, still_open, self.delay
        )


class MemoryStore:
    """Applies transitions to the state of this process.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        """Start empty."""
        self._clock = clock or SystemClock()
        self._domains: dict[Scope, _Domain] = {}
        self._accounts = Accounts()

    def apply(self, transition: t.Transition) -> t.Reply:
        """Apply one transition."""
        now = self._clock.unix_ms()
        handlers: dict[type, Callable[..., t.Reply]] = {
            t.Issue: self._recommend, t.Settle: self._settle, t.Release: self._release, t.Expire: self._expire,
            t.SetMode: self._set_mode, t.Fold: self._fold, t.Read: self._read, t.Restore: self._restore,
        }  # fmt: skip
        return handlers[type(transition)](transition, now)

    # --- recommend

    def _recommend(self, issue: t.Issue, now: int) -> t.Reply:
        menu = issue.menu
        domain = self._domains.get(menu.scope, _Domain())
        known = domain.decisions.get(issue.decision_id) if issue.recalls != "nothing" else None
        if known and (known.state != "released" or issue.recalls == "all"):
            said = known.offer.answer
            if known.state == "pending" and not said.endswith(" "):
                known.offer = replace(known.offer, answer=f"{said} ")
            return t.Replayed(said, known.deadline)
        newer = domain.version != issue.known_version
        if domain.control.revision != issue.known_revision or (issue.freshness == "exact" and newer):
            return t.Stale(domain.view(now))
        offer = self._affordable(domain, menu, now) if issue.freshness == "any" else None
        if offer != 0:
            self._sweep(menu.scope, domain, now, _SWEEP_MOST, menu.shape)
            offer = self._affordable(domain, menu, now)
        if offer is None and not menu.complete:
            return t.Short()
        self._domains[menu.scope] = domain
        if offer is None:
            domain.counters["refused"] += 1
            return t.Refused()
        self._record(domain, issue, menu.offers[offer], now)
        fresh = issue.freshness != "any" and domain.version != issue.known_version
        return t.Issued(offer, now + menu.reward_deadline_ms, domain.version, domain.view(now) if fresh else None)

    def _affordable(self, domain: _Domain, menu: t.Menu, now: int) -> int | None:
        money = {unpaced: self._accounts.available(menu, now, unpaced=unpaced) for unpaced in (False, True)}
        admitted = domain.gate.has_room
        for number, offer in enumerate(menu.offers):
            affordable = offer.threshold_nano is None or offer.threshold_nano <= money[offer.unpaced]
            if affordable and (admitted or not (offer.sampled or offer.needs_room)):
                return number
        return None

    def _record(self, domain: _Domain, issue: t.Issue, offer: t.Offer, now: int) -> None:
        menu = issue.menu
        deadline = now + menu.reward_deadline_ms
        decision = domain.decisions[issue.decision_id] = _Decision(menu, offer, deadline, due=deadline)
        if offer.sampled:
            decision.phase = domain.control.revision
            domain.gate, decision.epoch = charged(domain.gate, menu.sample, now)
        domain.counters["decisions"] += 1
        add(domain.arms, offer.arm, pulls=1)
        if menu.proposal:
            domain.counters["shadowed"] += 1
            domain.counters["agreed"] += menu.agrees
            add(domain.arms, menu.proposal, proposed=1)
        self._accounts.reserve(menu, offer.ceiling_nano, now)

    # --- settle, release, expire

    def _settle(self, settle: t.Settle, now: int) -> t.Reply:
        domain = self._domains.get(settle.scope, _Domain())
        decision = domain.decisions.get(settle.decision_id)
        if decision is None:
            return t.Unknown()
        if decision.state == "pending" and decision.deadline <= now:
            self._expire_one(settle.scope, domain, decision, now, settle.shape)
        if decision.state != "pending":
            return self._settle_closed(settle, domain, decision, now)
        collected = _collected_text(decision.collected)
        if collected != settle.collected:
            return t.Merge(collected)
        if decision.phase == domain.control.revision != settle.phase:
            return t.Stale(domain.view(now))
        if not settle.final:
            decision.collected = settle
            return t.Collected(decision.offer.arm)
        micro = settle.reward_micro or 0
        _learn(domain, decision.offer.arm, "count", micro, settle, now, settle.shape)
        ceiling = decision.offer.ceiling_nano
        self._accounts.book(settle.scope, ceiling, ceiling if settle.cost_nano is None else settle.cost_nano, now)
        domain.counters["applied"] += 1
        issued = decision.deadline - decision.menu.reward_deadline_ms
        domain.delay = slid(domain.delay, max(0, now - issued), now, settle.shape)
        folds = _resolve(domain, decision, _evidence(settle, decision), now)
        self._close(decision, "rewarded", now, settle.shape)
        arm = domain.arms[decision.offer.arm]
        return t.Applied(arm.name, domain.version, ceiling, arm.cost, arm.latency, domain.view(now) if folds else None)

    def _settle_closed(self, settle: t.Settle, domain: _Domain, decision: _Decision, now: int) -> t.Reply:
        collected = _collected_text(decision.collected)
        counted = decision.state == "expired" and collected != ""
        if counted and collected != settle.collected:
            return t.Merge(collected)
        if decision.state == "rewarded" or (counted and collected == _collected_text(settle)):
            domain.counters["duplicates"] += 1
            return t.Duplicate()
        domain.counters["late"] += 1
        collected_cost = decision.collected is not None and decision.collected.cost_nano is not None
        if decision.state != "paid" and settle.cost_nano is not None and not collected_cost:
            self._accounts.book(settle.scope, 0, settle.cost_nano, now)
            decision.state = "paid"
        decision.state = "paid" if decision.state == "paid" else "late"
        return t.Late()

    def _release(self, release: t.Release, now: int) -> t.Reply:
        domain = self._domains.get(release.scope, _Domain())
        decision = domain.decisions.get(release.decision_id)
        if decision is None:
            return t.Unknown()
        if decision.state == "pending" and decision.deadline <= now:
            self._expire_one(release.scope, domain, decision, now, release.shape)
        if decision.state != "pending":
            return t.Closed()
        if not decision.offer.answer.endswith(release.ending):
            return t.Unknown()
        paid = decision.collected.cost_nano if decision.collected else None
        self._accounts.book(release.scope, decision.offer.ceiling_nano, paid or 0, now)
        domain.counters["released"] += 1
        _resolve(domain, decision, (), now)
        self._close(decision, "released", now, release.shape)
        return t.Released()

    def _expire(self, expire: t.Expire, now: int) -> t.Reply:
        domain = self._domains.get(expire.scope, _Domain())
        swept = self._sweep(expire.scope, domain, now, expire.most, expire.shape)
        return t.Swept(swept, domain.view(now) if domain.gate.settled_cell(now) else None)

    def _sweep(self, scope: Scope, domain: _Domain, now: int, most: int, shape: t.Shape) -> int:
        due = sorted((one.due, key) for key, one in domain.decisions.items() if one.due <= now)[:most]
        for _, key in due:
            if domain.decisions[key].state == "pending":
                self._expire_one(scope, domain, domain.decisions[key], now, shape)
            else:
                del domain.decisions[key]
        return len(due)

    def _expire_one(self, scope: Scope, domain: _Domain, decision: _Decision, now: int, shape: t.Shape) -> None:
        report, default = decision.collected, decision.menu.default_reward_micro
        micro = default if report is None or report.reward_micro is None else report.reward_micro
        cost = report.cost_nano if report else None
        if micro is not None:
            _learn(domain, decision.offer.arm, "defaulted", micro, report, now, shape)
        self._accounts.book(scope, decision.offer.ceiling_nano, cost or 0, now)
        domain.counters["expired"] += 1
        _resolve(domain, decision, _evidence(report, decision), now)
        self._close(decision, "expired", now, shape)

    def _close(self, decision: _Decision, state: str, now: int, shape: t.Shape) -> None:
        decision.state, decision.due = state, now + shape.remember_ms

    # --- control, snapshot, restore

    def _set_mode(self, change: t.SetMode, now: int) -> t.Reply:
        domain = self._domains.get(change.scope, _Domain())
        before = domain.control
        if before.revision != change.known_revision:
            return t.Stale(domain.view(now))
        self._domains[change.scope] = domain
        settings = change.settings_json or before.settings_json
        domain.control = Control(before.revision + 1, change.mode, change.reason, settings)
        domain.gate = change.gate
        return t.ModeSet(domain.control.revision, before.mode, change.reinstate and _reinstate(domain))

    def _fold(self, fold: t.Fold, now: int) -> t.Reply:
        domain = self._domains.get(fold.scope, _Domain())
        before, number = domain.gate, fold.cell.number
        if (
            domain.control.revision != fold.phase
            or before.folded + 1 != number
            or before.cells.get(number) != fold.cell
        ):
            return t.Outrun(domain.view(now))
        if fold.checkpoint == "keep":
            domain.checkpoint = (dict(domain.arms), Counter(domain.counters))
        if fold.checkpoint == "reinstate":
            _reinstate(domain)
        if fold.new_phase:
            domain.control = replace(domain.control, revision=domain.control.revision + 1)
            domain.gate = fold.gate
        else:
            domain.gate = folded(before, fold)
        return t.Folded(domain.view(now))

    def _read(self, read: t.Read, now: int) -> t.Reply:
        whole = (read.tenant, read.workspace)
        domains = {scope.domain: one.view(now) for scope, one in self._domains.items() if scope[:2] == whole}
        return WorkspaceView(dict(sorted(domains.items())), self._accounts.of(*whole))

    def _restore(self, restore: t.Restore, _: int) -> t.Reply:
        for one in restore.domains:
            if self._domains.get(one.scope, _Domain()).version != one.expected_version:
                return t.Conflict()
        for one in restore.domains:
            domain = self._domains.setdefault(one.scope, _Domain())
            domain.arms = arms_from({name: str(value) for name, value in one.arms.items()}, one.recent)
            domain.counters = Counter({name: int(value) for name, value in one.arms.items() if name in COUNTERS})
            domain.delay = average_from(one.recent.get("delay_ms"))
            domain.version += 1
        accounts = accounts_from({name: str(value) for name, value in restore.accounts.items()})
        self._accounts.restore(restore.tenant, restore.workspace, accounts)
        return t.Restored()


def _learn(
    domain: _Domain, name: str, counter: str, micro: int, report: t.Settle | None, now: int, shape: t.Shape
) -> None:
    cost_nano, latency_us = (report.cost_nano, report.latency_us) if report else (None, None)
    learn(domain.arms, name, counter, micro, cost_nano=cost_nano, latency_us=latency_us, now=now, shape=shape)
    domain.version += 1


def _evidence(report: t.Settle | None, decision: _Decision) -> tuple[int, ...]:
    if report is None or decision.phase != report.phase:
        return ()
    return report.exposed if decision.menu.sample.exposed else report.held


def _resolve(domain: _Domain, decision: _Decision, sums: tuple[int, ...], now: int) -> bool:
    """Whether an epoch became due."""
    if decision.phase != domain.control.revision:
        return False
    domain.gate = resolved(domain.gate, decision.epoch, sums)
    return domain.gate.settled_cell(now) is not None


def _reinstate(domain: _Domain) -> bool:
    if domain.checkpoint is None:
        return False
    (arms, counters), domain.checkpoint = domain.checkpoint, (domain.arms, domain.counters)
    domain.arms = reinstated(arms, domain.arms)
    domain.counters = counters
    domain.version += 1
    return True


def _collected_text(report: t.Settle | None) -> str:
    if report is None:
        return ""
    figures = (report.reward_micro, report.reward_sq_nano, report.cost_nano, report.latency_us)
    return " ".join([*("" if figure is None else str(figure) for figure in figures), report.signals_json])
