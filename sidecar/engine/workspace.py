"""Snapshot, restore and status of a whole workspace, as flows (see `flows`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from sidecar.engine.flow import Flow
from sidecar.engine.gating import fold
from sidecar.engine.learner import Learner
from sidecar.engine.snapshot import (
    DomainState,
    Snapshot,
    account_fields,
    differences,
    selected,
    snapshot_of,
    view_of,
)
from sidecar.errors import InvalidInput, RestoreConflict, StoreMisbehaved
from sidecar.model.names import Scope
from sidecar.model.view import DomainView, WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.fields import fields_of

_RESTORE_ATTEMPTS = 5
_SWEEP_MOST = 32  # so that no script takes longer than a millisecond

LearnerOf = Callable[[str], Learner]
Learning = Callable[[str], bool]


class RestoreAction(StrEnum):
    """What a restore did, or in a dry run would do, with one domain."""

    RESTORED = "restored"
    UNCHANGED = "unchanged"
    IGNORED_UNKNOWN_DOMAIN = "ignored_unknown_domain"
    SKIPPED_POLICY_MISMATCH = "skipped_policy_mismatch"


@dataclass(frozen=True, slots=True)
class DomainRestore:
    """What was done with one domain, why, and each figure that changes."""

    domain: str
    action: RestoreAction
    message: str
    differences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """How to restore.

    `policies` selects domains by their own or their policy's name (empty: all); `dry_run` changes nothing;
    `reseed` leaves generators as they are; `create_unknown` also restores domains that nobody knows.
    """

    policies: frozenset[str] = frozenset()
    dry_run: bool = False
    reseed: bool = False
    create_unknown: bool = False


def read(tenant: str, workspace: str, learner_of: LearnerOf, learning: Learning) -> Flow[WorkspaceView]:
    """Read a workspace at one instant, after closing what is overdue; its learners know the same afterwards.

    A domain that is not `learning` is left as it is.

    Raises:
        StoreMisbehaved: the reply is not one to this transition.
    """
    view = yield from _read(tenant, workspace, learner_of)
    for domain in filter(learning, view.domains):
        yield from expire(learner_of(domain))
    return (yield from _read(tenant, workspace, learner_of))


def expire(learner: Learner) -> Flow[int]:
    """Close every decision of a domain that is overdue, and fold what epochs are complete.

    Returns how many decisions were closed or forgotten.
    """
    swept = 0
    for _ in count():
        reply = yield t.Expire(learner.scope, _SWEEP_MOST, learner.shape)
        if not isinstance(reply, t.Swept):
            raise StoreMisbehaved("expire", reply)
        swept += reply.count
        if reply.view is not None:
            learner.refresh(reply.view)
            yield from fold(learner)
        if reply.count < _SWEEP_MOST:
            break
    return swept


def take_snapshot(
    tenant: str,
    workspace: str,
    learner_of: LearnerOf,
    learning: Learning,
    configured: Collection[str],
    policies: Collection[str],
    now_ms: int,
) -> Flow[Snapshot]:
    """Take a snapshot of the domains whose own or whose policy's name is in `policies`; of all if empty.

    Configured domains without a decision yet are in it too: their generator is worth keeping.

    Raises:
        StoreMisbehaved: the reply is not one to this transition.
    """
    view = yield from read(tenant, workspace, learner_of, learning)
    known = sorted({*view.domains, *configured})
    whole = snapshot_of(
        tenant,
        workspace,
        WorkspaceView({domain: view.domains.get(domain, DomainView()) for domain in known}, view.accounts),
        {domain: learner_of(domain).policy.state_dict() for domain in known},
        now_ms,
    )
    return whole if not policies else _narrowed(whole, policies)


def restore(
    tenant: str,
    workspace: str,
    learner_of: LearnerOf,
    configured: Collection[str],
    snapshot: Snapshot,
    options: RestoreOptions,
) -> Flow[list[DomainRestore]]:
    """Put a validated snapshot into a workspace, entirely or not at all.

    Raises:
        InvalidInput: a policy in it has parameters that cannot be.
        RestoreConflict: the workspace kept changing.
        StoreMisbehaved: the reply is not one to this transition.
    """
    chosen = selected(snapshot, options.policies)
    for _ in range(_RESTORE_ATTEMPTS):
        view = yield from _read(tenant, workspace, learner_of)
        known = {*configured, *view.domains} if not options.create_unknown else set(chosen)
        report = [_judged(name, state, view, known, learner_of) for name, state in chosen.items()]
        changed = {one.domain: chosen[one.domain] for one in report if one.action is RestoreAction.RESTORED}
        if options.dry_run:
            return report
        money = account_fields(snapshot, view.accounts) if not options.policies else {}
        if changed or money:
            writes = tuple(_restoration(Scope(tenant, workspace, d), s, view) for d, s in changed.items())
            if isinstance((yield t.Restore(tenant, workspace, writes, money)), t.Conflict):
                continue
        _load_generators(report, chosen, learner_of, reseed=options.reseed)
        yield from _read(tenant, workspace, learner_of)
        return report
    raise RestoreConflict(_RESTORE_ATTEMPTS)


def _judged(
    name: str, state: DomainState, view: WorkspaceView, known: Collection[str], learner_of: LearnerOf
) -> DomainRestore:
    if name not in known:
        return DomainRestore(name, RestoreAction.IGNORED_UNKNOWN_DOMAIN, "neither configured nor in the store")
    policy, saved = learner_of(name).policy, state.policy
    if (saved.name, saved.version) != (policy.name, policy.version):
        message = f"the snapshot is of {saved.name} version {saved.version}, in use is {policy.name} {policy.version}"
        return DomainRestore(name, RestoreAction.SKIPPED_POLICY_MISMATCH, message)
    try:
        type(policy)().load_state(_state_dict(state))
    except InvalidInput as error:
        raise InvalidInput(f"document.domains.{name}.{error.field}", error.value, error.allowed) from error
    changes = differences(view.domains.get(name, DomainView()), view_of(state))
    action = RestoreAction.RESTORED if changes else RestoreAction.UNCHANGED
    kept = "" if saved.parameters == policy.parameters() else "; the declared parameters of the policy stay in force"
    return DomainRestore(name, action, f"{len(changes)} figures differ{kept}", tuple(changes))


def _restoration(scope: Scope, state: DomainState, view: WorkspaceView) -> t.Restoration:
    arms, recent = fields_of(view_of(state))
    version = view.domains.get(scope.domain, DomainView()).version
    return t.Restoration(scope, version, arms, recent)


def _load_generators(
    report: Collection[DomainRestore], chosen: Mapping[str, DomainState], learner_of: LearnerOf, *, reseed: bool
) -> None:
    for one in report:
        if one.action in (RestoreAction.RESTORED, RestoreAction.UNCHANGED) and not reseed:
            policy = learner_of(one.domain).policy
            policy.load_state({**_state_dict(chosen[one.domain]), "parameters": policy.parameters()})


def _state_dict(state: DomainState) -> dict[str, object]:
    saved = state.policy
    plain: dict[str, object] = {"name": saved.name, "version": saved.version, "parameters": saved.parameters}
    return plain | ({"rng": saved.rng} if saved.rng else {})


def _narrowed(snapshot: Snapshot, policies: Collection[str]) -> Snapshot:
    return Snapshot(
        snapshot.format, snapshot.version, snapshot.tenant, snapshot.workspace, snapshot.created_at_unix_ms,
        selected(snapshot, policies), {},
    )  # fmt: skip


def _read(tenant: str, workspace: str, learner_of: LearnerOf) -> Flow[WorkspaceView]:
    view = yield t.Read(tenant, workspace)
    if not isinstance(view, WorkspaceView):
        raise StoreMisbehaved("read", view)
    for domain, one in view.domains.items():
        learner_of(domain).refresh(one)
    return view
