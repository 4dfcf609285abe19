"""What is sent for the calls of every request is what `call_for` says, whatever their names hold."""

from __future__ import annotations

from typing import Any

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sidecar.model.names import Scope
from sidecar.store import transitions as t
from sidecar.store.keys import domain_keys
from sidecar.store.lua import script, script_names
from sidecar.store.packing import Hot, alike, load, own, packed, packed_call, scope_of, with_source
from sidecar.store.wire import Call, call_for

# Any text that UTF-8 can hold, and often what means something in RESP or in keys.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "\r\n", "$3\r\nabc\r\n", "*1\r\n", "EVALSHA", "{}", "a/b%c:d", "é😀", "\0", "0"]
)
INTEGERS = st.integers(-(2**63), 2**63)
OPTIONAL = st.none() | INTEGERS
SCOPES = st.builds(Scope, TEXTS, TEXTS, TEXTS)
SHAPES = st.builds(t.Shape, INTEGERS, INTEGERS, INTEGERS)
LEVELS = st.builds(t.Level, OPTIONAL, TEXTS, OPTIONAL)
SAMPLES = st.builds(t.Sample, st.booleans(), INTEGERS, INTEGERS, INTEGERS)
OFFERS = st.builds(t.Offer, OPTIONAL, TEXTS, INTEGERS, TEXTS, st.booleans(), st.booleans(), st.booleans())
MENUS = st.builds(
    t.Menu, SCOPES, INTEGERS, OPTIONAL, SHAPES, LEVELS, LEVELS, TEXTS, st.booleans(), SAMPLES,
    st.lists(OFFERS, max_size=4).map(tuple), st.booleans(),
)  # fmt: skip
ISSUES = st.builds(
    t.Issue, MENUS, TEXTS, INTEGERS, INTEGERS, st.sampled_from(["any", "refresh", "exact"]),
    st.sampled_from(["nothing", "kept", "all"]),
    st.lists(TEXTS, max_size=4).map(tuple),
)  # fmt: skip
SUMS = st.lists(INTEGERS, max_size=4).map(tuple)
SETTLES = st.builds(
    t.Settle, SCOPES, TEXTS, st.booleans(), TEXTS, OPTIONAL, OPTIONAL, OPTIONAL, OPTIONAL, TEXTS, SHAPES, INTEGERS,
    SUMS, SUMS,
)  # fmt: skip
HOT = ISSUES | SETTLES | st.builds(t.Release, SCOPES, TEXTS, SHAPES)


def unpacked(command: bytes) -> list[bytes]:
    """Read a command as a server would; nothing may follow it."""
    reader = hiredis.Reader()
    reader.feed(command)
    words: Any = reader.gets()
    assert isinstance(words, list), "it is not whole"
    assert not reader.has_data(), "something follows"
    return words


def expected(call: Call, *first: str) -> list[bytes]:
    """Write out a call."""
    return [str(word).encode() for word in (*first, len(call.keys), *call.keys, *call.arguments)]


def sent(prefix: str, transition: Hot) -> bytes:
    """Pack a transition that goes alone."""
    if isinstance(transition, t.Issue):
        return alike(prefix, transition).command([own(transition)])
    return packed(prefix, transition)


@given(prefix=TEXTS, transition=HOT)
def test_packed_is_what_the_call_says(prefix: str, transition: Hot) -> None:
    """Script, number of keys, keys and arguments are those of the call, in order, and so they are a second time."""
    call, command = call_for(prefix, transition), sent(prefix, transition)
    assert unpacked(command) == expected(call, "EVALSHA", script(call.script).sha)
    assert sent(prefix, transition) == command
    assert scope_of(transition) == (transition.menu.scope if isinstance(transition, t.Issue) else transition.scope)


@given(prefix=TEXTS, transition=HOT)
def test_source_replaces_the_name_only(prefix: str, transition: Hot) -> None:
    """With the source in place of its digest all else is as it was, though a name may look like a command."""
    call = call_for(prefix, transition)
    whole = unpacked(with_source(sent(prefix, transition), call.script))
    assert whole == expected(call, "EVAL", script(call.script).source)


@given(menu=MENUS, other=SCOPES, prefix=TEXTS, wanted=st.lists(st.lists(TEXTS, max_size=3), min_size=2, max_size=4))
def test_what_is_kept_is_kept_apart(menu: t.Menu, other: Scope, prefix: str, wanted: list[list[str]]) -> None:
    """Decisions from one menu share what they may, and nothing of other menus, domains or scripts slips in."""
    for number, arms in enumerate(wanted):
        decision = f"d{number}"
        for one in (
            t.Issue(menu, decision, number, -number, "any", "kept" if number % 2 else "nothing", tuple(arms)),
            t.Release(menu.scope, decision, menu.shape),
            t.Release(other, decision, menu.shape),
        ):
            call = call_for(prefix, one)
            assert unpacked(sent(prefix, one)) == expected(call, "EVALSHA", script(call.script).sha)


@given(prefix=TEXTS, first=ISSUES, ids=st.lists(TEXTS, min_size=1, max_size=40))
def test_decisions_alike_go_together(prefix: str, first: t.Issue, ids: list[str]) -> None:
    """What several decisions have alike is sent once, then how many there are, and each id."""
    several = [structs.replace(first, decision_id=one) for one in ids]
    joint = alike(prefix, first)
    assert all(alike(prefix, one) is joint for one in several)
    words = unpacked(joint.command([own(one) for one in several]))
    alone = expected(call_for(prefix, first), "EVALSHA", script("recommend").sha)
    last = len(alone) - len(first.wanted) - 2
    named = [str(word).encode() for word in (len(ids), *ids, *first.wanted)]
    assert words == [*alone[:last], *named]


@given(prefix=TEXTS, one=ISSUES, other=ISSUES)
def test_what_differs_is_kept_apart(prefix: str, one: t.Issue, other: t.Issue) -> None:
    """Decisions from other menus, or made on other knowledge, never go together."""
    for differing in (
        other,
        structs.replace(one, known_version=one.known_version + 1),
        structs.replace(one, known_revision=one.known_revision + 1),
        structs.replace(one, freshness="exact" if one.freshness == "any" else "any"),
        structs.replace(one, recalls="all" if one.recalls == "kept" else "kept"),
        structs.replace(one, wanted=(*one.wanted, "another")),
    ):
        assert alike(prefix, one) is not alike(prefix, differing)


@given(keys=st.lists(TEXTS, max_size=4), arguments=st.lists(TEXTS | INTEGERS, max_size=4))
@pytest.mark.parametrize("name", script_names())
def test_every_other_call(name: str, keys: list[str], arguments: list[str | int]) -> None:
    """Any other call is packed, known by digest or with its source, word by word."""
    call, one = Call(name, keys, arguments), script(name)
    assert unpacked(packed_call(call)) == expected(call, "EVALSHA", one.sha)
    assert unpacked(with_source(packed_call(call), name)) == expected(call, "EVAL", one.source)
    assert unpacked(load(name)) == [b"SCRIPT", b"LOAD", one.source.encode()]


def test_keys_are_those_of_the_domain() -> None:
    """The words after the number of keys are the domain's keys."""
    scope = Scope("t", "w", "d")
    words = unpacked(packed("p", t.Release(scope, "id", t.Shape())))
    count = int(words[2])
    assert [word.decode() for word in words[3 : 3 + count]] == list(domain_keys("p", scope))
