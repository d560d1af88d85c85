"""From looks to what matplotlib takes: markers, dashes and fills by role, provenance and use.

May import: report.palette, report.values, canvas, plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.report.palette import Look
from assay.report.renderers.canvas import Canvas
from assay.report.renderers.plan import Series
from assay.report.values import Role, Shape

_MARKERS = {"circle": "o", "diamond": "D", "triangle": "^"}
_SIZES = {"circle": 6.4, "diamond": 5.8, "triangle": 7.2}
TINT, BAND_TINT = 0.30, 0.16
"""How much of its colour a box and a band is filled with."""


def mark_style(
    canvas: Canvas, look: Look, colour: str, *, is_usable: bool = True, scale: float = 1.0
) -> dict[str, Any]:
    """A point's marker: filled where its look is, hollow where it is not or where rankings leave it out."""
    filled = look.is_filled and is_usable
    return {
        "marker": _MARKERS[look.marker],
        "markersize": _SIZES[look.marker] * scale,
        "markerfacecolor": canvas.theme.colour(colour if filled else "paper"),
        "markeredgecolor": canvas.theme.colour("paper" if filled else colour),
        "markeredgewidth": 0.7 if filled else 1.5 * scale,
    }


def cross_style(canvas: Canvas, colour: str, *, scale: float = 1.0) -> dict[str, Any]:
    """The cross on a point that rankings leave out."""
    return {
        "marker": "x", "markersize": 4.2 * scale, "markerfacecolor": "none",
        "markeredgecolor": canvas.theme.colour(colour), "markeredgewidth": 1.1,
    }  # fmt: skip


def line_style(canvas: Canvas, series: Series) -> dict[str, Any]:
    """A line: dashed by where its numbers are from; guides thin and dotted, limits and fronts strong."""
    role = series.layer.role
    width = {Role.DATA: 1.9, Role.LIMIT: 1.7, Role.GUIDE: 1.1, Role.FRONT: 1.5, Role.HIGHLIGHT: 2.3}[role]
    dash: tuple[float, ...] = series.look.dash
    if role is Role.GUIDE and not dash:
        dash = (4.0, 3.0)
    return {
        "color": canvas.theme.colour(series.colour), "linewidth": width, "linestyle": (0, dash) if dash else "solid",
        "solid_capstyle": "round", "solid_joinstyle": "round", "dash_capstyle": "butt",
    }  # fmt: skip


def fill_style(canvas: Canvas, series: Series) -> dict[str, Any]:
    """A bar or box: full where measured, a dashed outline where imported, hatched where predicted."""
    look, colour = series.look, canvas.theme.colour(series.colour)
    is_box = series.layer.shape is Shape.BOXES
    is_full = look.is_filled and series.layer.is_usable
    style: dict[str, Any] = {
        "facecolor": (colour, TINT if is_box else 1.0) if is_full else (colour, 0.10),
        "edgecolor": colour,
        "linewidth": 1.2 if is_box or not is_full else 0,
        "linestyle": (0, look.dash) if look.dash else "solid",
    }
    if look.hatch:
        # On the paper's own colour: an SVG gives a hatch the opacity of what it lies on.
        style |= {"facecolor": canvas.theme.colour("paper"), "hatch": look.hatch, "hatchcolor": colour}
    return style


def band_style(canvas: Canvas, series: Series) -> dict[str, Any]:
    """An area between two lines: tinted, with an edge that is dashed as its provenance asks."""
    colour = canvas.theme.colour(series.colour)
    style: dict[str, Any] = {"facecolor": (colour, BAND_TINT), "edgecolor": (colour, 0.55), "linewidth": 0}
    if series.look.dash:
        style |= {"linewidth": 1.0, "linestyle": (0, series.look.dash)}
    return style


def draw_cross(canvas: Canvas, area: tuple[float, float, float, float]) -> None:
    """Cross out a bar or box (left, top, width, height) that rankings leave out."""
    left, top, width, height = area
    ends = [(left, top, left + width, top + height), (left, top + height, left + width, top)]
    canvas.segments(ends, edgecolor=canvas.theme.colour("muted"), linewidth=0.9)


def draw_swatch(canvas: Canvas, series: Series, left: float, middle: float, width: float) -> None:
    """Draw what a legend shows of a series, around the height ``middle``."""
    layer = series.layer
    if layer.shape in {Shape.BARS, Shape.BOXES}:
        canvas.rectangle(left + 3, middle - 5, width - 6, 10, **fill_style(canvas, series))
        if not layer.is_usable:
            draw_cross(canvas, (left + 3, middle - 5, width - 6, 10))
        return
    if layer.shape is Shape.BAND:
        canvas.rectangle(left, middle - 5, width, 10, **band_style(canvas, series))
        return
    if layer.shape is not Shape.POINTS:
        canvas.line([left, left + width], [middle, middle], **line_style(canvas, series))
    if series.is_marked:
        draw_marks(canvas, series, [(left + width / 2, middle)])


def draw_marks(
    canvas: Canvas, series: Series, points: Sequence[tuple[float, float]], titles: Sequence[str] = (),
    refs: Sequence[str | None] = (), *, scale: float = 1.0,
) -> None:  # fmt: skip
    """Draw the marks of a series, each crossed where rankings leave it out."""
    is_usable = series.layer.is_usable
    style = mark_style(canvas, series.look, series.colour, is_usable=is_usable, scale=scale)
    canvas.marks(points, titles, refs, **style)
    if not is_usable:
        # The cross lies above the mark, so pointing at it has to say the same.
        canvas.marks(points, titles, refs, **cross_style(canvas, series.colour, scale=scale))
