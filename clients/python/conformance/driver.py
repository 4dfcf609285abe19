"""Reads orders from standard input, acts them out with the client, and tells what it saw.

python -m conformance.driver             # with LearningClient
python -m conformance.driver --asyncio   # with AsyncLearningClient
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from conformance import awaiting, blocking
from conformance.orders import Orders, Unsupported


def answered(runner: asyncio.Runner, orders: Orders, order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order; what the client calls a mistake of the program is an answer, too."""
    number = order.pop("id")
    try:
        return {"id": number, "ok": runner.run(orders.perform(order))}
    except Unsupported as unknown:
        return {"id": number, "unsupported": str(unknown)}
    except (TypeError, ValueError, OSError) as mistake:
        return {"id": number, "mistake": f"{type(mistake).__name__}: {mistake}"}


def serve(orders: Orders, runner: asyncio.Runner) -> None:
    """Answer orders until the input ends."""
    with runner:
        for line in sys.stdin:
            answer = answered(runner, orders, json.loads(line))
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    serve(Orders(awaiting if "--asyncio" in sys.argv[1:] else blocking), asyncio.Runner())
