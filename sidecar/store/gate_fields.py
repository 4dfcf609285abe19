"""How the gate of a domain lies in the hash `gate`, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from sidecar.model.gate import Cell, GateEvent, GateState, Terms
from sidecar.model.mode import Mode

_CELL = "cell:"


def row(values: Sequence[int]) -> str:
    """A row of integers as one field's text."""
    return " ".join(map(str, values))


def packed_cell(cell: Cell) -> str:
    """A cell as one field's text."""
    return row((cell.open, cell.count, cell.full_at, cell.ends_at_ms, cell.exposed, *cell.sums))


def gate_fields(state: GateState) -> dict[str, str]:
    """The fields that hold a state; all but those that only scripts write: the epochs and what they hold."""
    terms = state.terms
    return {
        "stage": state.stage,
        "attempt": str(state.attempt),
        "share_ppm": str(terms.share_ppm),
        "mean_micro": str(terms.mean_micro),
        "alpha_ppm": str(terms.alpha_ppm),
        "loss_max_micro": str(terms.loss_max_micro),
        "missing": terms.missing,
        "missing_ppm": str(terms.missing_ppm),
        "safety_margin_micro": "" if terms.safety_margin_micro is None else str(terms.safety_margin_micro),
        "safety_mean_micro": str(terms.safety_mean_micro),
        "salt": state.salt,
        "allowance_micro": "" if state.allowance_micro is None else str(state.allowance_micro),
        "totals": row(state.totals),
        "detector": row(state.detector),
        "promotions": str(state.promotions),
        "rollbacks": str(state.rollbacks),
        "granted_micro": str(state.granted_micro),
        "checkpoint_at_ms": str(state.checkpoint_at_ms),
        "subject": state.subject,
        "subject_before": state.subject_before,
        "began_at_ms": str(state.began_at_ms),
        "events": msgspec.json.encode(state.events).decode(),
    }


def gate_from(fields: Mapping[str, str]) -> GateState:
    """The state in the fields of a domain's hash; a new one when nothing was written yet."""
    return GateState(
        stage=Mode(fields.get("stage", Mode.SHADOW)),
        attempt=int(fields.get("attempt", 1)),
        terms=_terms(fields),
        salt=fields.get("salt", ""),
        epoch=int(fields.get("epoch", 1)),
        folded=int(fields.get("folded", 0)),
        unfolded_ppm=int(fields.get("unfolded_ppm", 0)),
        allowance_micro=_optional(fields.get("allowance_micro")),
        totals=_row(fields.get("totals", "")),
        detector=_row(fields.get("detector", "")),
        cells=dict(_cell(name, text) for name, text in fields.items() if name.startswith(_CELL)),
        promotions=int(fields.get("promotions", 0)),
        rollbacks=int(fields.get("rollbacks", 0)),
        granted_micro=int(fields.get("granted_micro", 0)),
        checkpoint_at_ms=int(fields.get("checkpoint_at_ms", 0)),
        subject=fields.get("subject", ""),
        subject_before=fields.get("subject_before", ""),
        began_at_ms=int(fields.get("began_at_ms", 0)),
        events=msgspec.json.decode(fields.get("events", "[]"), type=tuple[GateEvent, ...]),
    )


def _terms(fields: Mapping[str, str]) -> Terms:
    unset = Terms()
    return Terms(
        share_ppm=int(fields.get("share_ppm", unset.share_ppm)),
        mean_micro=int(fields.get("mean_micro", unset.mean_micro)),
        alpha_ppm=int(fields.get("alpha_ppm", unset.alpha_ppm)),
        loss_max_micro=int(fields.get("loss_max_micro", unset.loss_max_micro)),
        missing=fields.get("missing", unset.missing),
        missing_ppm=int(fields.get("missing_ppm", unset.missing_ppm)),
        safety_margin_micro=_optional(fields.get("safety_margin_micro")),
        safety_mean_micro=int(fields.get("safety_mean_micro", unset.safety_mean_micro)),
    )


def _cell(name: str, text: str) -> tuple[int, Cell]:
    number = int(name.removeprefix(_CELL))
    still_open, count, full_at, ends_at_ms, exposed, *sums = map(int, text.split(" "))
    return number, Cell(number, still_open, count, full_at, ends_at_ms, exposed, tuple(sums))


def _row(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(" "))) if text else ()


def _optional(text: str | None) -> int | None:
    return int(text) if text else None
