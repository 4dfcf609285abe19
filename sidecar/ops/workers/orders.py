"""What a parent tells a worker, as one line of JSON on its standard input: arguments could be read by everybody."""

from __future__ import annotations

import msgspec

from sidecar.settings.service import ServiceSettings


class Orders(msgspec.Struct, frozen=True):
    """Which worker it is, and how it runs."""

    number: int
    settings: ServiceSettings


def line_of(orders: Orders) -> bytes:
    """The orders as a line.

    >>> orders_from(line_of(Orders(1, ServiceSettings()))).number
    1
    """
    return msgspec.json.encode(orders) + b"\n"


def orders_from(line: bytes) -> Orders:
    """The orders in a line."""
    return msgspec.json.decode(line, type=Orders)
