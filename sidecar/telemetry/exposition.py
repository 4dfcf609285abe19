r"""Instruments as Prometheus reads them: its text format, version 0.0.4.

Written here because the library for it brings 2 MB, and 7 MB more of OpenSSL, into every pod that is scraped; the tests
read what is written with the library's own parser. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from sidecar.telemetry.instruments import Durations, Gauge, Gauges, Instrument, States, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def exposition(instruments: Iterable[Instrument]) -> str:
    r"""All of these instruments as text.

    >>> spins = Tally("spins", "Turns of the wheel", "colour")
    >>> spins.add("red", count=2)
    >>> print(exposition([spins]), end="")
    # HELP spins_total Turns of the wheel
    # TYPE spins_total counter
    spins_total{colour="red"} 2
    """
    return "".join(f"{line}\n" for one in instruments for line in _lines(one))


def merged(expositions: Mapping[str, str], label: str) -> str:
    r"""Several expositions as one, each sample with a label that says whose it is.

    >>> up = Gauge("up", "Whether it is up")
    >>> print(merged({"a": exposition([up]), "b": exposition([up])}, "worker"), end="")
    # HELP up Whether it is up
    # TYPE up gauge
    up{worker="a"} 0.0
    up{worker="b"} 0.0
    """
    families: dict[str, list[str]] = {}
    for owner, text in expositions.items():
        head, samples = "", []
        for line in text.split("\n")[:-1]:
            if line.startswith("# HELP"):
                head = line
            elif line.startswith("# TYPE"):
                samples = families.setdefault(f"{head}\n{line}", [])
            else:
                samples.append(_labelled(line, f'{label}="{owner}"'))
    return "".join(f"{line}\n" for head, samples in families.items() for line in (head, *samples))


def _labelled(sample: str, label: str) -> str:
    name, brace, rest = sample.partition("{")
    if brace:
        return f"{name}{{{label},{rest}"
    name, _, value = sample.partition(" ")
    return f"{name}{{{label}}} {value}"


def _lines(instrument: Instrument) -> Iterator[str]:
    match instrument:
        case Tally():
            name, kind = f"{instrument.name}_total", "counter"
            counts = instrument.counts.copy().items()
            samples = [
                _sample(name, count, dict(zip(instrument.labels, labels, strict=True))) for labels, count in counts
            ]
        case Gauge():
            name, kind = instrument.name, "gauge"
            samples = [_sample(name, instrument.read(), {})]
        case Gauges():
            name, kind = instrument.name, "gauge"
            samples = [_sample(name, value, {instrument.label: of}) for of, value in instrument.read().items()]
        case States():
            name, kind, now = instrument.name, "gauge", instrument.read()
            samples = [_sample(name, state == now, {"state": state}) for state in instrument.states]
        case Durations():
            name, kind = instrument.name, "histogram"
            samples = list(_histogram(instrument))
    yield f"# HELP {name} {instrument.description}"
    yield f"# TYPE {name} {kind}"
    yield from samples


def _histogram(durations: Durations) -> Iterator[str]:
    name, counts = durations.name, durations.counts.copy()
    bounds = [*map(str, durations.bounds), "+Inf"]
    for bound, count in zip(bounds, accumulate(counts), strict=True):
        yield _sample(f"{name}_bucket", count, {"le": bound})
    yield _sample(f"{name}_count", sum(counts), {})
    yield _sample(f"{name}_sum", durations.total, {})


def _sample(name: str, value: float, labels: Mapping[str, str]) -> str:
    told = ",".join(f'{label}="{text.translate(_ESCAPED)}"' for label, text in labels.items())
    return f"{name}{{{told}}} {value + 0}" if told else f"{name} {value + 0}"
