"""The Python driver with one fault, named by the argument: what the suite must find."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from conformance import blocking, driver
from conformance.orders import Orders, Unsupported

Answer = dict[str, Any]


class Broken(Orders):
    """Carries out orders, and tells what `fault` makes of it."""

    def __init__(self, fault: str) -> None:
        """Take the fault's name."""
        super().__init__(blocking)
        self._fault = FAULTS[fault]

    async def perform(self, order: dict[str, Any]) -> Any:
        """Carry out one, wrongly."""
        asked = dict(order)
        return self._fault(asked, await super().perform(order))


def none(order: Answer, found: Answer) -> Answer:
    """No fault: shows that the others are found for what they are."""
    del order
    return found


def last_on_fallback(order: Answer, found: Answer) -> Answer:
    """Falls back to the last candidate instead of the first."""
    return found | {"arm": order["candidates"][-1]} if found.get("source") == "fallback" else found


def acts_when_refused(order: Answer, found: Answer) -> Answer:
    """Acts although no arm is affordable."""
    del order
    return found | {"acted": True} if found.get("refused") else found


def swallows(order: Answer, found: Answer) -> Answer:
    """Keeps the app's own failure to itself."""
    del order
    return found | {"raised": False} if "raised" in found else found


def unsupported(order: Answer, found: Answer) -> Answer:
    """Does not know what a block is."""
    del found
    if order["op"] == "decide":
        raise Unsupported("decide")
    return {}


def ends(order: Answer, found: Answer) -> Answer:
    """Ends without an answer to the first block."""
    if order["op"] == "decide":
        raise SystemExit(3)
    return found


FAULTS: dict[str, Callable[[Answer, Answer], Answer]] = {
    one.__name__: one for one in (none, last_on_fallback, acts_when_refused, swallows, unsupported, ends)
}


class Liar(Broken):
    """Says that every reward was applied, and sends none."""

    def __init__(self) -> None:
        """Need no other fault."""
        super().__init__("none")

    async def perform(self, order: dict[str, Any]) -> Any:
        """Carry out one, but for rewards."""
        if order["op"] == "decide":
            order.pop("act", None)
            found = await super().perform(order | {"on_error": "ignore", "act": {"raise": "error"}})
            return found | {"raised": False, "report": {"outcome": "applied", "reward": 1.0}}
        return await super().perform(order)


if __name__ == "__main__":
    told = sys.argv[1]
    driver.serve(Liar() if told == "liar" else Broken(told), asyncio.Runner())
