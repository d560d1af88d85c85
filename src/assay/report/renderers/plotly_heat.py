"""A heat map for plotly.js: cells by their place between the ends of the colours, and marks for where they are from.

May import: core, report.values, report.palette, heat, plotly_axes, ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.core.words import Provenance
from assay.report.cleaning import clean_line
from assay.report.palette import text_role_on
from assay.report.renderers.heat import HeatScale, cell_lines, cell_words, heat_axis, heat_scale, number_in
from assay.report.renderers.lettering import shorten_middle
from assay.report.renderers.plan_words import axis_direction, axis_title, ref_text
from assay.report.renderers.plotly_axes import PlotAxis, colour, escape, plain_layout
from assay.report.renderers.ticks import choose_ticks, span_ticks, top_down
from assay.report.values import Cell, Figure, Heat

_MOST_WRITTEN = 600
_MOST_MARKED = 4000
_ROW_PX = 28
_LONGEST_LINE = 160
_DIAGONALS, _FEW_DIAGONALS = (-0.38, -0.27, 0.27, 0.38), (-0.25, 0.25)
"""Where a predicted cell's hatch crosses it: left and right of its number."""
_FEW_HATCHED = 300
_LEVEL_NAMES = 8
"""Columns whose names have room beside each other as plotly lays them out."""
_SLANT_DEGREES = 55
_LETTER_PX = 4.2
"""How much lower a letter of a slanted name ends: its width times the sine of the slant."""
_LONGEST_NAME = 28


def heat_to_plotly(figure: Figure, heat: Heat) -> dict[str, Any]:
    """Return a heat map; predicted cells are hatched, imported ones have a diamond, unknown ones a dot."""
    rows, columns = len(heat.cells), max((len(row) for row in heat.cells), default=0)
    scale = heat_scale(heat)
    x = PlotAxis.of(figure.x, choose_ticks(figure.x, ()), is_upright=False)
    y = PlotAxis.of(figure.y, top_down(choose_ticks(figure.y, ())), is_upright=True)
    across = x.layout()
    is_crowded = columns > _LEVEL_NAMES
    slanted_px = 0
    if is_crowded:  # many names stand side by side only where they are steep
        across |= {"tickangle": _SLANT_DEGREES}
        slanted_px = round(_LETTER_PX * min(_LONGEST_NAME, max(map(len, figure.x.categories), default=0)))
    layout = plain_layout(across, y.layout(), height=120 + slanted_px + min(60, rows) * _ROW_PX, top=10, is_legend=True)
    places = [[number_in(cell) for cell in row] for row in heat.cells]
    shares = [[None if value is None or scale is None else scale.share(value) for value in row] for row in places]
    texts = [
        [_hover(cell_lines(figure, row, column)) for column in range(len(cells))]
        for row, cells in enumerate(heat.cells)
    ]
    trace: dict[str, Any] = {
        "type": "heatmap", "x": list(range(columns)), "y": list(range(rows)), "z": shares, "zmin": 0, "zmax": 1,
        "hovertext": texts, "hoverinfo": "text", "xgap": 1, "ygap": 1, "showscale": scale is not None,
        "customdata": [[ref_text(cell.ref) for cell in row] for row in heat.cells], "name": "",
    }  # fmt: skip
    if scale is not None:
        axis = heat_axis(heat, scale)
        ticks = span_ticks(axis, scale.low, scale.high, count=4)
        last = len(scale.colours) - 1
        title = "<br>".join(
            escape(part) for part in (axis_title(axis, ticks), axis_direction(axis, is_upright=True)) if part
        )
        trace["colorscale"] = [[step / last, one] for step, one in enumerate(scale.colours)]
        trace["colorbar"] = {
            "title": {"text": title, "font": {"color": colour("ink"), "size": 12}}, "thickness": 12, "outlinewidth": 0,
            "tickmode": "array", "tickvals": [ticks.share(place) for place in ticks.places],
            "ticktext": [escape(label) for label in ticks.labels], "tickfont": {"color": colour("muted"), "size": 11},
        }  # fmt: skip
    if rows * columns <= _MOST_WRITTEN:
        trace |= {"text": [[escape(text) for text in row] for row in cell_words(heat)], "texttemplate": "%{text}"}
    marks = _marks(heat, scale) if rows * columns <= _MOST_MARKED else []
    return {"data": [trace, *marks], "layout": layout}


def _hover(text: str) -> str:
    return "<br>".join(escape(shorten_middle(clean_line(line), _LONGEST_LINE)) for line in text.split("\n"))


def _marks(heat: Heat, scale: HeatScale | None) -> list[dict[str, Any]]:
    """Traces of marks for what is to be known of cells: for dark and for light cells, and one for the legend."""
    traces = []
    for name, belongs, marker in _KINDS:
        found = [
            (column, row) for row, cells in enumerate(heat.cells) for column, cell in enumerate(cells) if belongs(cell)
        ]
        if not found:
            continue
        traces.append(_legend_entry(name, marker))
        inks: dict[str, list[tuple[int, int]]] = {}
        for column, row in found:
            value = number_in(heat.cells[row][column])
            ink = "rule" if value is None or scale is None else text_role_on(scale.colour(value))
            inks.setdefault(ink, []).append((column, row))
        traces += [_marked(name, marker, ink, places, len(found)) for ink, places in inks.items()]
    return traces


def _marked(
    name: str, marker: Mapping[str, Any], ink: str, places: Sequence[tuple[int, int]], count: int
) -> dict[str, Any]:
    common = {"type": "scatter", "name": name, "legendgroup": name, "showlegend": False, "hoverinfo": "skip"}
    if name == _HATCHED:
        steps = _DIAGONALS if count <= _FEW_HATCHED else _FEW_DIAGONALS
        xs: list[float | None] = []
        ys: list[float | None] = []
        for column, row in places:
            for step in steps:
                xs += [column + step - 0.09, column + step + 0.09, None]
                ys += [row + 0.46, row - 0.46, None]
        return {**common, "mode": "lines", "x": xs, "y": ys, "line": {"color": colour(ink, 0.45), "width": 1}}
    shift = 0.38 if name == _CORNERED else 0.0
    painted = colour(ink) if ink == "rule" else colour(ink, 0.8)
    return {
        **common, "mode": "markers", "x": [column + shift for column, _ in places],
        "y": [row - shift * 0.7 for _, row in places],
        "marker": {**marker, "color": painted, "line": {"color": painted, "width": 1.2}},
    }  # fmt: skip


def _legend_entry(name: str, marker: Mapping[str, Any]) -> dict[str, Any]:
    """A trace of nothing: its mark in the legend, in the ink of the page."""
    ink = colour("ink")
    return {
        "type": "scatter", "mode": "markers", "name": name, "legendgroup": name, "showlegend": True,
        "hoverinfo": "skip", "x": [None], "y": [None],
        "marker": {**marker, "color": ink, "line": {"color": ink, "width": 1.2}},
    }  # fmt: skip


def _is(cell: Cell, provenance: Provenance) -> bool:
    return number_in(cell) is not None and cell.provenance is provenance


def _is_unused(cell: Cell) -> bool:
    return number_in(cell) is not None and not cell.is_usable


_HATCHED, _CORNERED = "predicted", "imported"
_KINDS: tuple[tuple[str, Callable[[Cell], bool], Mapping[str, Any]], ...] = (
    (_HATCHED, lambda cell: _is(cell, Provenance.PREDICTED), {"symbol": "line-ne-open", "size": 11}),
    (_CORNERED, lambda cell: _is(cell, Provenance.IMPORTED), {"symbol": "diamond-open", "size": 6}),
    ("not used in rankings", _is_unused, {"symbol": "x-thin-open", "size": 12}),
    ("not known", lambda cell: number_in(cell) is None, {"symbol": "circle", "size": 3}),
)  # fmt: skip
