"""The calls of every request as the bytes that are sent: EVALSHA with keys and arguments, in RESP.

What many calls share is packed once: the beginning with script and keys for each domain, and each menu, since many
decisions are made from one. What is left for a call of its own are a few short arguments.
"""

from __future__ import annotations

from functools import lru_cache

import hiredis

from sidecar.model.names import Scope
from sidecar.store import transitions as t
from sidecar.store.keys import domain_keys
from sidecar.store.lua import script
from sidecar.store.wire import Argument, Call, issue_arguments, menu_arguments, release_arguments, settle_arguments

Hot = t.Issue | t.Settle | t.Release
Part = tuple[int, bytes]

HOT_SCRIPTS: dict[type, str] = {t.Issue: "recommend", t.Settle: "settle", t.Release: "release"}


def packed(prefix: str, transition: Hot) -> bytes:
    """The command that applies a transition."""
    if isinstance(transition, t.Issue):
        menu = transition.menu
        own = issue_arguments(transition)
        many, shared = _menu(menu)
        count, head = _head(prefix, "recommend", menu.scope)
        return _command(count + len(own) + many + len(transition.wanted), head, own, shared, transition.wanted)
    if isinstance(transition, t.Settle):
        own, name = settle_arguments(transition), "settle"
    else:
        own, name = release_arguments(transition), "release"
    count, head = _head(prefix, name, transition.scope)
    return _command(count + len(own), head, own, b"", ())


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


def _command(count: int, head: bytes, own: tuple[Argument, ...], shared: bytes, last: tuple[str, ...]) -> bytes:
    return b"*%d\r\n%b%b%b%b" % (count, head, _bulks(own), shared, _bulks(last) if last else b"")


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
def _menu(menu: t.Menu) -> Part:
    arguments = menu_arguments(menu)
    return len(arguments), _bulks(arguments)
