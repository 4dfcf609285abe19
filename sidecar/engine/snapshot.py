"""The snapshot document: what a workspace has learned, as JSON. docs/snapshots.md describes it.

Prior and data are kept apart: `policy.parameters` holds what was declared, `arms` what was observed, in exact
integers. A document is validated as a whole before anything is done with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from sidecar.errors import InvalidInput
from sidecar.model.arm import Arm, SlidingAverage
from sidecar.model.names import valid_name
from sidecar.model.units import MICRO
from sidecar.model.view import Account, DomainView, WorkspaceView
from sidecar.settings.file import converted
from sidecar.store.fields import COUNTERS

FORMAT: Literal["learning-sidecar/snapshot"] = "learning-sidecar/snapshot"
VERSION: Literal[1] = 1

_FIGURE_MAX = 2**62  # half of what the store can hold, so that no restored sum can run over
Natural = Annotated[int, Meta(ge=0, le=_FIGURE_MAX)]


class AverageState(Struct, frozen=True, forbid_unknown_fields=True):
    """A sliding average: mean, last values (oldest first), and when the last one came."""

    mean: Natural = 0
    recent: Annotated[tuple[Natural, ...], Meta(max_length=256)] = ()
    at_unix_ms: Natural = 0


class ArmState(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One arm's data; money in nano-dollars, rewards in micro-units, their squares in nano-units."""

    pulls: Natural = 0
    proposed: Natural = 0
    count: Natural = 0
    defaulted: Natural = 0
    reward_micro: Natural = 0
    reward_sq_nano: Natural = 0
    cost_nano: Natural = 0
    cost_nano_recent: AverageState = AverageState()
    latency_us_recent: AverageState = AverageState()


class PolicyState(Struct, frozen=True, omit_defaults=True):
    """A policy's `state_dict`."""

    name: str
    version: int
    parameters: dict[str, float] = field(default_factory=dict)
    rng: dict[str, Any] = field(default_factory=dict)


class DomainState(Struct, frozen=True, forbid_unknown_fields=True):
    """One domain: how it learns, what it counted, and its arms by name."""

    policy: PolicyState
    counters: dict[str, Natural] = field(default_factory=dict)
    arms: dict[str, ArmState] = field(default_factory=dict)


class AccountState(Struct, frozen=True, forbid_unknown_fields=True):
    """One budget level in its window, in nano-dollars; reservations are not kept."""

    window: Annotated[str, Meta(pattern=r"^(total|(hour|day|month)/[0-9]{1,12})$")]
    spent_nano: Natural = 0
    overrun_nano: Natural = 0
    decisions: Natural = 0


class Snapshot(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document."""

    format: Literal["learning-sidecar/snapshot"]
    version: Literal[1]
    tenant: str
    workspace: str
    created_at_unix_ms: Natural = 0
    domains: dict[str, DomainState] = field(default_factory=dict)
    accounts: dict[str, AccountState] = field(default_factory=dict)


class _Named(Struct, frozen=True):
    """The part of a document that says whose it is."""

    tenant: str
    workspace: str


_NO_JSON = (msgspec.DecodeError, UnicodeError, RecursionError)
_WHOLE = "a complete JSON document as written by a snapshot"


def snapshot_of(
    tenant: str,
    workspace: str,
    view: WorkspaceView,
    policies: Mapping[str, Mapping[str, Any]],
    now_ms: int,
) -> Snapshot:
    """The snapshot of a workspace.

    Args:
        tenant: whose.
        workspace: which deployment's.
        view: read at one instant.
        policies: `state_dict` by domain; domains without one are left out.
        now_ms: when, in ms since the Unix epoch.
    """
    return Snapshot(
        format=FORMAT,
        version=VERSION,
        tenant=tenant,
        workspace=workspace,
        created_at_unix_ms=now_ms,
        domains={
            name: DomainState(
                policy=msgspec.convert(policies[name], PolicyState),
                counters={counter: count for counter, count in domain.counters.items() if count},
                arms={arm.name: _arm_state(arm) for arm in sorted(domain.arms.values(), key=lambda arm: arm.name)},
            )
            for name, domain in sorted(view.domains.items())
            if name in policies
        },
        accounts={level: _account_state(account) for level, account in view.accounts.items()},
    )


def to_json(snapshot: Snapshot) -> str:
    """The document as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(snapshot), indent=2).decode()


def from_json(text: str) -> Snapshot:
    """A validated document.

    Raises:
        InvalidInput: it is not JSON, of another format or version, or holds a value that cannot be.
    """
    try:
        raw = msgspec.json.decode(text)
    except _NO_JSON as error:
        raise InvalidInput("document_json", str(error), _WHOLE) from error
    try:
        snapshot = converted(raw, Snapshot, path="document")
    except InvalidInput as error:
        raise InvalidInput(error.field, error.value, error.allowed) from error
    valid_name("document.tenant", snapshot.tenant)
    valid_name("document.workspace", snapshot.workspace)
    for name, domain in snapshot.domains.items():
        _check_domain(f"document.domains.{name}", name, domain)
    for level in snapshot.accounts:
        _check_level(level)
    return snapshot


def workspace_of(text: str) -> tuple[str, str]:
    """The tenant and the workspace that a document is of, read without looking at the rest.

    Raises:
        InvalidInput: it is not JSON, or says neither.
    """
    try:
        named = msgspec.json.decode(text, type=_Named)
    except _NO_JSON as error:
        raise InvalidInput("document_json", str(error), _WHOLE) from error
    return named.tenant, named.workspace


def selected(snapshot: Snapshot, names: Collection[str]) -> dict[str, DomainState]:
    """The domains whose own name or whose policy's name is among `names`; all if there are none."""
    return {
        domain: state
        for domain, state in snapshot.domains.items()
        if not names or domain in names or state.policy.name in names
    }


def view_of(state: DomainState) -> DomainView:
    """A domain's statistics as a view."""
    return DomainView(arms={name: _arm(name, one) for name, one in state.arms.items()}, counters=dict(state.counters))


def differences(before: DomainView, after: DomainView) -> list[str]:
    """Each figure that differs, readable: `arm gpt-5 count: 10 -> 25`."""
    lines = []
    for counter in COUNTERS:
        old, new = before.counters.get(counter, 0), after.counters.get(counter, 0)
        if old != new:
            lines.append(f"{counter}: {old} -> {new}")
    for name in sorted({*before.arms, *after.arms}):
        old_state, new_state = _arm_state(before.arm(name)), _arm_state(after.arm(name))
        for figure in ArmState.__struct_fields__:
            old, new = getattr(old_state, figure), getattr(new_state, figure)
            if old != new:
                lines.append(f"arm {name} {figure}: {_short(old)} -> {_short(new)}")
    return lines


def account_fields(snapshot: Snapshot, current: Mapping[str, Account]) -> dict[str, str | int]:
    """Fields that raise accounts to what the snapshot knows was spent; money spent never becomes unspent."""
    fields: dict[str, str | int] = {}
    for level, state in snapshot.accounts.items():
        now = current.get(level, Account(window=""))
        if now.window in ("", state.window) and state.spent_nano > now.spent_nano:
            fields |= {
                f"window:{level}": state.window,
                f"spent_nano:{level}": state.spent_nano,
                f"overrun_nano:{level}": max(state.overrun_nano, now.overrun_nano),
                f"decisions:{level}": max(state.decisions, now.decisions),
            }
    return fields


def _check_level(level: str) -> None:
    """An account becomes a field of the workspace's key under its own name."""
    at = f"document.accounts.{level}"
    if level != "workspace":
        of, _, domain = level.partition("/")
        if of != "domain":
            raise InvalidInput(at, level, "workspace, or domain/NAME")
        valid_name(at, domain)


def _check_domain(path: str, name: str, domain: DomainState) -> None:
    valid_name(path, name)
    for counter in domain.counters:
        if counter not in COUNTERS:
            raise InvalidInput(f"{path}.counters", counter, f"one of {', '.join(COUNTERS)}")
    for arm, state in domain.arms.items():
        at = f"{path}.arms.{arm}"
        valid_name(at, arm)
        observations = state.count + state.defaulted
        if state.reward_micro > observations * MICRO:
            raise InvalidInput(f"{at}.reward_micro", state.reward_micro, f"at most {observations * MICRO}")
        # Each square is rounded by at most half a nano-unit, and mean of squares >= square of mean.
        least = (state.reward_micro**2 // (observations * 1000) - observations) if observations else 0
        if not least <= state.reward_sq_nano <= observations * MICRO * 1000:
            allowed = f"from {max(0, least)} to {observations * MICRO * 1000}, given count and reward_micro"
            raise InvalidInput(f"{at}.reward_sq_nano", state.reward_sq_nano, allowed)


def _arm_state(arm: Arm) -> ArmState:
    return ArmState(
        arm.pulls, arm.proposed, arm.count, arm.defaulted, arm.reward_micro, arm.reward_sq_nano, arm.cost_nano,
        AverageState(arm.cost.mean, arm.cost.recent, arm.cost.at_ms),
        AverageState(arm.latency.mean, arm.latency.recent, arm.latency.at_ms),
    )  # fmt: skip


def _arm(name: str, state: ArmState) -> Arm:
    cost, latency = state.cost_nano_recent, state.latency_us_recent
    return Arm(
        name, state.pulls, state.proposed, state.count, state.defaulted, state.reward_micro, state.reward_sq_nano,
        state.cost_nano,
        SlidingAverage(cost.mean, cost.recent, cost.at_unix_ms),
        SlidingAverage(latency.mean, latency.recent, latency.at_unix_ms),
    )  # fmt: skip


def _account_state(account: Account) -> AccountState:
    return AccountState(account.window, account.spent_nano, account.overrun_nano, account.decisions)


def _short(value: object) -> str:
    return f"{value.mean} over {len(value.recent)}" if isinstance(value, AverageState) else str(value)
