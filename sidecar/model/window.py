"""Budget windows of the calendar in UTC, named as the store names them."""

from __future__ import annotations

from datetime import UTC, datetime

_MS = {"hour": 3_600_000, "day": 86_400_000}


def window_id(kind: str, now_ms: int) -> str:
    """The window that `now_ms` lies in: `hour/<hours since 1970>`, `day/<days>`, `month/<12 year + month>` or `total`.

    >>> window_id("day", 86_400_000), window_id("month", 0), window_id("total", 0)
    ('day/1', 'month/23641', 'total')
    """
    if kind in _MS:
        return f"{kind}/{now_ms // _MS[kind]}"
    if kind == "month":
        moment = datetime.fromtimestamp(now_ms / 1000, UTC)
        return f"month/{moment.year * 12 + moment.month}"
    return "total"
