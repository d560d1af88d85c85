"""Devices by figures, each brought to one scale by a rule that is shown, so that unlike units can stand side by side.

May import: core, catalog, stats, analysis; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from assay.analysis.hardware_columns import HardwareColumn, find_column
from assay.core.errors import UnknownNameError, UsageError
from assay.core.words import Direction

if TYPE_CHECKING:
    from assay.analysis.hardware_table import HardwareTable
    from assay.catalog.hardware.facts import DeviceFacts

MATRICES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "complete": ("peak32", "peak16", "peak8", "bandwidth", "memory", "peak16_per_w", "bandwidth_per_w",
                 "peak16_per_usd", "memory_per_usd"),
    "compute": ("peak64", "peak32", "peak16", "peak8", "peak4", "peak16_per_w"),
    "bandwidth": ("bandwidth", "bytes_per_flop", "reads_per_s", "bandwidth_per_w", "l2", "interconnect"),
    "price-performance": ("peak32_per_usd", "peak16_per_usd", "bandwidth_per_usd", "memory_per_usd"),
})  # fmt: skip
"""Matrices that have a name, and their figures."""


class Norm(StrEnum):
    """How a figure is brought to a scale."""

    BEST = "best"
    RANK = "rank"
    REFERENCE = "reference"


NORM_TITLES: Mapping[Norm, str] = MappingProxyType(
    {Norm.BEST: "share of the best", Norm.RANK: "percentile rank", Norm.REFERENCE: "times the reference"}
)
NORM_RULES: Mapping[Norm, str] = MappingProxyType(
    {
        Norm.BEST: "Share of the best of the devices looked at: 1 is the best of a figure, 0.5 half as good.",
        Norm.RANK: "Percentile rank among the devices looked at: 1 best, 0 worst; how far apart they lie is lost.",
        Norm.REFERENCE: "Times the reference: 2 is twice as good as it. The reference itself is 1.",
    }
)
SCORE_RULE = (
    "Score: geometric mean of the scaled figures (for ranks their mean), each counting once, only for devices that "
    "have all of them. It weighs figures equally, which no workload does; a missing figure is never taken for 0."
)


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """A device: raw figures in base units, scaled ones, None where not known; ``score`` None with a ``reason``."""

    device: DeviceFacts
    values: tuple[float | None, ...]
    scaled: tuple[float | None, ...]
    score: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceMatrix:
    """Rows by score, then those without one by how many figures they have. ``best`` names the best of each figure."""

    name: str
    columns: tuple[HardwareColumn, ...]
    units: tuple[str | None, ...]
    norm: Norm
    rule: str
    rows: tuple[MatrixRow, ...]
    best: tuple[DeviceFacts | None, ...]
    without_any: int
    left_out: tuple[str, ...] = ()


def matrix_figures(name: str) -> tuple[str, ...]:
    """Return the figures of a matrix that has a name. Raises UnknownNameError with the others."""
    if name not in MATRICES:
        raise UnknownNameError("matrix of devices", name, MATRICES, hint="Or name figures: --figures peak16,bandwidth.")
    return MATRICES[name]


def compare_matrix(
    table: HardwareTable,
    name: str = "complete",
    *,
    keys: Sequence[str] = (),
    norm: Norm = Norm.BEST,
    reference: str | None = None,
) -> DeviceMatrix:
    """Scale the figures of a named matrix, or ``keys``. ``reference`` is the hw_id that ``Norm.REFERENCE`` takes.

    A figure that no device has is left out, and ``left_out`` names it; devices without any are counted only. Raises
    UnknownNameError for a matrix that there is none of, UsageError for a figure of which neither side is better, a
    reference that is not among the devices, and where nothing is left.
    """
    import numpy as np

    asked = [find_column(key) for key in dict.fromkeys(keys or matrix_figures(name))]
    for column in asked:
        if column.direction is Direction.NEITHER:
            raise UsageError(f"Neither more nor less of {column.key} is better, so it cannot be scaled.")
    base = _find_reference(table, reference) if norm is Norm.REFERENCE else None
    columns = [column for column in asked if (table.column(column.key) > 0).any()]
    if not columns:
        raise UsageError(
            f"None of these devices has any of {', '.join(column.key for column in asked)}.",
            hint="Prices are imported with `assay catalog prices`; those at release are in the catalogue for some.",
        )
    values = np.stack([table.column(column.key) for column in columns], axis=1)
    values = np.where(values > 0, values, np.nan)
    merits = np.stack(
        [line if column.direction is Direction.HIGHER else 1 / line
         for column, line in zip(columns, values.T, strict=True)],
        axis=1,
    )  # fmt: skip
    scaled = _scale(merits, norm, base)
    rows = [_row(table.devices[at], columns, values[at], scaled[at], norm) for at in range(len(table))]
    kept = [row for row in rows if any(value is not None for value in row.values)]
    best = tuple(table.devices[int(np.nanargmax(line))] for line in merits.T)
    return DeviceMatrix(
        "own" if keys else name,
        tuple(columns),
        tuple(table.unit(column.key) for column in columns),
        norm,
        f"{NORM_RULES[norm]} {SCORE_RULE}",
        tuple(sorted(kept, key=_order)),
        best,
        len(rows) - len(kept),
        tuple(column.key for column in asked if column not in columns),
    )


def _find_reference(table: HardwareTable, reference: str | None) -> int:
    ids = [device.hw_id for device in table.devices]
    if reference is None:
        raise UsageError(
            "Figures as times a reference need one.", hint="For example --reference nvidia-a100-sxm4-80gb."
        )
    if reference not in ids:
        raise UnknownNameError("device among those looked at", reference, ids)
    return ids.index(reference)


def _scale(merits: Any, norm: Norm, base: int | None) -> Any:
    """Scale (devices, columns) merits, all of them better when larger; NaN stays NaN."""
    import numpy as np

    if norm is Norm.BEST:
        return merits / np.nanmax(merits, axis=0)
    if base is not None:
        return merits / merits[base]
    scaled = np.full_like(merits, np.nan)
    for place, line in enumerate(merits.T):
        known = np.flatnonzero(np.isfinite(line))
        below = (line[known][:, None] > line[known][None, :]).sum(axis=1)
        ties = (line[known][:, None] == line[known][None, :]).sum(axis=1)
        scaled[known, place] = 1.0 if known.size == 1 else (below + (ties - 1) / 2) / (known.size - 1)
    return scaled


def _row(device: DeviceFacts, columns: Sequence[HardwareColumn], values: Any, scaled: Any, norm: Norm) -> MatrixRow:
    import numpy as np

    missing = [column.key for column, value in zip(columns, scaled, strict=True) if not np.isfinite(value)]
    score = reason = None
    if missing:
        reason = f"no score: {', '.join(missing)} not known"
    else:
        score = float(scaled.mean() if norm is Norm.RANK else np.exp(np.log(scaled).mean()))
    known, shown = (tuple(float(value) if np.isfinite(value) else None for value in line) for line in (values, scaled))
    return MatrixRow(device, known, shown, score, reason)


def _order(row: MatrixRow) -> tuple[bool, float, int, str]:
    known = sum(value is not None for value in row.scaled)
    return row.score is None, -(row.score or 0.0), -known, row.device.hw_id
