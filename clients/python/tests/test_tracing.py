"""The app's trace goes with each call, and OpenTelemetry never gets in the way."""

from __future__ import annotations

import logging
import sys
from types import ModuleType

import pytest
from learning_client import AsyncLearningClient, LearningClient, _tracing
from learning_client._tracing import with_trace
from opentelemetry import baggage, context, trace
from opentelemetry.propagate import get_global_textmap, set_global_textmap
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from .conftest import PATIENT_MS
from .drivers import Unchecked
from .scripted import ScriptedSidecar

SPAN = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=True, trace_flags=TraceFlags(1))
TRACEPARENT = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


async def test_the_trace_goes_with_a_call(sidecar: ScriptedSidecar) -> None:
    """As W3C trace context and baggage, which is OpenTelemetry's default; from both clients."""
    token = context.attach(baggage.set_baggage("tier", "gold", trace.set_span_in_context(NonRecordingSpan(SPAN))))
    try:
        with LearningClient(sidecar.address, timeout_ms=PATIENT_MS) as blocking:
            blocking.recommend("route", ["small", "large"])
        sent = set(sidecar.metadata)
        async with AsyncLearningClient(sidecar.address, timeout_ms=PATIENT_MS) as awaiting:
            await awaiting.recommend("route", ["small", "large"])
    finally:
        context.detach(token)

    assert {TRACEPARENT, ("baggage", "tier=gold")} <= sent
    assert {TRACEPARENT, ("baggage", "tier=gold")} <= set(sidecar.metadata)
    assert len(sidecar.recommends) == 2


def test_without_a_trace_nothing_is_added() -> None:
    """The app's own metadata is sent as it is."""
    assert with_trace((("x-team", "search"),)) == (("x-team", "search"),)


class _Shouting(TextMapPropagator):
    """Writes keys as HTTP/1 does."""

    def extract(self, *_: Unchecked, **__: Unchecked) -> context.Context:
        """Read nothing."""
        return context.Context()

    def inject(self, carrier: Unchecked, *_: Unchecked, **__: Unchecked) -> None:
        """Write one key."""
        carrier["X-B3-TraceId"] = "1"

    @property
    def fields(self) -> set[str]:
        """Name it."""
        return {"X-B3-TraceId"}


def test_the_apps_propagator_decides() -> None:
    """Its keys are put in lower case, because gRPC refuses others."""
    before = get_global_textmap()
    set_global_textmap(_Shouting())
    try:
        sent = with_trace(())
    finally:
        set_global_textmap(before)

    assert sent == (("x-b3-traceid", "1"),)


def test_without_opentelemetry_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional."""
    monkeypatch.setitem(sys.modules, "opentelemetry.propagate", None)
    monkeypatch.setattr(_tracing, "_inject", _tracing._injector())

    assert with_trace((("x-team", "search"),)) == (("x-team", "search"),)


def test_a_broken_opentelemetry_is_told_and_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown name in OTEL_PROPAGATORS makes its import fail, which must not make the app's fail."""

    class Broken(ModuleType):
        def __getattr__(self, name: str) -> None:
            raise ValueError(f"propagator nonsense not found, wanted for {name}")

    monkeypatch.setitem(sys.modules, "opentelemetry.propagate", Broken("opentelemetry.propagate"))
    with caplog.at_level(logging.WARNING, logger="learning_client"):
        found = _tracing._injector()

    assert found is None
    assert "traces are not passed on" in caplog.text
