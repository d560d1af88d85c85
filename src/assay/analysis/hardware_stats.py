"""Which figures of devices go together: rank correlations of data sheets, and what is left once others are given.

Devices of one architecture are cut from one design, so intervals draw whole architectures anew and each number says how
many it is of (``stats.rank_association``). Nothing here was measured: these are makers' figures against each other.
May import: core, catalog, stats, analysis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.analysis.hardware_columns import HardwareColumn, find_column, parts_of
from assay.analysis.hardware_table import HardwareTable
from assay.core.errors import UsageError
from assay.stats.rank_association import Association, associate

CORRELATED = ("peak32", "peak16", "peak8", "bandwidth", "memory", "tdp", "l2", "units", "boost", "process", "year")
"""Figures that are correlated where none are named: none of them is computed from another."""
GIVEN = ("year",)
"""What a partial correlation accounts for where nothing else is said: nearly everything grew with time."""


@dataclass(frozen=True, slots=True)
class DeviceCorrelations:
    """Rank correlations of every two ``columns`` over devices, ``given`` others (none: the plain ones).

    ``cells`` has a row for each column; the diagonal is 1. ``devices`` counts those that were looked at.
    """

    columns: tuple[HardwareColumn, ...]
    given: tuple[HardwareColumn, ...]
    cells: tuple[tuple[Association, ...], ...]
    devices: int

    def pairs(self) -> list[tuple[HardwareColumn, HardwareColumn, Association]]:
        """Each pair once, the strongest first, those without a number last."""
        found = [
            (self.columns[row], self.columns[place], self.cells[row][place])
            for row in range(len(self.columns))
            for place in range(row + 1, len(self.columns))
        ]
        return sorted(found, key=lambda one: (one[2].r is None, -abs(one[2].r or 0.0)))


def correlate_devices(
    table: HardwareTable, keys: Sequence[str] | None = None, *, given: Sequence[str] = (), level: float = 0.95
) -> DeviceCorrelations:
    """Correlate the ranks of every two figures of ``table`` (or of ``keys``, which it must have), ``given`` others.

    A figure and one that is computed from it are not correlated: the answer would be arithmetic. Raises UsageError for
    fewer than two figures, and for a figure that is both correlated and given.
    """
    chosen = [key for key in (keys or [column.key for column in table.columns]) if keys or key not in given]
    if len(set(chosen)) < 2:  # noqa: PLR2004  (a correlation takes two)
        raise UsageError(f"A correlation takes two figures; got {', '.join(chosen) or 'none'}.")
    if both := sorted(set(chosen) & set(given)):
        raise UsageError(f"{', '.join(both)} cannot be both correlated and given.")
    groups = table.groups
    controls = [table.column(key) for key in given]
    cells: dict[tuple[int, int], Association] = {}
    for row, one in enumerate(chosen):
        for place in range(row, len(chosen)):
            other = chosen[place]
            if row == place:
                known = int((table.column(one) == table.column(one)).sum())
                cells[row, place] = Association(1.0, n=known, level=level, reason="with itself")
            elif reason := _why_arithmetic(one, other, given):
                cells[row, place] = Association(level=level, reason=reason)
            else:
                x, y = table.column(one), table.column(other)
                cells[row, place] = associate(x, y, groups=groups, given=controls, level=level)
    return DeviceCorrelations(
        tuple(find_column(key) for key in chosen),
        tuple(find_column(key) for key in given),
        tuple(
            tuple(cells[min(row, place), max(row, place)] for place in range(len(chosen))) for row in range(len(chosen))
        ),
        len(table),
    )


def _why_arithmetic(one: str, other: str, given: Sequence[str]) -> str | None:
    """Why a coefficient would say how figures are computed, and nothing of devices; None where it would not."""
    first, second = parts_of(one), parts_of(other)
    if other in first or one in second:
        return "one is computed from the other"
    shared = (first - {one}) & (second - {other})
    if shared:
        return f"both are computed from {', '.join(sorted(shared))}"
    for key in given:
        if (first | second) & (parts_of(key) - {key}) or key in (first - {one}) | (second - {other}):
            return f"one of them and {key} have a part in common"
    return None
