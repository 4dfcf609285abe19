"""The calls of every request as the bytes that are sent: EVALSHA with keys and arguments, in RESP.

What calls share is packed once: the beginning with script and keys for each domain, each menu, and what decisions asked
for at the same time have alike, so that one call can make them all. What a decision has for its own is its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import hiredis

from sidecar.model.names import Scope
from sidecar.store import transitions as t
from sidecar.store.keys import domain_keys
from sidecar.store.lua import script
from sidecar.store.wire import (
    Argument,
    Call,
    issue_replies,
    known_arguments,
    menu_arguments,
    release_arguments,
    settle_arguments,
)

Hot = t.Issue | t.Settle | t.Release
Part = tuple[int, bytes]

# A script runs for as long as it has offers to look at; it shall not hold others up for a millisecond.
_DECISIONS_MOST, _OFFERS_MOST = 32, 128


class Alike:
    """Decisions that one call makes: they share a menu, and what is known where they are asked for."""

    def __init__(self, prefix: str, issue: t.Issue) -> None:
        """Pack what is alike."""
        keys, head = _head(prefix, "recommend", issue.menu.scope)
        many, menu = _menu(issue.menu)
        known = known_arguments(issue)
        self._count = keys + many + len(known) + 1 + len(issue.wanted)
        self._alike = (head, menu, _bulks(known))
        self._wanted = _bulks(issue.wanted) if issue.wanted else b""
        self.most = max(1, min(_DECISIONS_MOST, _OFFERS_MOST // max(1, len(issue.menu.offers))))

    def command(self, owns: Sequence[bytes]) -> bytes:
        """The call for decisions with these ids, each packed."""
        count = len(owns)
        return b"".join((b"*%d\r\n" % (self._count + count), *self._alike, _bulk(str(count)), *owns, self._wanted))

    def replies(self, answer: Any) -> Sequence[t.Reply]:  # noqa: ANN401 - whatever the script answers
        """What became of each."""
        return issue_replies(answer)


def alike(prefix: str, issue: t.Issue) -> Alike:
    """What a decision has alike with others; the same object for those that may go together."""
    return _alike(
        prefix, issue.menu, issue.known_version, issue.known_revision, issue.freshness, issue.recalls, issue.wanted
    )


def own(issue: t.Issue) -> bytes:
    """What a decision has for its own."""
    return _bulk(issue.decision_id)


def packed(prefix: str, transition: t.Settle | t.Release) -> bytes:
    """The command that applies a transition."""
    if isinstance(transition, t.Settle):
        arguments, name = settle_arguments(transition), "settle"
    else:
        arguments, name = release_arguments(transition), "release"
    count, head = _head(prefix, name, transition.scope)
    return b"*%d\r\n%b%b" % (count + len(arguments), head, _bulks(arguments))


def packed_call(call: Call) -> bytes:
    """Any other call."""
    return _packed(("EVALSHA", script(call.script).sha, len(call.keys), *call.keys, *call.arguments))


def scope_of(transition: Hot) -> Scope:
    """The domain that a transition is of."""
    return transition.menu.scope if isinstance(transition, t.Issue) else transition.scope


def with_source(command: bytes, name: str) -> bytes:
    """The same call with the script itself, for a server that does not know it."""
    one = script(name)
    return command.replace(_bulks(("EVALSHA", one.sha)), _bulks(("EVAL", one.source)), 1)


def load(name: str) -> bytes:
    """The command that makes a script known."""
    return _packed(("SCRIPT", "LOAD", script(name).source))


def _bulk(text: str) -> bytes:
    raw = text.encode()
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


def _bulks(arguments: tuple[Argument, ...]) -> bytes:
    """Arguments without the line before them that says how many they are."""
    return _packed(arguments).partition(b"\n")[2]


def _packed(arguments: tuple[Argument, ...]) -> bytes:
    command: bytes = hiredis.pack_command(arguments)  # type: ignore[arg-type]  # its stub knows tuples of one only
    return command


@lru_cache(maxsize=65_536)
def _head(prefix: str, name: str, scope: Scope) -> Part:
    keys = domain_keys(prefix, scope)
    return 3 + len(keys), _bulks(("EVALSHA", script(name).sha, len(keys), *keys))


@lru_cache(maxsize=512)
def _alike(prefix: str, menu: t.Menu, version: int, revision: int, *known: Any) -> Alike:  # noqa: ANN401 - as an Issue has
    freshness, recalls, wanted = known
    return Alike(prefix, t.Issue(menu, "", version, revision, freshness, recalls, wanted))


@lru_cache(maxsize=512)
def _menu(menu: t.Menu) -> Part:
    arguments = menu_arguments(menu)
    return len(arguments), _bulks(arguments)
