"""Epochs of the store in memory: `scripts/_gate.lua` in Python."""

from __future__ import annotations

from dataclasses import replace

from sidecar.model.gate import Cell, GateState, added
from sidecar.store.transitions import Fold, Sample

_OPEN_MOST = 16
_COUNT_MOST = 1_000_000


def charged(gate: GateState, sample: Sample, now: int) -> tuple[GateState, int]:
    """The gate with one more decision in the newest epoch, or in a new one; and that epoch's number."""
    epoch, cell = gate.epoch, gate.cells.get(gate.epoch)
    if cell is not None:
        full = cell.count >= cell.full_at and (epoch - gate.folded < _OPEN_MOST or cell.count >= _COUNT_MOST)
        if full or now >= cell.ends_at_ms:
            cell, epoch = None, epoch + 1
    if cell is None:
        cell = Cell(epoch, 0, 0, sample.epoch_decisions, now + sample.epoch_ms)
    exposed = cell.exposed + sample.exposed
    cell = replace(cell, open=cell.open + 1, count=cell.count + 1, exposed=exposed)
    held = gate.unfolded_ppm + sample.share_ppm
    return replace(gate, epoch=epoch, cells={**gate.cells, epoch: cell}, unfolded_ppm=held), epoch


def resolved(gate: GateState, epoch: int, sums: tuple[int, ...]) -> GateState:
    """The gate when one decision of an epoch waits no longer; without sums it stays charged as missing."""
    cell = gate.cells[epoch]
    cell = replace(cell, open=cell.open - 1, sums=added(cell.sums, sums) if sums else cell.sums)
    return replace(gate, cells={**gate.cells, epoch: cell})


def folded(before: GateState, fold: Fold) -> GateState:
    """The gate after a fold within a phase."""
    number = fold.cell.number
    return replace(
        fold.gate,
        cells={other: cell for other, cell in before.cells.items() if other != number},
        unfolded_ppm=before.unfolded_ppm - fold.released_ppm,
        epoch=max(before.epoch, number + 1),
    )
