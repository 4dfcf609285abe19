"""Which arrangements of servers the bench can break."""

from __future__ import annotations

from importlib.util import find_spec

SINGLE = "single"


class NotAvailable(Exception):
    """This arrangement of servers cannot be started here."""


def check_available(topology: str) -> None:
    """Raise NotAvailable unless such servers can be started."""
    if topology == SINGLE:
        return
    if find_spec("tests.store.topologies") is None:
        raise NotAvailable(f"--topology {topology}: tests/store/topologies.py, which starts such servers, is not there")
    raise NotAvailable(f"--topology {topology}: the proxies of this bench stand before one server only")
