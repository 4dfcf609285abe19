"""What a node of a cluster may say instead of an answer, in any order: written here, word for word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hiredis import pack_command
from hypothesis import given
from hypothesis import strategies as st

from sidecar.store.connection import Connection
from sidecar.store.line import Asking, Place, Together, joined
from sidecar.store.refusals import Kind, Refused
from sidecar.store.slots import slot_of

from .dialogue import Command
from .nodes import (
    SLOT,
    call,
    cause,
    everything_on,
    map_known,
    redirect,
    saying,
    together,
)
from .scripted import Chorus

# --- ASK


def only_asked(slot_words: bytes) -> Callable[[list[Command]], None]:
    """See that each of these commands came right after an ASKING of its own."""

    def check(heard: list[Command]) -> None:
        mine = [at for at, command in enumerate(heard) if command[0] == b"ECHO" and slot_words in command[1]]
        assert mine
        for at in mine:
            assert heard[at - 1] == [b"ASKING"]
        assert heard.count([b"ASKING"]) == len(mine)

    return check


async def test_ask_is_followed_with_nothing_in_between(nodes: Any, connections: Any) -> None:
    """However many other calls are under way to the same node, ASKING and its command stand together in one read."""
    source, target = nodes
    source.map = target.map = everything_on(source, target)
    keys = (f"k{at}" for at in range(1000))
    there = next(key for key in keys if (slot_of(key) < 8192) != (SLOT < 8192))
    owner, taking = (source, target) if SLOT < 8192 else (target, source)
    connection = connections(source)
    await map_known(connection)
    owner.says = lambda command: redirect("ASK", taking) if b"mine" in command[-1] else None
    for _ in range(20):
        mine = [call(connection, f"mine {at}") for at in range(10)]
        others = [call(connection, f"other {at}", there) for at in range(30)]
        mixed = [one for three in zip(mine, *[iter(others)] * 3, strict=True) for one in three]
        texts = [f"mine {at // 4}" if at % 4 == 0 else f"other {at - at // 4 - 1}" for at in range(40)]
        assert await asyncio.gather(*mixed) == [text.encode() for text in texts]
    only_asked(b"mine")(taking.heard)
    assert len([read for read in taking.dialogue.reads if [b"ASKING"] in read]) >= 20
    for read in taking.dialogue.reads:
        assert not read or read[-1] != [b"ASKING"]
    assert owner.heard.count([b"ECHO", b"mine 0"]) == 20  # ASK teaches nothing


async def test_ask_of_calls_that_go_together(nodes: Any, connections: Any) -> None:
    """Three calls in one command are asked there in one command, with one ASKING."""
    source, target = nodes
    source.map = everything_on(source)
    connection = connections(source)
    await map_known(connection)
    source.says = saying(redirect("ASK", target))
    assert await together(connection, 7) == [b"%d" % one for one in range(7)]
    texts = [b"0|1|2", b"3|4|5", b"6"]
    assert source.heard == [[b"ECHO", text] for text in texts]
    assert target.heard == [word for text in texts for word in ([b"ASKING"], [b"ECHO", text])]


async def test_ask_to_a_node_that_lacks_the_script(nodes: Any, connections: Any) -> None:
    """It is taught the script, and asked again with ASKING; where it forgets it at once, with the source."""
    source, target = nodes
    source.map = everything_on(source)
    source.says = saying(redirect("ASK", target))
    target.says = lambda command: b"-NOSCRIPT no\r\n" if command[0] == b"ECHO" and len(target.heard) < 6 else None
    connection = connections(source)
    assert await call(connection) == b"x"
    words = [command[0] for command in target.heard]
    assert words == [b"ASKING", b"ECHO", b"SCRIPT", b"ASKING", b"ECHO", b"ASKING", b"ECHO"]
    assert await together(connection, 2) == [b"0", b"1"]


@given(
    kinds=st.lists(st.tuples(st.sampled_from(["alone", "asking", "joint", "joint asking"]), st.integers(0, 3))),
)
def test_asking_stands_before_its_command(kinds: list[tuple[str, int]]) -> None:
    """In whatever order calls begin, each ASKING is followed by a command that was sent by ASK, and no other is."""
    loop = asyncio.new_event_loop()
    choruses = [Chorus() for _ in range(4)]
    places = [
        Place(b"", loop.create_future(), 0.0, choruses[which] if "joint" in kind else None, asking="asking" in kind)
        for kind, which in kinds
    ]
    loop.close()
    asked = joined(places)
    for before, one in zip([None, *asked], asked, strict=False):
        if isinstance(one, Place | Together):
            assert {place.asking for place in one.places} == {isinstance(before, Asking)}
            assert len({id(place.joint) for place in one.places}) == 1
    assert not asked or not isinstance(asked[-1], Asking)
    told = [place for one in asked for place in one.places]
    assert len(told) == len(places)
    assert set(map(id, told)) == set(map(id, places))


# --- MOVED


async def test_moved_teaches_where_the_slot_is(nodes: Any, connections: Any) -> None:
    """The call is sent on, later ones go there directly, and the map is asked for once however many are sent on."""
    source, target = nodes
    source.map = target.map = everything_on(source)
    connection = connections(source)
    await map_known(connection)
    source.map = target.map = everything_on(target)
    source.says, mapped = saying(redirect("MOVED", target)), source.mapped + target.mapped
    assert await asyncio.gather(*(call(connection, str(one)) for one in range(100))) == [b"%d" % n for n in range(100)]
    assert (len(source.heard), len(target.heard)) == (100, 100)
    await map_known(connection)
    assert await call(connection, key="other") == b"x"
    assert await together(connection, 3) == [b"0", b"1", b"2"]
    assert len(source.heard) == 100
    assert source.mapped + target.mapped <= mapped + 3
    assert source.address not in connection._hot._streams  # it holds nothing any more


async def test_calls_that_go_together_are_moved_together(nodes: Any, connections: Any) -> None:
    """Three decisions in one command are one command again where they were sent."""
    source, target = nodes
    source.map = target.map = everything_on(source)
    connection = connections(source)
    await map_known(connection)
    source.says = saying(redirect("MOVED", target))
    assert await together(connection, 4) == [b"0", b"1", b"2", b"3"]
    assert target.heard == [[b"ECHO", b"0|1|2"], [b"ECHO", b"3"]]


async def test_nodes_that_name_each_other(nodes: Any, connections: Any) -> None:
    """They end in an error at the deadline, and not in a storm."""
    one, other = nodes
    one.says, other.says = saying(redirect("MOVED", other)), saying(redirect("MOVED", one))
    connection, loop = connections(one), asyncio.get_running_loop()
    assert isinstance(await cause(connection, until=loop.time() + 1.0), TimeoutError | Refused)
    assert 5 < len(one.heard) + len(other.heard) < 60


@pytest.mark.parametrize("nonsense", [b"-MOVED\r\n", b"-MOVED x y\r\n", b"-ASK 99999 a:1\r\n", b"-MOVED 1 a:b\r\n"])
async def test_nonsense_leads_nowhere(nodes: Any, connections: Any, nonsense: bytes) -> None:
    """A redirection that says nothing is a refusal."""
    source, _ = nodes
    source.says = saying(nonsense)
    assert isinstance(await cause(connections(source)), Refused)


async def test_moved_without_a_host(nodes: Any, connections: Any) -> None:
    """It is the host that was asked."""
    source, target = nodes
    source.says = saying(f"-MOVED {SLOT} :{target.address.port}\r\n".encode())
    assert await call(connections(source)) == b"x"
    assert target.heard == [[b"ECHO", b"x"]]


async def test_plain_server_does_not_follow(nodes: Any) -> None:
    """Who gave the URL of one server is not sent elsewhere."""
    source, target = nodes
    source.says = saying(redirect("MOVED", target))
    connection = Connection(f"redis://{source.dialogue.place}", timeout_s=30.0)
    error = await cause(connection)
    assert isinstance(error, Refused)
    assert error.kind is Kind.MOVED
    assert not target.heard
    await connection.close()


# --- TRYAGAIN and CLUSTERDOWN


@pytest.mark.parametrize("word", [b"TRYAGAIN", b"CLUSTERDOWN"])
async def test_waits_a_little(nodes: Any, connections: Any, word: bytes) -> None:
    """While keys are on their way, or nodes agree, the call waits and is asked again; also those that go together."""
    source, _ = nodes
    source.map = everything_on(source)
    source.says = saying(*[b"-%b wait\r\n" % word] * 3, None)
    connection = connections(source)
    assert await call(connection) == b"x"
    assert len(source.heard) == 4
    source.says = saying(b"-%b wait\r\n" % word, None)
    assert await together(connection, 3) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("word", [b"TRYAGAIN", b"CLUSTERDOWN"])
async def test_waits_no_longer_than_the_deadline(nodes: Any, connections: Any, word: bytes) -> None:
    """A call without a deadline of its own waits for as long as any answer may take."""
    source, _ = nodes
    source.map = everything_on(source)
    source.says = saying(b"-%b wait\r\n" % word)
    connection, loop = connections(source, timeout_s=0.5), asyncio.get_running_loop()
    for options in ({}, {"until": loop.time() + 0.7}):
        started = loop.time()
        assert isinstance(await cause(connection, **options), TimeoutError | Refused)
        assert loop.time() - started < 20
    assert 4 < len(source.heard) < 100


async def test_try_again_after_ask_begins_at_the_source(nodes: Any, connections: Any) -> None:
    """The node that takes over has only some of the keys yet: by the next time the source may have sent the others."""
    source, target = nodes
    source.map = everything_on(source)
    source.says = saying(redirect("ASK", target))
    target.says = saying(b"-TRYAGAIN some\r\n", b"-TRYAGAIN some\r\n", None)
    assert await call(connections(source)) == b"x"
    assert [len(source.heard), target.heard.count([b"ASKING"]), len(target.heard)] == [3, 3, 6]


def test_pack_is_what_a_server_reads() -> None:
    """ASKING as it is sent."""
    assert Asking.command == pack_command(("ASKING",))
