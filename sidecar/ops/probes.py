"""What one sidecar answers on its management port: health, metrics and the page.

Readiness does not follow the store: when Redis fails over, pods must not all be taken out; how the store is shows in
the body of `/readyz?verbose`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping

from sidecar.api.servicer import Servicer
from sidecar.errors import SidecarError
from sidecar.ops.management import HTML, JSON, Answer, Route, verdict
from sidecar.ops.page import PAGE
from sidecar.telemetry.exposition import CONTENT_TYPE, exposition
from sidecar.telemetry.metrics import Metrics
from sidecar.v1 import learning_pb2 as pb

LOOP_STALL_S = 5.0
_TOKENS_NEEDED = b'{"error": "calls need tokens here: learning-sidecar status --token-file"}'


class Vitals:
    """What probes ask: whether the loop turns, whether the server serves, and how the store is.

    Args:
        loop: the one that answers calls.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start neither ready nor with a store."""
        self.loop = loop
        self.ready = False
        self.store: str | None = None  # not asked yet; empty while it is away
        self.breaker: Callable[[], str] = lambda: "closed"

    def alive(self) -> bool:
        """Whether the loop answers within 5 seconds."""
        turned = threading.Event()
        self.loop.call_soon_threadsafe(turned.set)
        return turned.wait(LOOP_STALL_S)


def sidecar_routes(vitals: Vitals, metrics: Metrics, servicer: Servicer) -> Mapping[str, Route]:
    """The paths of one sidecar.

    Args:
        vitals: for the probes.
        metrics: for `/metrics`.
        servicer: for the page, which shows what the Status call answers. Where calls need tokens there is none, since
            this port asks for no token.
    """
    page: Mapping[str, Route] = {
        "/status.json": lambda asked: _status(vitals, servicer, asked),
        "/": lambda _: ("200 OK", HTML, PAGE.encode()),
    }
    if servicer.asks_for_tokens:
        page = dict.fromkeys(page, lambda _: ("403 Forbidden", JSON, _TOKENS_NEEDED))
    return {
        "/livez": lambda _: verdict(vitals.alive()),
        "/readyz": lambda asked: _readiness(vitals, asked),
        "/startupz": lambda _: verdict(vitals.ready),
        "/metrics": lambda _: ("200 OK", CONTENT_TYPE, exposition(metrics.instruments).encode()),
        **page,
    }


def _readiness(vitals: Vitals, asked: dict[str, str]) -> Answer:
    if "verbose" not in asked:
        return verdict(vitals.ready)
    facts = {"ready": vitals.ready, "store": vitals.store or "away", "store_breaker": vitals.breaker()}
    status = "200 OK" if vitals.ready else "503 Service Unavailable"
    return status, JSON, json.dumps(facts).encode()


def _status(vitals: Vitals, servicer: Servicer, asked: dict[str, str]) -> Answer:
    request = pb.StatusRequest(tenant=asked.get("tenant", ""), workspace=asked.get("workspace", ""))
    answering = asyncio.run_coroutine_threadsafe(servicer.status(request), vitals.loop)
    try:
        message = answering.result(LOOP_STALL_S)
    except (SidecarError, TimeoutError) as error:
        return "503 Service Unavailable", JSON, json.dumps({"error": str(error)}).encode()
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 - 2 MB that only the page needs

    plain = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return "200 OK", JSON, json.dumps(plain).encode()
