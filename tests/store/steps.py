"""Steps for two stores that must agree: random transitions, of which most meet the traces of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from sidecar.model.gate import GateEvent, GateState, Terms
from sidecar.model.mode import STAGES, Mode
from sidecar.model.names import Scope
from sidecar.model.units import reward_sq_nano
from sidecar.store import transitions as t

from .conftest import HOUR_MS, Transitions

# Few names and mostly agreeable values, so that most steps meet the traces of others.
REMEMBER_MS = st.sampled_from([90 * 24 * HOUR_MS] * 3 + [1, 1000])
SHAPES = st.builds(t.Shape, st.integers(1, 5), st.integers(1, 4), REMEMBER_MS)
MONEY = st.integers(0, 30)
MICROS = st.integers(0, 1_000_000)
LATENCIES = st.none() | st.integers(0, 30)
ENDINGS = st.sampled_from(["", "", '"a"]', "x"])
KINDS = st.sampled_from(["total", "hour", "day", "month"])
LEVELS = st.builds(t.Level, st.none() | st.integers(0, 90), KINDS, st.none() | st.integers(0, 30))
IDS = st.sampled_from(["d1", "d2", "d3"])
ARMS = st.sampled_from(["a", "a", "b", "c: d", "é"])
SCOPES = st.builds(Transitions("w").scope, st.sampled_from(["route", "route", "prompt"]))
OFFERS = st.builds(
    t.Offer,
    st.none() | MONEY,
    ARMS,
    MONEY,
    st.sampled_from(["", "{}", "ä"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)

# What the gate sums up is opaque to a store: any rows of one width will do, if they cancel and grow.
WIDTH = 3
SUMS = st.integers(-3, 3) | st.integers(-(10**13), 10**13)
ROWS = st.tuples(*[SUMS] * WIDTH)
SHARES = st.sampled_from([0, 100_000, 500_000, 900_000])
SAMPLES = st.builds(
    t.Sample, st.booleans(), st.just(0), st.sampled_from([1, 1, 2, 3]), st.sampled_from([1, 1000, HOUR_MS])
)
NAMES = st.sampled_from(["", "x", "ü\t1"])
NUMBERS = st.integers(0, 10**12)
TERMS = st.builds(
    Terms, SHARES, NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["zero", "worst", "neutral"]), NUMBERS,
    st.none() | NUMBERS, NUMBERS,
)  # fmt: skip
EVENTS = st.builds(
    GateEvent, NUMBERS, st.sampled_from(list(Mode)), st.sampled_from(list(Mode)), NUMBERS, NAMES, NUMBERS, st.booleans()
)
PHASES = st.builds(
    GateState,
    stage=st.sampled_from(STAGES), attempt=st.integers(1, 9), terms=TERMS, salt=NAMES,
    allowance_micro=st.sampled_from([None, None, -1, 0, 100_000, 1_000_000, 1_500_000, 10**12]),
    totals=st.just(()) | ROWS, detector=st.just(()) | ROWS, promotions=NUMBERS, rollbacks=NUMBERS,
    granted_micro=NUMBERS, checkpoint_at_ms=NUMBERS, subject=NAMES, subject_before=NAMES, began_at_ms=NUMBERS,
    events=st.lists(EVENTS, max_size=2).map(tuple),
)  # fmt: skip
"""A gate at the beginning of a phase."""


def issues(scopes: st.SearchStrategy[Scope], ids: st.SearchStrategy[str]) -> st.SearchStrategy[t.Issue]:
    """Ask for decisions, of which some are samples; what is known is by how much it is behind."""
    menus = st.builds(
        t.Menu, scopes, st.sampled_from([1, 1000, 60 * 24 * HOUR_MS]), st.none() | MICROS,
        SHAPES, LEVELS, LEVELS, st.just("") | ARMS, st.booleans(), SAMPLES,
        st.lists(OFFERS, min_size=1, max_size=3).map(tuple), st.sampled_from([True, True, False]),
    )  # fmt: skip
    return st.builds(
        t.Issue, menus, ids, st.sampled_from([0, 0, 1]), st.sampled_from([0, 0, 0, 0, 1]),
        st.sampled_from(["any", "refresh", "exact"]), st.sampled_from(["kept", "kept", "all"]),
    )  # fmt: skip


@st.composite
def reports(draw: st.DrawFn, scopes: st.SearchStrategy[Scope], ids: st.SearchStrategy[str]) -> t.Settle:
    """Report a final reward, or a part of which anything may be missing; the phase is by how much it is behind."""
    final = draw(st.booleans())
    micro = draw(MICROS if final else st.none() | MICROS)
    return t.Settle(
        scope=draw(scopes),
        decision_id=draw(ids),
        final=final,
        collected="",
        reward_micro=micro,
        reward_sq_nano=None if micro is None else reward_sq_nano(micro),
        cost_nano=draw(st.none() | MONEY),
        latency_us=draw(LATENCIES),
        signals_json=draw(st.sampled_from(["{}", '{"quality":1}'])),
        shape=draw(SHAPES),
        phase=draw(st.sampled_from([0, 0, 0, 1])),
        held=() if micro is None else draw(ROWS),
        exposed=() if micro is None else draw(ROWS),
    )


@dataclass(frozen=True, slots=True)
class Put:
    """Restore one arm and both accounts, when the domain's version is `behind` less than it is."""

    scope: Scope
    behind: int
    micro: int
    spent: int


@dataclass(frozen=True, slots=True)
class Take:
    """Fold the epoch that is due, as the view says, into `gate`; or what is none, because something is `wrong`."""

    scope: Scope
    wrong: Literal["", "phase", "number", "cell"]
    gate: GateState
    new_phase: bool
    checkpoint: Literal["", "keep", "reinstate"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass; less than none when another server takes over whose clock is behind."""

    ms: int


Step = t.Transition | Put | Take | Wait
FINE = [""] * 6


def takes(scopes: st.SearchStrategy[Scope]) -> st.SearchStrategy[Take]:
    """Fold what is due; now and then another sidecar was faster, or a new phase begins."""
    return st.builds(
        Take, scopes, st.sampled_from([*FINE, "phase", "number", "cell"]), PHASES,
        st.sampled_from([False] * 3 + [True]), st.sampled_from([*FINE, "keep", "keep", "reinstate", "reinstate"]),
    )  # fmt: skip


def modes(scopes: st.SearchStrategy[Scope]) -> st.SearchStrategy[t.SetMode]:
    """Set a mode, which begins a phase, and perhaps reinstate the checkpoint."""
    return st.builds(
        t.SetMode, scopes, st.sampled_from([0, 0, 0, 1]), st.sampled_from(list(Mode)).map(str), st.just("why"),
        st.sampled_from(["", "{}"]), PHASES, st.booleans(),
    )  # fmt: skip


def one_of_these(*weighted: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Step]:
    """Choose a kind of step by its weight."""
    return st.sampled_from([kind for weight, kind in weighted for _ in range(weight)]).flatmap(lambda kind: kind)


WAITS = st.builds(Wait, st.sampled_from([-1000, 0, 1, 1, 999, 1000, 1000, HOUR_MS, 24 * HOUR_MS, 31 * 24 * HOUR_MS]))
STEPS = one_of_these(
    (7, issues(SCOPES, IDS)),
    (8, reports(SCOPES, IDS)),
    (1, st.builds(t.Release, SCOPES, IDS, SHAPES, ENDINGS)),
    (1, st.builds(t.Expire, SCOPES, st.integers(0, 3), SHAPES)),
    (1, modes(SCOPES)),
    (2, takes(SCOPES)),
    (1, st.builds(Put, SCOPES, st.sampled_from([0, 0, 1]), MICROS, MONEY)),
    (3, WAITS),
)

# One domain, and most reports are of decisions just made, so that epochs fill, pile up, and are folded.
ROUTE = st.just(Transitions("w").scope("route"))
NEW = st.sampled_from(["new"] * 6 + ["last 1"])
LAST = st.integers(1, 4).map(lambda number: f"last {number}")
GATE_STEPS = one_of_these(
    (8, issues(ROUTE, NEW)),
    (6, reports(ROUTE, LAST)),
    (1, st.builds(t.Release, ROUTE, LAST, SHAPES, ENDINGS)),
    (1, st.builds(t.Expire, ROUTE, st.integers(0, 9), SHAPES)),
    (1, modes(ROUTE)),
    (6, takes(ROUTE)),
    (1, st.builds(Put, ROUTE, st.just(0), MICROS, MONEY)),
    (3, st.builds(Wait, st.sampled_from([1, 1, 999, 1000, HOUR_MS]))),
)
