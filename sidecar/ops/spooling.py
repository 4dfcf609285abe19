"""The spool as the settings want it, and what metrics show of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sidecar.clock import Clock
from sidecar.settings.service import ServiceSettings
from sidecar.spool.claims import store_name
from sidecar.spool.spool import Limits, Spool
from sidecar.store.embedded import default_data_dir
from sidecar.telemetry.metrics import Metrics

OFF = "off"


def spool_of(settings: ServiceSettings, environment: Mapping[str, str], url: str, clock: Clock) -> Spool | None:
    """The spool for the store at `url`; None where it is switched off. Nothing is made on disk yet."""
    if settings.spool_dir == OFF:
        return None
    data_dir = Path(settings.data_dir) if settings.data_dir else default_data_dir(dict(environment))
    base = Path(settings.spool_dir) if settings.spool_dir else data_dir / "spool"
    limits = Limits(settings.spool_bytes_max, keep_s=settings.spool_keep_s)
    return Spool(base, store_name(url, settings.key_prefix), limits, clock)


def show(spool: Spool, metrics: Metrics) -> None:
    """Let metrics read from the spool."""
    metrics.spool_records.read = lambda: {"waiting": spool.waiting, "kept": spool.kept}
    metrics.spool_bytes.read = lambda: spool.size
    metrics.spool_damaged.read = lambda: spool.damaged
