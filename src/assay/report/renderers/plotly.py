"""Any figure for plotly.js (its cartesian bundle: scatter, bar, box and heatmap), as values that become JSON.

Colours are names, so that one plot serves light and dark pages. The page's script replaces them before it draws, and
again when the theme changes. The rule: wherever the *name of a key* ends in ``color`` and the value is a text that
matches ``^var:([a-z0-9-]+)(?:/([0-9.]+))?$``, the value is the CSS variable ``--<first group>`` of the root element (they
are those of ``palette.css_variables``), with the second group, where there is one, as its opacity. No other value is to be
touched; names and labels stay what they are. ``colorscale`` holds real colours, the same on light and dark paper.

Numbers are in the unit that the axis' title names. ``hovertext`` says of a point what every other format says of it.
``customdata`` of a point is ``kind:id`` of what it leads to (``result:0198…``), or null; pages make an address of it.
plotly.js reads a few tags in texts: ``&`` and ``<`` are escaped. There is no NaN; what is not known is null.
May import: core, report.values, report.palette, plan and what lies below it; never plotly itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.report.cleaning import clean_line, isolate
from assay.report.palette import Look
from assay.report.renderers.lettering import RoughRuler, shorten_middle
from assay.report.renderers.picture_frame import Flag, place_flags
from assay.report.renderers.plan import (
    Line, Plan, Series, bar_room, interval, is_early_front, legend_entries, make_plan, numbers, point_text, ref_of, ref_text,
)  # fmt: skip
from assay.report.renderers.plotly_axes import PlotAxis, colour, escape, plain_layout
from assay.report.renderers.plotly_heat import heat_to_plotly
from assay.report.values import Figure, Role, Scale, Shape

_SYMBOLS = {"circle": "circle", "diamond": "diamond-open", "triangle": "triangle-up-open"}
_UNUSED_SYMBOLS = {"circle": "circle-x-open", "diamond": "diamond-x-open", "triangle": "triangle-up-open-dot"}
_WIDTHS = {Role.DATA: 2.0, Role.LIMIT: 1.8, Role.GUIDE: 1.2, Role.FRONT: 1.6, Role.HIGHLIGHT: 2.4}
_BAR_SHARE = 0.9
_LONGEST_LINE = 160
_LONGEST_ENTRY = 48
_LONGEST_NAME = 30
_WIDTH_PX, _ROW_PX = 700.0, 24
_LOWEST_PX, _HIGHEST_PX = 320, 1600
_FLAG_PX = 14
_MANY = 400


def figure_to_plotly(figure: Figure) -> dict[str, Any]:
    """Return ``{"data": [...], "layout": {...}}`` for ``Plotly.newPlot``; every value can be written as strict JSON."""
    if figure.empty is None and figure.heat is not None and any(figure.heat.cells):
        return heat_to_plotly(figure, figure.heat)
    plan = make_plan(figure)
    if figure.empty is not None or plan.is_empty:
        return _empty(figure)
    if plan.x.scale is Scale.CATEGORY and _is_crowded(plan):
        plan = make_plan(figure, can_turn=True)
    x, y = PlotAxis.of(plan.x, plan.x_ticks, is_upright=False), PlotAxis.of(plan.y, plan.y_ticks, is_upright=True)
    entries = {id(series): text for text, series in legend_entries(plan)}
    order = (Shape.BAND, Shape.BARS, Shape.BOXES)
    ranked = sorted(plan.series, key=lambda one: order.index(one.layer.shape) if one.layer.shape in order else len(order))
    traces = [trace for one in ranked if numbers(one) for trace in _traces(plan, one, x, y, entries.get(id(one)))]
    flags, rows = place_flags(RoughRuler(), plan.lines, plan.x_ticks, _WIDTH_PX)
    layout = plain_layout(
        x.layout(), y.layout(), height=_height(plan) + rows * _FLAG_PX, top=24 + rows * _FLAG_PX, is_legend=bool(entries)
    )
    shapes, notes = _lines(plan, x, y, flags)
    layout |= {"shapes": shapes, "annotations": notes, "barmode": "overlay"}
    if any(not line.is_upright and line.label for line in plan.lines):
        layout["margin"]["r"] = 150
    return {"data": traces, "layout": layout}


def _is_crowded(plan: Plan) -> bool:
    names = [clean_line(name) for name in plan.x.categories]
    room = _WIDTH_PX / max(1, len(names))
    return any(RoughRuler().width(name[:100]) > room for name in names)


def _height(plan: Plan) -> int:
    if plan.y.scale is Scale.CATEGORY:
        slots = max((round(0.8 / one.width) for one in plan.series if one.layer.shape in {Shape.BARS, Shape.BOXES}), default=1)
        return min(_HIGHEST_PX, 120 + len(plan.y.categories) * max(_ROW_PX, 16 * slots + 8))
    return _LOWEST_PX + 60


def _empty(figure: Figure) -> dict[str, Any]:
    hidden = {"visible": False}
    layout = plain_layout(dict(hidden), dict(hidden), height=120, top=0, is_legend=False)
    why = escape(clean_line(figure.empty or "There is nothing to draw."))
    layout["annotations"] = [
        {"text": why, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False, "font": {"color": colour("muted")}}
    ]  # fmt: skip
    return {"data": [], "layout": layout}


# -- traces ----------------------------------------------------------------------------------------------------


def _traces(plan: Plan, one: Series, x: PlotAxis, y: PlotAxis, entry: str | None) -> list[dict[str, Any]]:
    drawn = numbers(one)
    indices = [index for index, _, _ in drawn]
    texts = [_hover(point_text(plan, one, index)) for index in indices]
    refs = [ref_text(ref_of(one.layer, index)) for index in indices]
    common: dict[str, Any] = {
        "name": escape(isolate(shorten_middle(entry or one.name, _LONGEST_ENTRY))), "showlegend": entry is not None,
        "legendgroup": escape(shorten_middle(f"{one.name}/{one.colour}/{one.layer.provenance}", _LONGEST_LINE)),
    }  # fmt: skip
    if one.layer.shape is Shape.BAND:
        return [common | _band(plan, one, x, y)]
    pointed = common | {"hovertext": texts, "hoverinfo": "text", "customdata": refs}
    if one.layer.shape is Shape.BARS:
        return [pointed | _bars(plan, one, x, y)]
    if one.layer.shape is Shape.BOXES:
        return [pointed | _boxes(plan, one, x, y)]
    traces = [pointed | _scatter(plan, one, x, y)]
    if one.layer.shape is Shape.LINE and (one.lo or one.hi):
        traces.insert(0, {**common, "showlegend": False, **_band(plan, one, x, y)})
    return traces


def _hover(text: str) -> str:
    return "<br>".join(escape(shorten_middle(line, _LONGEST_LINE)) for line in text.split("\n"))


def _placed(plan: Plan, x: PlotAxis, y: PlotAxis, points: Sequence[tuple[float | None, float | None]]) -> dict[str, Any]:
    """Places and values as x and y, whichever way the plot is turned."""
    if plan.is_turned:
        return {"x": [x.convert(value) for _, value in points], "y": [y.convert(at) for at, _ in points]}
    return {"x": [x.convert(at) for at, _ in points], "y": [y.convert(value) for _, value in points]}


def _scatter(plan: Plan, one: Series, x: PlotAxis, y: PlotAxis) -> dict[str, Any]:
    shape = one.layer.shape
    trace: dict[str, Any] = {"type": "scatter", "mode": "lines"}
    if shape is Shape.POINTS:
        trace["mode"] = "markers"
    elif shape is Shape.LINE_POINTS:
        trace["mode"] = "lines+markers"
    if shape is Shape.POINTS or not any(value is None for value in one.value):
        points: list[tuple[float | None, float | None]] = [(at + one.offset, value) for _, at, value in numbers(one)]
    else:
        points = list(zip(one.at, one.value, strict=True))
        texts, refs = _all_texts(plan, one)
        trace |= {"hovertext": texts, "customdata": refs}
    trace |= _placed(plan, x, y, points)
    if shape is not Shape.POINTS:
        dash = one.look.dash or ((4.0, 3.0) if one.layer.role is Role.GUIDE else ())
        step = "vh" if is_early_front(plan, one) else "hv"
        trace["line"] = {
            "color": colour(one.colour), "width": _WIDTHS[one.layer.role],
            "dash": ",".join(f"{part:g}px" for part in dash) if dash else "solid",
            "shape": step if shape is Shape.STEPS else "linear",
        }  # fmt: skip
    if one.is_marked:
        trace["marker"] = _marker(one, is_small=len(points) > _MANY)
        trace |= _errors(plan, one, x, y, len(points))
    return trace


def _all_texts(plan: Plan, one: Series) -> tuple[list[str | None], list[str | None]]:
    """Texts and references of every place of a line, nothing where it has a gap."""
    texts: list[str | None] = []
    refs: list[str | None] = []
    for index, value in enumerate(one.value):
        texts.append(None if value is None else _hover(point_text(plan, one, index)))
        refs.append(ref_text(ref_of(one.layer, index)))
    return texts, refs


def _marker(one: Series, *, is_small: bool) -> dict[str, Any]:
    look: Look = one.look
    is_filled = look.is_filled and one.layer.is_usable
    size = 5 if is_small else 8
    symbol = (_SYMBOLS if one.layer.is_usable else _UNUSED_SYMBOLS)[look.marker]
    line = {"color": colour("paper"), "width": 0.8} if is_filled else {"color": colour(one.colour), "width": 1.6}
    return {"symbol": symbol, "size": size, "color": colour(one.colour), "line": line}


def _errors(plan: Plan, one: Series, x: PlotAxis, y: PlotAxis, count: int) -> dict[str, Any]:
    drawn = numbers(one)
    ends = [interval(one, index) for index, _, _ in drawn]
    if count != len(drawn) or not any(ends):
        return {}
    axis = x if plan.is_turned else y
    values = [axis.number(value) for _, _, value in drawn]
    above = [0.0 if end is None else max(0.0, axis.number(end[1]) - value) for end, value in zip(ends, values, strict=True)]
    below = [0.0 if end is None else max(0.0, value - axis.number(end[0])) for end, value in zip(ends, values, strict=True)]
    role = "ink" if one.layer.shape is Shape.BARS else one.colour
    bars = {
        "type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": colour(role, 0.65),
        "thickness": 1.3, "width": 3 if count <= _MANY // 4 else 0,
    }  # fmt: skip
    return {"error_x" if plan.is_turned else "error_y": bars}


def _band(plan: Plan, one: Series, x: PlotAxis, y: PlotAxis) -> dict[str, Any]:
    """An area as closed outlines, one a stretch without a gap."""
    outline: list[tuple[float | None, float | None]] = []
    run: list[tuple[float, tuple[float, float]]] = []
    for index, at in enumerate((*one.at, None)):
        ends = interval(one, index) if index < len(one.at) else None
        if at is not None and ends is not None:
            run.append((at, ends))
            continue
        if run:
            outline += [(None, None)] if outline else []
            outline += [(place, hi) for place, (_, hi) in run]
            outline += [(place, lo) for place, (lo, _) in reversed(run)]
            outline.append((run[0][0], run[0][1][1]))
        run = []
    dash = ",".join(f"{part:g}px" for part in one.look.dash)
    line = {"color": colour(one.colour, 0.55), "width": 1 if dash else 0, "dash": dash or "solid"}
    return {
        "type": "scatter", "mode": "lines", "fill": "toself", "fillcolor": colour(one.colour, 0.16), "line": line,
        "hoverinfo": "skip", **_placed(plan, x, y, outline),
    }  # fmt: skip


def _fill(one: Series, opacity: float) -> dict[str, Any]:
    """How bars are filled: full where measured, an outline where imported, hatched where predicted, crossed if unused."""
    outline = {"color": colour(one.colour), "width": 1.4}
    if not one.layer.is_usable:
        pattern = {"shape": "x", "fgcolor": colour("muted"), "bgcolor": colour("paper"), "size": 7, "solidity": 0.12}
        return {"color": colour(one.colour), "line": outline, "pattern": pattern}
    if one.look.hatch:
        pattern = {"shape": "/", "fgcolor": colour(one.colour), "bgcolor": colour("paper"), "size": 6, "solidity": 0.3}
        return {"color": colour(one.colour), "line": outline, "pattern": pattern}
    if not one.look.is_filled:
        return {"color": colour(one.colour, 0.12), "line": outline}
    return {"color": colour(one.colour, opacity), "line": {"width": 0}}


def _bars(plan: Plan, one: Series, x: PlotAxis, y: PlotAxis) -> dict[str, Any]:
    drawn = numbers(one)
    room = one.width if plan.base.scale is Scale.CATEGORY else bar_room([at for _, at, _ in drawn])
    base = y if plan.is_turned else x
    points: list[tuple[float | None, float | None]] = [(at + one.offset, value) for _, at, value in drawn]
    return {
        "type": "bar", "orientation": "h" if plan.is_turned else "v", "width": base.length(room * _BAR_SHARE),
        "marker": _fill(one, 1.0), **_placed(plan, x, y, points), **_errors(plan, one, x, y, len(drawn)),
    }  # fmt: skip


def _boxes(plan: Plan, one: Series, x: PlotAxis, y: PlotAxis) -> dict[str, Any]:
    axis, base = (x, y) if plan.is_turned else (y, x)
    drawn = numbers(one)
    ends = [interval(one, index) or (value, value) for index, _, value in drawn]
    whiskers = [one.whiskers[index] if one.whiskers else end for (index, _, _), end in zip(drawn, ends, strict=True)]
    fill = colour(one.colour, 0.3 if one.look.is_filled and one.layer.is_usable else 0.08)
    trace = {
        "type": "box", "orientation": "h" if plan.is_turned else "v", "width": min(0.5, one.width * _BAR_SHARE),
        "q1": [axis.number(lo) for lo, _ in ends], "median": [axis.number(value) for _, _, value in drawn],
        "q3": [axis.number(hi) for _, hi in ends], "lowerfence": [axis.number(low) for low, _ in whiskers],
        "upperfence": [axis.number(high) for _, high in whiskers], "fillcolor": fill,
        "line": {"color": colour(one.colour), "width": 1.4}, "hoveron": "boxes",
    }  # fmt: skip
    trace["y" if plan.is_turned else "x"] = [base.convert(at + one.offset) for _, at, _ in drawn]
    return trace


# -- lines across ----------------------------------------------------------------------------------------------


def _lines(plan: Plan, x: PlotAxis, y: PlotAxis, flags: Sequence[Flag]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines across as shapes, their labels as annotations: above the plot in rows, or right of it."""
    shapes, notes = [], []
    for flag in flags:
        at = x.convert(flag.line.at)
        top = 1 + (flag.row + 1) * _FLAG_PX / _LOWEST_PX if flag.text else 1
        shapes.append(_shape(flag.line, {"x0": at, "x1": at, "xref": "x", "y0": 0, "y1": top, "yref": "paper"}))
        if flag.text:
            notes.append(
                _note(flag.line, {
                    "x": at, "xref": "x", "y": 1, "yref": "paper", "yshift": flag.row * _FLAG_PX, "yanchor": "bottom",
                    "xanchor": flag.at, "xshift": 3 if flag.at == "left" else -3,
                })
            )  # fmt: skip
    for line in plan.lines:
        if line.is_upright:
            continue
        at = y.convert(line.at)
        shapes.append(_shape(line, {"x0": 0, "x1": 1, "xref": "paper", "y0": at, "y1": at, "yref": "y"}))
        place = {"x": 1, "xref": "paper", "xanchor": "left", "xshift": 4, "y": y.place(line.at), "yref": "y", "yanchor": "middle"}
        notes.append(_note(line, place))
    return shapes, notes


def _role(line: Line) -> str:
    return {Role.LIMIT: "limit", Role.HIGHLIGHT: "highlight", Role.FRONT: "front"}.get(line.role, "guide")


def _shape(line: Line, place: dict[str, Any]) -> dict[str, Any]:
    dash = "solid" if line.role is Role.LIMIT else "4px,3px"
    return {"type": "line", "line": {"color": colour(_role(line)), "width": 1.2, "dash": dash}, **place}


def _note(line: Line, place: dict[str, Any]) -> dict[str, Any]:
    text = escape(isolate(shorten_middle(line.label, _LONGEST_NAME if not line.is_upright else 2 * _LONGEST_NAME)))
    role = "highlight" if line.role is Role.HIGHLIGHT else "ink"
    return {
        "text": text, "hovertext": escape(shorten_middle(line.label, _LONGEST_LINE)), "showarrow": False,
        "font": {"size": 11, "color": colour(role)}, **place,
    }  # fmt: skip
