"""The layers of a plot as traces of plotly.js: points, lines, areas, bars and boxes, with their intervals and texts.

May import: core, report.values, report.cleaning, report.palette, lettering, plan, plan_words, plotly_axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.report.cleaning import isolate
from assay.report.renderers.lettering import shorten_middle
from assay.report.renderers.plan import Plan, Series, bar_room, interval, is_early_front, numbers
from assay.report.renderers.plan_words import entry_key, point_text, ref_of, ref_text
from assay.report.renderers.plotly_axes import PlotAxis, colour, escape
from assay.report.values import Role, Scale, Shape

_SYMBOLS = {"circle": "circle", "diamond": "diamond-open", "triangle": "triangle-up-open"}
_UNUSED_SYMBOLS = {"circle": "circle-x-open", "diamond": "diamond-x-open", "triangle": "triangle-up-open-dot"}
_WIDTHS = {Role.DATA: 2.0, Role.LIMIT: 1.8, Role.GUIDE: 1.2, Role.FRONT: 1.6, Role.HIGHLIGHT: 2.4}
_BAR_SHARE = 0.9
_LONGEST_LINE = 160
_LONGEST_ENTRY = 48
_MANY = 400


def series_traces(plan: Plan, one: Series, x: PlotAxis, y: PlotAxis, entry: str | None) -> list[dict[str, Any]]:
    """Return the traces of one series; ``entry`` is its text in the legend, None where it has none of its own."""
    drawn = numbers(one)
    indices = [index for index, _, _ in drawn]
    common: dict[str, Any] = {
        "name": escape(isolate(shorten_middle(entry or one.name, _LONGEST_ENTRY))), "showlegend": entry is not None,
        "legendgroup": escape(shorten_middle("/".join(map(str, entry_key(one))), _LONGEST_LINE)),
    }  # fmt: skip
    if one.layer.shape is Shape.BAND:
        return [common | _band(plan, one, x, y)]
    texts = [_hover(point_text(plan, one, index)) for index in indices]
    refs = [ref_text(ref_of(one.layer, index)) for index in indices]
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


def _placed(
    plan: Plan, x: PlotAxis, y: PlotAxis, points: Sequence[tuple[float | None, float | None]]
) -> dict[str, Any]:
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
    look = one.look
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
    above = [
        0.0 if end is None else max(0.0, axis.number(end[1]) - value) for end, value in zip(ends, values, strict=True)
    ]
    below = [
        0.0 if end is None else max(0.0, value - axis.number(end[0])) for end, value in zip(ends, values, strict=True)
    ]
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
    """How bars are filled: full if measured, an outline if imported, hatched if predicted, crossed if not used."""
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
    trace = {
        "type": "bar", "orientation": "h" if plan.is_turned else "v", "width": base.length(room * _BAR_SHARE),
        "marker": _fill(one, 1.0), **_placed(plan, x, y, points),
    }  # fmt: skip
    if one.base:
        values = x if plan.is_turned else y
        return trace | {"base": [values.number(one.base[index]) for index, _, _ in drawn]}
    return trace | _errors(plan, one, x, y, len(drawn))


def _boxes(plan: Plan, one: Series, x: PlotAxis, y: PlotAxis) -> dict[str, Any]:
    axis, base = (x, y) if plan.is_turned else (y, x)
    drawn = numbers(one)
    ends = [interval(one, index) or (value, value) for index, _, value in drawn]
    whiskers = [one.whiskers[index] if one.whiskers else end for (index, _, _), end in zip(drawn, ends, strict=True)]
    fill = colour(one.colour, 0.3 if one.look.is_filled and one.layer.is_usable else 0.08)
    trace: dict[str, Any] = {
        "type": "box", "orientation": "h" if plan.is_turned else "v", "width": min(0.5, one.width * _BAR_SHARE),
        "q1": [axis.number(lo) for lo, _ in ends], "median": [axis.number(value) for _, _, value in drawn],
        "q3": [axis.number(hi) for _, hi in ends], "lowerfence": [axis.number(low) for low, _ in whiskers],
        "upperfence": [axis.number(high) for _, high in whiskers], "fillcolor": fill,
        "line": {"color": colour(one.colour), "width": 1.4}, "hoveron": "boxes",
    }  # fmt: skip
    trace["y" if plan.is_turned else "x"] = [base.convert(at + one.offset) for _, at, _ in drawn]
    return trace
