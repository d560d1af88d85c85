"""The colours and texts of a heat map's cells: the same for pictures, interactive plots and plots in text.

May import: core, report.values, report.display, report.palette, ticks.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from assay.core.words import Provenance
from assay.report.cleaning import clean_line, isolate
from assay.report.display import cell_title, choose_unit, format_number, format_plain, is_number
from assay.report.palette import DIVERGING, SEQUENTIAL, heat_index
from assay.report.values import Axis, Cell, Column, Figure, Heat, Scale

_ONE_UNIT_SPAN = 2e3
"""Within this factor all cells are written in one unit."""
_TWO_PLACES = 1.0


@dataclass(frozen=True, slots=True)
class HeatScale:
    """From values to colours. ``low`` and ``high`` are the ends, in the heat's unit; None where no value is known."""

    low: float
    high: float
    is_log: bool
    is_diverging: bool

    @property
    def colours(self) -> tuple[str, ...]:
        """The colour map, from the low end to the high one."""
        return DIVERGING if self.is_diverging else SEQUENTIAL

    def share(self, value: float) -> float:
        """Where a value lies between the ends: 0 to 1 within them."""
        if self.high <= self.low:
            return 0.5
        if self.is_log:
            return math.log(value / self.low) / math.log(self.high / self.low) if value > 0 else 0.0
        return (value - self.low) / (self.high - self.low)

    def colour(self, value: float) -> str:
        """The colour of a value, as ``#rrggbb``."""
        return self.colours[heat_index(self.share(value), 0.0, 1.0)]


def number_in(cell: Cell) -> float | None:
    """The number of a cell that has one."""
    return float(cell.value) if is_number(cell) and isinstance(cell.value, int | float) else None


def heat_scale(heat: Heat) -> HeatScale | None:
    """Choose ends and map: two-sided where the ends lie on either side of what is neither (0, or a ratio of 1).

    A logarithmic scale leaves values of zero and below out. None where no value is known.
    """
    is_log = heat.scale is Scale.LOG
    known = [value for value in _numbers(heat) if value > 0 or not is_log]
    if not known:
        return None
    low, high = heat.limits or (min(known), max(known))
    if heat.unit == "ratio" and low > 0 and heat.limits is None:
        reach = max(high, 1 / low, 1.0 + 1e-9)
        return HeatScale(1 / reach, reach, is_log=True, is_diverging=True)
    is_diverging = (low < 0 < high and not is_log) or (heat.unit == "ratio" and low < 1 < high)
    if is_diverging and heat.limits is None:
        reach = max(-low, high)
        low, high = -reach, reach
    return HeatScale(low, high, is_log=is_log and low > 0, is_diverging=is_diverging)


def cell_words(heat: Heat) -> list[list[str]]:
    """What is written in each cell: in one unit, which the colour bar names, unless values differ too much for one."""
    known = [abs(value) for value in _numbers(heat) if value]
    divisor: float | None = None
    if known and max(known) / min(known) < _ONE_UNIT_SPAN and heat.unit != "ratio":
        divisor = choose_unit(statistics.median(known), heat.unit).divisor
    is_signed = heat.limits is not None and max(map(abs, heat.limits)) <= _TWO_PLACES
    rows = []
    for row in heat.cells:
        texts = []
        for cell in row:
            value = number_in(cell)
            if value is None:
                texts.append("")
            elif is_signed:
                texts.append(f"{value if round(value, 2) else 0.0:.2f}".replace("-", "−"))
            elif divisor is not None and cell.unit in {None, heat.unit}:
                texts.append(format_plain(value / divisor))
            else:
                texts.append(format_number(value, cell.unit or heat.unit))
        rows.append(texts)
    return rows


def words_unit(heat: Heat) -> str:
    """The unit of what is written in the cells, empty where each text has its own or there is none."""
    known = [abs(value) for value in _numbers(heat) if value]
    if not known or max(known) / min(known) >= _ONE_UNIT_SPAN or heat.unit == "ratio":
        return ""
    return choose_unit(statistics.median(known), heat.unit).label


def heat_axis(heat: Heat, scale: HeatScale) -> Axis:
    """The axis of the colour bar."""
    return Axis(heat.title, heat.unit, Scale.LOG if scale.is_log else Scale.LINEAR, heat.direction)


def cell_lines(figure: Figure, row: int, column: int) -> str:
    """All that is to be known of one cell, line by line."""
    heat = figure.heat
    if heat is None:
        return ""
    names = (_name(figure.y, row), _name(figure.x, column))
    title = cell_title(heat.cells[row][column], Column("value", "", heat.unit))
    return "\n".join((" · ".join(name for name in names if name), f"{heat.title}: {title}" if heat.title else title))


def has_provenance(heat: Heat, provenance: Provenance) -> bool:
    """True where a known cell has that provenance."""
    return any(cell.provenance is provenance and is_number(cell) for row in heat.cells for cell in row)


def _name(axis: Axis, place: int) -> str:
    return isolate(clean_line(axis.categories[place])[:400]) if place < len(axis.categories) else ""


def _numbers(heat: Heat) -> Iterator[float]:
    for row in heat.cells:
        for cell in row:
            value = number_in(cell)
            if value is not None:
                yield value
