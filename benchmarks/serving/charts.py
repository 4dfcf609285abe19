"""Charts as plain SVG, legible on light and on dark pages: their colours follow the reader's preference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from serving.tables import number

_WIDTH, _LABELS, _VALUES, _ROW, _TOP = 760, 190, 90, 26, 44
_PANEL_W, _PANEL_H, _PLOT_W, _PLOT_H = 253, 190, 180, 112
_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2933; }
.title { font-weight: 600; font-size: 15px; } .small { font-size: 11px; fill: #616e7c; }
.ours { fill: #1c6dd0; } .other { fill: #a3b1c2; } .range { stroke: #1f2933; stroke-opacity: .55; stroke-width: 1.5; }
.axis { stroke: #cbd2d9; } .line { fill: none; stroke-width: 2; }
.a { stroke: #1c6dd0; fill: #1c6dd0; } .b { stroke: #d9730d; fill: #d9730d; } .line.a, .line.b { fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e7eb; } .small { fill: #9aa5b1; } .ours { fill: #62a0f5; } .other { fill: #5d6b7c; }
  .range { stroke: #e4e7eb; } .axis { stroke: #3e4c59; }
  .a { stroke: #62a0f5; fill: #62a0f5; } .b { stroke: #f5a04c; fill: #f5a04c; } .line.a, .line.b { fill: none; }
}
"""


class Bar(NamedTuple):
    """One bar with its range over rounds."""

    label: str
    value: float
    low: float
    high: float
    ours: bool


class Panel(NamedTuple):
    """One small chart: lines of points (x, y) by name, x on a logarithmic axis."""

    title: str
    unit: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def bars(title: str, subtitle: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars from 0; a thin line across the end of each is its range."""
    most = max((row.high for row in rows), default=1.0) or 1.0
    scale = (_WIDTH - _LABELS - _VALUES) / most
    parts = [f'<text class="title" x="0" y="18">{escape(title)}</text>', _small(0, 35, subtitle)]
    for at, row in enumerate(rows):
        y = _TOP + at * _ROW
        kind, width = "ours" if row.ours else "other", max(1.0, row.value * scale)
        parts += [
            f'<text x="{_LABELS - 8}" y="{y + 16}" text-anchor="end">{escape(row.label)}</text>',
            f'<rect class="{kind}" x="{_LABELS}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 8}" rx="2"/>',
            _line("range", _LABELS + row.low * scale, y + 12, _LABELS + row.high * scale, y + 12),
            f'<text x="{_LABELS + row.high * scale + 8:.1f}" y="{y + 16}">{number(row.value)}</text>',
        ]
    return _document(_WIDTH, _TOP + len(rows) * _ROW + 6, title, parts)


def panels(title: str, charts: Sequence[Panel]) -> str:
    """Small line charts, three a row, each with its own scale from 0."""
    names = list(dict.fromkeys(name for chart in charts for name in chart.lines))
    parts = [f'<text class="title" x="0" y="18">{escape(title)}</text>']
    for k, name in enumerate(names):
        x = _WIDTH - 90 * (len(names) - k)
        parts += [f'<circle class="{"ab"[k % 2]}" cx="{x}" cy="14" r="4"/>', _small(x + 9, 18, name)]
    for at, chart in enumerate(charts):
        left, top = at % 3 * _PANEL_W, 32 + at // 3 * _PANEL_H
        parts += [f'<g transform="translate({left},{top})">', *_panel(chart, names), "</g>"]
    return _document(_WIDTH, 32 + math.ceil(len(charts) / 3) * _PANEL_H, title, parts)


def _panel(chart: Panel, names: Sequence[str]) -> list[str]:
    points = [point for line in chart.lines.values() for point in line]
    if not points:
        return []
    most = max(y for _, y in points) * 1.15 or 1.0
    logs = [math.log10(max(1.0, x)) for x, _ in points]
    low, span = min(logs), max(1e-9, max(logs) - min(logs))

    def place(x: float, y: float) -> tuple[float, float]:
        return 40 + (math.log10(max(1.0, x)) - low) / span * _PLOT_W, 32 + _PLOT_H * (1 - y / most)

    parts = [f'<text x="0" y="16">{escape(chart.title)}</text>', _small(0, 29, chart.unit)]
    for share in (0.0, 0.5, 1.0):
        y = 32 + _PLOT_H * (1 - share / 1.15)
        parts += [_line("axis", 40, y, 40 + _PLOT_W, y), _small(36, y + 4, number(most * share / 1.15), "end")]
    for x in sorted({x for x, _ in points}):
        parts.append(_small(place(x, 0)[0], 32 + _PLOT_H + 15, _short(x), "middle"))
    for name, line in chart.lines.items():
        kind, placed = "ab"[names.index(name) % 2], [place(x, y) for x, y in line]
        parts.append(f'<polyline class="line {kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in placed)}"/>')
        parts += [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in placed]
    return parts


def _short(value: float) -> str:
    """A size in few letters.

    >>> _short(256), _short(1000), _short(1_000_000)
    ('256', '1k', '1M')
    """
    for unit, name in ((1_000_000, "M"), (1000, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _small(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="small" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _document(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
    )
    return "\n".join(
        [f'{opening}role="img" aria-label="{escape(title)}">', f"<style>{_STYLE}</style>", *parts, "</svg>", ""]
    )
