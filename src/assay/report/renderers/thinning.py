"""Fewer marks where nobody could tell them apart: what coincides on the paper is drawn once, and the picture says so.

May import: standard library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MOST_MARKS = 5000
"""Marks of one picture that are drawn without thinning."""
_FIRST_GRID_PX = 1.0
_GROWTH = 1.4
_COLUMN_POINTS = 4


def thin_marks(
    layers: Sequence[Sequence[tuple[float, float]]], most: int = MOST_MARKS
) -> tuple[list[list[int]], float]:
    """Return which points of each layer are drawn, and the grid in px within which neighbours of a layer are one.

    ``layers`` are points in px. The grid is 0 where all are drawn; else the finest that leaves at most ``most``.
    """
    everything = [list(range(len(layer))) for layer in layers]
    if sum(map(len, layers)) <= most:
        return everything, 0.0
    grid = _FIRST_GRID_PX
    while True:
        kept = [_first_of_cells(layer, grid) for layer in layers]
        if sum(map(len, kept)) <= most:
            return kept, grid
        grid *= _GROWTH


def _first_of_cells(points: Sequence[tuple[float, float]], grid: float) -> list[int]:
    cells: dict[tuple[int, int], int] = {}
    for index, (x, y) in enumerate(points):
        cells.setdefault((math.floor(x / grid), math.floor(y / grid)), index)
    return list(cells.values())


def thin_line(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return a line that looks the same: of the points within one px along x, the first, lowest, highest and last.

    Exact to a px (Jugel, Jerzak, Hackenbroich and Markl 2014, "M4", PVLDB 7). Points in px and in order along x; NaN,
    which breaks a line, stays.
    """
    kept: list[tuple[float, float]] = []
    column: list[tuple[float, float]] = []
    for point in points:
        is_gap = math.isnan(point[1]) or math.isnan(point[0])
        if column and (is_gap or math.floor(point[0]) != math.floor(column[0][0])):
            kept += _corners(column)
            column = []
        if is_gap:
            kept.append(point)
        else:
            column.append(point)
    return kept + _corners(column)


def _corners(column: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(column) <= _COLUMN_POINTS:
        return list(column)
    places = {0, len(column) - 1}
    places.add(min(range(len(column)), key=lambda place: column[place][1]))
    places.add(max(range(len(column)), key=lambda place: column[place][1]))
    return [column[place] for place in sorted(places)]
