"""Slots are where Redis has them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis.crc import key_slot

from sidecar.settings.redis_url import Address
from sidecar.store.slots import Range, Redirection, ranges, redirection, slot_of

ASKED = Address("10.0.0.1", 6379)
NODE = [b"10.0.0.2", 6380, b"id"]


@given(key=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("{}"), max_size=30))
@example("{a}b{c}")
@example("{}a")
@example("a{b")
@example("a}{b}")
@example("{{a}}")
@example("")
def test_slot_is_that_of_redis(key: str) -> None:
    """For any key, with braces wherever they may stand."""
    assert slot_of(key) == key_slot(key.encode())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("MOVED 1 10.0.0.2:6380", Redirection(1, Address("10.0.0.2", 6380))),
        ("ASK 16383 node.example:6380", Redirection(16383, Address("node.example", 6380))),
        ("ASK 0 :6380", Redirection(0, Address("10.0.0.1", 6380))),
        ("MOVED 7 ::1:6380", Redirection(7, Address("::1", 6380))),
        ("MOVED 7 [::1]:6380", Redirection(7, Address("::1", 6380))),
    ],
)
def test_redirections(message: str, expected: Redirection) -> None:
    """Of names and numbers, and of no host at all."""
    assert redirection(message, ASKED) == expected


@pytest.mark.parametrize("message", ["MOVED", "MOVED 1", "MOVED 1 a", "MOVED x a:1", "ASK 16384 a:1", "ASK -1 a:1"])
def test_other_redirections_are_refused(message: str) -> None:
    """What leads nowhere is no redirection."""
    with pytest.raises(ValueError, match=r"."):
        redirection(message, ASKED)


@pytest.mark.parametrize(
    ("node", "host"),
    [
        (NODE, "10.0.0.2"),
        ([b"", 6380, b"id"], "10.0.0.1"),
        ([None, 6380, b"id", []], "10.0.0.1"),
        ([b"?", 6380, b"id", [b"ip", b"10.0.0.3"]], "10.0.0.3"),
        ([b"?", 6380, b"id", []], "10.0.0.1"),
        ([b"node.example", 6380, b"id", [b"ip", b"10.0.0.3"]], "node.example"),
    ],
)
def test_hosts_in_the_map(node: list[object], host: str) -> None:
    """A node is where it says, or else where it was asked; replicas do not matter."""
    assert ranges([[0, 5, node, NODE], [7, 7, node]], ASKED) == [
        Range(0, 5, Address(host, 6380)), Range(7, 7, Address(host, 6380)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "answer", [None, 1, b"x", [1], [[0]], [[0, 1]], [[0, 1, []]], [[0, 16384, NODE]], [[2, 1, NODE]], [["a", 1, NODE]]]
)
def test_other_maps_are_refused(answer: object) -> None:
    """What is no map is a ValueError, whatever it is."""
    with pytest.raises(ValueError, match=r"."):
        ranges(answer, ASKED)
