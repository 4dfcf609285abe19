"""`learning-sidecar plan`."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from sidecar.gate.planning import Forecast, Scene, forecast
from sidecar.settings.domain import GateSettings
from sidecar.settings.file import converted, read_configuration

_OVERRIDES = ("share", "holdback", "alpha", "canary_loss_max", "live_loss_max")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86_400}


def add_parser(commands: Any) -> None:  # noqa: ANN401 - argparse keeps the type to itself
    """Add the command."""
    one = commands.add_parser(
        "plan",
        help="say how long promotion takes and what it can cost at worst",
        description="Say, before anything is switched on, how many decisions a policy with a given gain needs to be "
        "promoted from canary to live, how long that takes, and what learning can cost at worst. Medians: half of all "
        "canaries take longer.",
        epilog="Example: learning-sidecar plan --gain 0.05 --noise 0.25 --share 0.1 --traffic 5/s",
    )
    one.add_argument("--gain", type=_number(-1, 1), required=True, help="how much higher the mean reward is, -1 to 1")
    one.add_argument(
        "--noise", type=_number(0, 0.5), required=True,
        help="standard deviation of a reward, 0 to 0.5: judged scores have 0.1 to 0.3, yes-or-no up to 0.5",
    )  # fmt: skip
    one.add_argument("--traffic", type=_traffic, required=True, metavar="N/UNIT", help="decisions per s, min, h or day")
    one.add_argument("--mean", type=_number(0, 1), default=0.7, help="the baseline's mean reward (default %(default)s)")
    one.add_argument(
        "--disagreement", type=_number(0.0001, 1), default=1.0, metavar="RATE",
        help="in which share of the decisions the policy proposes another arm than the baseline (default: all)",
    )  # fmt: skip
    one.add_argument("--config", type=Path, metavar="FILE", help="take the gate's settings from this file")
    one.add_argument("--domain", default="route", help="of this domain (default %(default)s)")
    for name in _OVERRIDES:
        default = getattr(GateSettings(), name)
        one.add_argument(
            f"--{name.replace('_', '-')}", type=float, metavar="X", help=f"gate.{name} (default {default})"
        )
    one.add_argument("--json", action="store_true", help="print one JSON object")
    one.set_defaults(run=run)


async def run(asked: argparse.Namespace) -> int:
    """Work it out, and show it."""
    settings = read_configuration(asked.config).domain(asked.domain).gate
    over = {name: value for name in _OVERRIDES if (value := getattr(asked, name)) is not None}
    settings = converted({**msgspec.to_builtins(settings), **over}, GateSettings, path="gate")
    scene = Scene(asked.gain, asked.noise, asked.mean)
    found = forecast(scene, settings)
    shadow_s = settings.shadow_decisions / asked.traffic
    canary_s = None
    if found.canary_decisions is not None:
        canary_s = found.canary_decisions / (asked.traffic * asked.disagreement)
    if asked.json:
        spans = {"shadow_seconds": shadow_s, "canary_seconds": canary_s}
        print(json.dumps({**asdict(scene), **msgspec.to_builtins(settings), **asdict(found), **spans}))
    else:
        _show(found, settings, shadow_s, canary_s)
    return 0


def _show(found: Forecast, settings: GateSettings, shadow_s: float, canary_s: float | None) -> None:
    console = Console()
    parts = (
        _shadow(settings, shadow_s),
        _canary(found, settings, canary_s),
        _live(found, settings),
        _worst(found, settings),
    )
    for name, lines in zip(("shadow", "canary", "live", "at worst"), parts, strict=True):
        for at, line in enumerate(lines):
            console.print(f"{'' if at else name:10} {line}", markup=False, highlight=False, soft_wrap=True)


def _shadow(settings: GateSettings, shadow_s: float) -> list[str]:
    return [f"{_span(shadow_s)}, {settings.shadow_decisions:,} decisions: the baseline's mean becomes known"]


def _canary(found: Forecast, settings: GateSettings, canary_s: float | None) -> list[str]:
    if settings.canary_loss_max < found.least_canary_allowance:
        return [_shut("canary", settings.canary_loss_max, found.least_canary_allowance)]
    if found.live_allowance is None:
        return [f"no promotion, but with a probability of at most {settings.alpha:g} over all attempts for ever"]
    if canary_s is None:
        return ["too little gain for this noise: the gate shuts first, as allowances halve with each attempt"]
    return [
        f"about {_span(canary_s)}: {found.canary_decisions:,} decisions in which policy and baseline differ,",
        f"of which {found.exposures:,} execute the policy's arm; it is attempt {found.attempt} that is promoted",
    ]


def _live(found: Forecast, settings: GateSettings) -> list[str]:
    if settings.live_loss_max < found.least_live_allowance:
        return [_shut("live", settings.live_loss_max, found.least_live_allowance)]
    if found.live_allowance is None:
        return ["rolled back if it should ever come to it"]
    lines = [f"needs an allowance of about {found.live_allowance:,.0f} rewards to stay, with this gain and noise"]
    if found.live_allowance > settings.live_loss_max:
        lines.append(
            f"but has {settings.live_loss_max:g}: raise gate.live_loss_max or gate.holdback, or expect rollbacks"
        )
    return lines


def _worst(found: Forecast, settings: GateSettings) -> list[str]:
    return [
        f"canary {settings.canary_loss_max:g} rewards and live {settings.live_loss_max:g}, then half as much each:",
        f"{found.lifetime_loss_max:g} in all, for ever, with a probability of {1 - 2 * settings.alpha:g}",
    ]


def _shut(stage: str, has: float, least: float) -> str:
    return f"cannot begin: gate.{stage}_loss_max is {has:g}, and one exposure needs {least:.3g}"


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def _number(low: float, high: float) -> Any:  # noqa: ANN401 - what argparse takes for a type
    def parsed(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return parsed


def _traffic(text: str) -> float:
    """Decisions per second."""
    amount, _, unit = text.partition("/")
    try:
        value = float(amount) / _SECONDS[unit]
    except (ValueError, KeyError):
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not such as 5/s, 20/min, 300/h or 10000/day")
    return value
