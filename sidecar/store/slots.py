"""The slots of a cluster: which one a key lies in, and which node holds which."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from sidecar.settings.redis_url import Address

SLOTS = 16_384


class Range(NamedTuple):
    """Slots from `first` to `last`, both of them too, lie on one primary."""

    first: int
    last: int
    primary: Address


class Redirection(NamedTuple):
    """Where a refusal with MOVED or ASK says that a slot is."""

    slot: int
    address: Address


@lru_cache(maxsize=65_536)
def slot_of(key: str) -> int:
    """The slot of a key, 0 to 16383: of what stands in its first braces, if anything does, or else of all of it.

    >>> slot_of("foo"), slot_of("{foo}:1"), slot_of("{}foo") == slot_of("foo")
    (12182, 12182, False)
    """
    raw = key.encode()
    _, opened, after = raw.partition(b"{")
    tag, closed, _ = after.partition(b"}")
    return crc_hqx(tag if opened and closed and tag else raw, 0) % SLOTS


def redirection(message: str, asked: Address) -> Redirection:
    """Take a refusal apart; without a host it means the one that was asked.

    >>> redirection("MOVED 3999 :6381", Address("10.0.0.1", 6379))
    Redirection(slot=3999, address=Address(host='10.0.0.1', port=6381))

    Raises:
        ValueError: it is none.
    """
    _, slot, place = message.split(" ")[:3]
    host, _, port = place.rpartition(":")
    if not 0 <= int(slot) < SLOTS:
        raise ValueError(message)
    return Redirection(int(slot), Address(host.strip("[]") or asked.host, int(port)))


def ranges(answer: Any, asked: Address) -> list[Range]:  # noqa: ANN401 - whatever the server answers
    """What `CLUSTER SLOTS` answers.

    Raises:
        ValueError: it is not understood.
    """
    try:
        return list(_ranges(answer, asked))
    except (AttributeError, IndexError, TypeError) as error:
        raise ValueError(answer) from error


def _ranges(answer: Any, asked: Address) -> Iterator[Range]:  # noqa: ANN401 - as above
    for first, last, primary, *_ in answer:
        if not 0 <= first <= last < SLOTS:
            raise ValueError(answer)
        yield Range(first, last, Address(_host(primary) or asked.host, int(primary[1])))


def _host(node: Any) -> str:  # noqa: ANN401 - as above
    """Empty where the node does not say: then it is where it was asked. `?` is a host's name that was not set."""
    if node[0] == b"?":
        facts = [one.decode() for one in node[3]]
        return str(dict(zip(facts[::2], facts[1::2], strict=True)).get("ip", ""))
    return str(node[0].decode()) if node[0] else ""
