"""Transitions as scripts' keys and arguments, and scripts' answers as replies: each in one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from sidecar.errors import StoreMisbehaved
from sidecar.model.view import DomainView, WorkspaceView
from sidecar.store import transitions as t
from sidecar.store.codes import Code
from sidecar.store.fields import accounts_from, average_from, domains_from, view_from
from sidecar.store.gate_fields import gate_fields, packed_cell, row
from sidecar.store.keys import domain_keys, workspace_key

Argument = str | int


class Call(NamedTuple):
    """One script with what it is run on."""

    script: str
    keys: Sequence[str]
    arguments: Sequence[Argument]


def call_for(prefix: str, transition: t.Transition) -> Call:
    """The script call that applies a transition (Read has its own, since it needs the domains' names)."""
    if isinstance(transition, t.Restore):
        whole = workspace_key(prefix, transition.tenant, transition.workspace)
        keys = chain.from_iterable(domain_keys(prefix, one.scope) for one in transition.domains)
        return Call("restore", [whole, *keys], _restore(transition))
    if isinstance(transition, t.Read):
        raise TypeError("a workspace is read by read_call")
    if isinstance(transition, t.Issue):
        known = (*menu_arguments(transition.menu), *known_arguments(transition))
        arguments = (*known, 1, transition.decision_id, *transition.wanted)
        return Call("recommend", domain_keys(prefix, transition.menu.scope), arguments)
    script, arguments_of = _OF_ONE_DOMAIN[type(transition)]
    return Call(script, domain_keys(prefix, transition.scope), arguments_of(transition))


def read_call(workspace_key: str, keys_of: Callable[[str], Sequence[str]], domains: Sequence[str]) -> Call:
    """The call that reads a workspace with these domains."""
    keys = [workspace_key, *chain.from_iterable(keys_of(name) for name in domains)]
    return Call("snapshot", keys, tuple(domains))


def optional(value: int | None) -> str | int:
    """The argument for what may not be there."""
    return "" if value is None else value


def _shape(shape: t.Shape) -> tuple[int, int, int]:
    return (shape.ewma_length, shape.recent_length, shape.remember_ms)


def _level(level: t.Level) -> tuple[str | int, str, str | int]:
    return (optional(level.limit_nano), level.window, optional(level.pace_nano))


def known_arguments(issue: t.Issue) -> tuple[Argument, ...]:
    """What the caller knows. It follows the menu; then come how many decisions are asked for, their ids, and arms."""
    return (issue.known_version, issue.known_revision, issue.freshness, issue.recalls)


def menu_arguments(menu: t.Menu) -> tuple[Argument, ...]:
    """What every decision from this menu says alike."""
    offers = chain.from_iterable(
        (
            optional(offer.threshold_nano), "limit" if offer.unpaced else "pace",
            offer.arm, offer.ceiling_nano, offer.answer, _gate_word(offer),
        )
        for offer in menu.offers
    )  # fmt: skip
    sample = menu.sample
    return (
        menu.scope.domain, menu.reward_deadline_ms, optional(menu.default_reward_micro), *_shape(menu.shape),
        *_level(menu.domain_level), *_level(menu.workspace_level), menu.proposal, int(menu.agrees),
        int(sample.exposed), sample.share_ppm, sample.epoch_decisions, sample.epoch_ms,
        len(menu.offers), int(menu.complete), *offers,
    )  # fmt: skip


def _gate_word(offer: t.Offer) -> str:
    return "sample" if offer.sampled else "room" if offer.needs_room else ""


def settle_arguments(settle: t.Settle) -> tuple[Argument, ...]:
    """One report."""
    return (
        settle.scope.domain, settle.decision_id, int(settle.final), settle.collected,
        optional(settle.reward_micro), optional(settle.reward_sq_nano),
        optional(settle.cost_nano), optional(settle.latency_us),
        settle.signals_json, *_shape(settle.shape), settle.phase, row(settle.held), row(settle.exposed),
    )  # fmt: skip


def _set_mode(change: t.SetMode) -> tuple[Argument, ...]:
    fields = chain.from_iterable(gate_fields(change.gate).items())
    return (
        change.scope.domain, change.known_revision, change.mode, change.reason, change.settings_json,
        int(change.reinstate), *fields,
    )  # fmt: skip


def _fold(fold: t.Fold) -> tuple[Argument, ...]:
    fields = chain.from_iterable(gate_fields(fold.gate).items())
    return (
        fold.scope.domain, fold.phase, fold.cell.number, packed_cell(fold.cell), fold.released_ppm,
        int(fold.new_phase), fold.checkpoint, *fields,
    )  # fmt: skip


def release_arguments(release: t.Release) -> tuple[Argument, ...]:
    """One release."""
    return (release.scope.domain, release.decision_id, *_shape(release.shape), release.ending)


def _expire(expire: t.Expire) -> tuple[Argument, ...]:
    return (expire.scope.domain, expire.most, *_shape(expire.shape))


_OF_ONE_DOMAIN: dict[type, tuple[str, Callable[[Any], tuple[Argument, ...]]]] = {
    t.Settle: ("settle", settle_arguments),
    t.Release: ("release", release_arguments),
    t.Expire: ("expire", _expire),
    t.SetMode: ("set_mode", _set_mode),
    t.Fold: ("fold", _fold),
}


def _counted(pairs: Mapping[str, str | int]) -> list[str | int]:
    return [len(pairs), *chain.from_iterable(pairs.items())]


def _restore(restore: t.Restore) -> list[str | int]:
    arguments: list[str | int] = [len(restore.domains), *_counted(restore.accounts)]
    for one in restore.domains:
        arguments += [one.scope.domain, one.expected_version, *_counted(one.arms), *_counted(one.recent)]
    return arguments


def issue_replies(answer: Any) -> list[t.Reply]:  # noqa: ANN401 - whatever the server sent
    """The typed replies in an answer of `recommend`, one for each id.

    Raises:
        StoreMisbehaved: it is not one that this version knows.
    """
    try:
        version, deadline, view, outcomes = answer
        latest = int(version), int(deadline), _optional_view(view)
        return [_issue_reply(outcome, *latest) for outcome in outcomes]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise StoreMisbehaved("recommend", answer) from error


def _issue_reply(outcome: Any, version: int, deadline: int, view: DomainView | None) -> t.Reply:  # noqa: ANN401 - as above
    if isinstance(outcome, int):
        return t.Issued(outcome - 1, deadline, version, view)
    code = Code(outcome[0])
    if code is Code.STALE and view is not None:
        return t.Stale(view)
    return _UNISSUED[code](outcome)


def reply_from(script: str, answer: Any) -> t.Reply:  # noqa: ANN401 - whatever the server sent
    """The typed reply in a script's answer.

    Raises:
        StoreMisbehaved: it is not one that this version knows.
    """
    try:
        return _REPLIES[Code(answer[0])](answer)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise StoreMisbehaved(script, answer) from error


def changed_domains(answer: Any) -> list[str] | None:  # noqa: ANN401 - whatever the server sent
    """The domains that a workspace has, when `snapshot` was asked for others; None when it was not."""
    return domains_from(pairs(answer[1])) if answer[0] == Code.CHANGED else None


def workspace_from(answer: Any, domains: Sequence[str]) -> WorkspaceView:  # noqa: ANN401 - whatever the server sent
    """The workspace in an answer READ of `snapshot`."""
    views = {name: _view(raw) for name, raw in zip(domains, answer[3], strict=True)}
    return WorkspaceView(views, accounts_from(pairs(answer[2])))


def pairs(flat: Sequence[bytes]) -> dict[str, str]:
    """A hash from the flat list in which HGETALL arrives inside a script."""
    texts = [item.decode() for item in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _view(raw: Sequence[Any]) -> DomainView:
    figures, recent, gate, now_ms, still_open, whole = raw
    return view_from(
        pairs(figures), pairs(recent), pairs(gate), now_ms=int(now_ms), still_open=int(still_open), whole=bool(whole)
    )


def _optional_view(raw: Sequence[Any] | None) -> DomainView | None:
    return _view(raw) if raw else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


_UNISSUED: dict[Code, Callable[[Any], t.Reply]] = {
    Code.REPLAYED: lambda o: t.Replayed(o[1].decode(), int(o[2])),
    Code.REFUSED: lambda _: t.Refused(),
    Code.SHORT: lambda _: t.Short(),
}

_REPLIES: dict[Code, Callable[[Any], t.Reply]] = {
    Code.STALE: lambda a: t.Stale(_view(a[1])),
    Code.APPLIED: lambda a: t.Applied(
        a[1].decode(), int(a[2]), int(a[3]), average_from(_text(a[4])), average_from(_text(a[5])), _optional_view(a[6])
    ),
    Code.COLLECTED: lambda a: t.Collected(a[1].decode()),
    Code.MERGE: lambda a: t.Merge(a[1].decode()),
    Code.DUPLICATE: lambda _: t.Duplicate(),
    Code.LATE: lambda _: t.Late(),
    Code.UNKNOWN: lambda _: t.Unknown(),
    Code.RELEASED: lambda _: t.Released(),
    Code.CLOSED: lambda _: t.Closed(),
    Code.SWEPT: lambda a: t.Swept(a[1], _optional_view(a[2])),
    Code.MODE_SET: lambda a: t.ModeSet(a[1], a[2].decode(), bool(a[3])),
    Code.FOLDED: lambda a: t.Folded(_view(a[1])),
    Code.OUTRUN: lambda a: t.Outrun(_view(a[1])),
    Code.RESTORED: lambda _: t.Restored(),
    Code.CONFLICT: lambda _: t.Conflict(),
}
