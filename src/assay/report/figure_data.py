"""The numbers of a figure as a table, for those who cannot see it, for files without pictures and for spreadsheets.

May import: core, report.values.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from assay.report.values import Axis, Cell, Column, Figure, Layer, Scale, Shape, Table

_SPREAD = (Shape.BAND, Shape.BOXES)
"""Of these ``lo`` and ``hi`` are what is drawn, and no interval of a value."""
_NOT_DRAWN = "there is no value at this point"
_BLANK = Cell("")
"""Where a series has nothing of that kind; a value that is not known is something else."""


def figure_table(figure: Figure) -> Table:
    """Return every point of a figure, a row each: series, label, x, y with its interval, and what spreads around it.

    A heat map is a row for each cell. The provenance of a layer is that of its numbers. An empty figure gives a table
    without rows, which says why it is empty.
    """
    if figure.heat is not None:
        columns, rows = _heat_columns(figure), tuple(_heat_rows(figure))
    else:
        columns = _layer_columns(figure)
        rows = tuple(row for layer in figure.layers for row in _layer_rows(figure, layer, columns))
    return Table(
        figure.key, figure.title, columns, rows, caption=figure.caption, notes=figure.notes,
        when_empty=figure.empty or "There is nothing to draw.",
    )  # fmt: skip


def _layer_columns(figure: Figure) -> tuple[Column, ...]:
    y = figure.y
    columns = [Column("series", "series")]
    if any(layer.labels for layer in figure.layers):
        columns.append(Column("label", "point"))
    columns.append(Column("x", figure.x.title, None if _is_words(figure.x) else figure.x.unit, figure.x.direction))
    if any(layer.shape is not Shape.BAND for layer in figure.layers):
        columns.append(Column("y", y.title, None if _is_words(y) else y.unit, y.direction))
    if any(layer.shape is Shape.BAND for layer in figure.layers):
        columns += [Column("from", f"{y.title}, from", y.unit), Column("to", f"{y.title}, to", y.unit)]
    if any(layer.shape is Shape.BOXES for layer in figure.layers):
        columns += [Column("quartile1", "lower quartile", y.unit), Column("quartile3", "upper quartile", y.unit)]
    if any(layer.whiskers for layer in figure.layers):
        columns += [Column("p5", "5th per cent", y.unit), Column("p95", "95th per cent", y.unit)]
    return tuple(columns)


def _layer_rows(figure: Figure, layer: Layer, columns: tuple[Column, ...]) -> Iterator[tuple[Cell, ...]]:
    for place, x in enumerate(layer.x):
        ref = layer.refs[place] if layer.refs else None
        cells = {
            "series": Cell(layer.label),
            "label": Cell(layer.labels[place], ref=ref) if layer.labels else _BLANK,
            "x": _axis_cell(figure.x, x),
            "y": _y_cell(figure, layer, place),
            **_spread_cells(layer, place),
        }
        yield tuple(cells.get(column.key, _BLANK) for column in columns)


def _y_cell(figure: Figure, layer: Layer, place: int) -> Cell:
    if layer.shape is Shape.BAND:
        return _BLANK
    value = layer.y[place] if layer.y else None
    if value is None:
        return Cell(reason=_NOT_DRAWN)
    if _is_words(figure.y):
        return _axis_cell(figure.y, value)
    is_interval = layer.shape not in _SPREAD
    return Cell(
        value,
        provenance=layer.provenance,
        lo=layer.lo[place] if layer.lo and is_interval else None,
        hi=layer.hi[place] if layer.hi and is_interval else None,
        level=layer.level,
        n=layer.n[place] if layer.n else None,
        is_usable=layer.is_usable,
        ref=layer.refs[place] if layer.refs else None,
    )


def _spread_cells(layer: Layer, place: int) -> dict[str, Cell]:
    keys = {Shape.BAND: ("from", "to"), Shape.BOXES: ("quartile1", "quartile3")}.get(layer.shape)
    cells = {}
    if keys is not None:
        for key, ends in zip(keys, (layer.lo, layer.hi), strict=True):
            end = ends[place] if ends else None
            cells[key] = _number(end, layer) if end is not None else Cell(reason=_NOT_DRAWN)
    if layer.whiskers:
        low, high = layer.whiskers[place]
        cells |= {"p5": _number(low, layer), "p95": _number(high, layer)}
    return cells


def _number(value: float, layer: Layer) -> Cell:
    return Cell(value, provenance=layer.provenance, is_usable=layer.is_usable)


def _heat_columns(figure: Figure) -> tuple[Column, ...]:
    heat = figure.heat
    if heat is None:
        return ()
    return (
        Column("y", figure.y.title),
        Column("x", figure.x.title),
        Column("value", heat.title, heat.unit, heat.direction),
    )


def _heat_rows(figure: Figure) -> Iterator[tuple[Cell, ...]]:
    if figure.heat is None:
        return
    for place, row in enumerate(figure.heat.cells):
        for across, cell in enumerate(row):
            yield Cell(_category(figure.y, place)), Cell(_category(figure.x, across)), cell


def _axis_cell(axis: Axis, value: float | datetime) -> Cell:
    if _is_words(axis) and not isinstance(value, datetime) and float(value).is_integer():
        return Cell(_category(axis, int(value)))
    return Cell(value)


def _category(axis: Axis, place: int) -> str:
    return axis.categories[place] if 0 <= place < len(axis.categories) else str(place + 1)


def _is_words(axis: Axis) -> bool:
    return axis.scale is Scale.CATEGORY and bool(axis.categories)
