"""Any figure for plotly.js (its cartesian bundle: scatter, bar, box and heatmap), as values that become JSON.

Colours are names, so that one plot serves light and dark pages. The page's script replaces them before it draws, and
again when the theme changes. The rule: wherever the *name of a key* ends in ``color`` and the value is a text that
matches ``^var:([a-z0-9-]+)(?:/([0-9.]+))?$``, the value is the CSS variable ``--<first group>`` of the root element
(they are those of ``palette.css_variables``), with the second group, where there is one, as its opacity. No other value
is to be touched; names and labels stay what they are. ``colorscale`` holds real colours, which serve either theme.

Numbers are in the unit that the axis' title names. ``hovertext`` says of a point what every other format says of it.
``customdata`` of a point is ``kind:id`` of what it leads to (``result:0198…``), or null; pages make an address of it.
plotly.js reads tags, entities and formulas in texts, so ``&``, ``<``, ``>`` and ``$`` are escaped. What is not known is
null, never NaN. May import: core, report.values, report.palette, plan and what lies below it; never plotly itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.report.cleaning import clean_line, isolate
from assay.report.renderers.lettering import RoughRuler, shorten_middle
from assay.report.renderers.picture_lines import Flag, place_flags
from assay.report.renderers.plan import Line, Plan, make_plan, numbers
from assay.report.renderers.plan_words import legend_entries
from assay.report.renderers.plotly_axes import PlotAxis, colour, escape, plain_layout
from assay.report.renderers.plotly_heat import heat_to_plotly
from assay.report.renderers.plotly_traces import series_traces
from assay.report.values import Figure, Role, Scale, Shape

_LONGEST_LINE = 160
_LONGEST_NAME = 30
_WIDTH_PX, _ROW_PX = 700.0, 24
_LOWEST_PX, _HIGHEST_PX = 320, 1600
_FLAG_PX = 14


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
    ranked = sorted(
        plan.series, key=lambda one: order.index(one.layer.shape) if one.layer.shape in order else len(order)
    )
    traces = [trace for one in ranked if numbers(one) for trace in series_traces(plan, one, x, y, entries.get(id(one)))]
    flags, rows = place_flags(RoughRuler(), plan.lines, plan.x_ticks, _WIDTH_PX)
    layout = plain_layout(
        x.layout(),
        y.layout(),
        height=_height(plan) + rows * _FLAG_PX,
        top=24 + rows * _FLAG_PX,
        is_legend=bool(entries),
    )
    shapes, notes = _lines(plan, x, y, flags)
    layout |= {"shapes": shapes, "annotations": notes, "barmode": "overlay"}
    return {"data": traces, "layout": layout}


def _is_crowded(plan: Plan) -> bool:
    names = [clean_line(name) for name in plan.x.categories]
    room = _WIDTH_PX / max(1, len(names))
    return any(RoughRuler().width(name[:100]) > room for name in names)


def _height(plan: Plan) -> int:
    if plan.y.scale is Scale.CATEGORY:
        slots = max(
            (round(0.8 / one.width) for one in plan.series if one.layer.shape in {Shape.BARS, Shape.BOXES}), default=1
        )
        return min(_HIGHEST_PX, 120 + len(plan.y.categories) * max(_ROW_PX, 16 * slots + 8))
    return _LOWEST_PX + 60


def _empty(figure: Figure) -> dict[str, Any]:
    hidden = {"visible": False}
    layout = plain_layout(dict(hidden), dict(hidden), height=120, top=0, is_legend=False)
    why = escape(clean_line(figure.empty or "There is nothing to draw."))
    place = {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
    layout["annotations"] = [{"text": why, **place, "showarrow": False, "font": {"color": colour("muted")}}]
    return {"data": [], "layout": layout}


# -- lines across ----------------------------------------------------------------------------------------------


def _lines(
    plan: Plan, x: PlotAxis, y: PlotAxis, flags: Sequence[Flag]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines across as shapes, their labels as annotations: above the plot in rows, or right of it."""
    shapes, notes = [], []
    for flag in flags:
        at = x.convert(flag.line.at)
        top = 1 + (flag.row + 1) * _FLAG_PX / _LOWEST_PX if flag.text else 1
        shapes.append(_shape(flag.line, {"x0": at, "x1": at, "xref": "x", "y0": 0, "y1": top, "yref": "paper"}))
        if flag.text:
            notes.append(
                _note(flag.line, {
                    "x": x.place(flag.line.at), "xref": "x", "xanchor": flag.at, "y": 1, "yref": "paper",
                    "yanchor": "bottom", "xshift": 3 if flag.at == "left" else -3, "yshift": flag.row * _FLAG_PX,
                })
            )  # fmt: skip
    for line in plan.lines:
        if line.is_upright:
            continue
        at = y.convert(line.at)
        shapes.append(_shape(line, {"x0": 0, "x1": 1, "xref": "paper", "y0": at, "y1": at, "yref": "y"}))
        place = {"x": 1, "xref": "paper", "xanchor": "right", "y": y.place(line.at), "yref": "y", "yanchor": "bottom"}
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
