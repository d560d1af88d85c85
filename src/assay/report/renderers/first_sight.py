"""A figure as it stands in a page until the script has drawn it: lines, areas, points and upright bars, in a few kB.

plotly.js is 1.5 MB that must come, be compiled and lay everything out; this needs nothing. It is as wide as its place:
positions are percentages, and outlines are stretched without their strokes. What is free around it is the padding of
the class ``first-sight`` in the page's style sheet, about the margins of ``plotly_axes.plain_layout``. It has no
legend and no hover texts, and what it cannot say truly it leaves to the script: heat maps, boxes, names along an
upright axis, thousands of points. May import: report.values, report.palette, plan and what lies below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from assay.report.cleaning import clean_line
from assay.report.renderers.lettering import SMALL, RoughRuler
from assay.report.renderers.plan import Number, Plan, Series, interval, is_early_front, make_plan, numbers, step_corners
from assay.report.renderers.plan_words import axis_direction, axis_title
from assay.report.renderers.thinning import thin_line
from assay.report.renderers.ticks import Ticks
from assay.report.renderers.vector import escape
from assay.report.values import Axis, Figure, Role, Scale, Shape

_DRAWN = frozenset({Shape.POINTS, Shape.LINE, Shape.LINE_POINTS, Shape.STEPS, Shape.BAND, Shape.BARS})
_STRETCHED = 1000
"""Units of an outline's own grid, along both axes."""
BELOW = 60
"""px under the plot: ticks and the axis' title, for which the script finds that more room is needed than its margin."""
_MOST_MARKS = 400
_WIDTH_PX = 700.0
_FLAT_TICKS = 5
"""So few that they fit on a phone."""
_WIDTHS = {Role.DATA: 2.0, Role.LIMIT: 1.8, Role.GUIDE: 1.2, Role.FRONT: 1.6, Role.HIGHLIGHT: 2.4}
_MARKS = {"diamond": "M0-5.5 5.5 0 0 5.5-5.5 0z", "triangle": "M0-5.5 5 4H-5z"}
_GUIDE_DASH = (4.0, 3.0)
_BAR_SHARE = 0.9

Point = tuple[float, float]


def draw_first_sight(figure: Figure, *, height: int, top: int) -> str | None:
    """Return the figure in HTML, or None for a figure that only the script or a picture can show.

    ``height`` px is all of it; of that ``top`` are free above the plot, where the script puts a legend and labels.
    """
    if figure.empty is not None or figure.heat is not None or any(one.shape not in _DRAWN for one in figure.layers):
        return None
    plan = make_plan(figure, x_count=_FLAT_TICKS)
    if plan.is_empty or plan.is_turned or plan.y.scale is Scale.CATEGORY or _is_crowded(plan):
        return None
    order = (Shape.BAND, Shape.BARS)
    ranked = sorted(plan.series, key=lambda one: order.index(one.layer.shape) if one.layer.shape in order else 2)
    outlines = "".join(part for one in ranked for part in _outlines(plan, one))
    marked = "".join(part for one in ranked for part in _marks(plan, one))
    return (
        f'<div class="first-sight" aria-hidden="true"><svg width="1" height="{top}" focusable="false"/>'
        f'<svg width="100%" height="{max(1, height - top - BELOW)}" overflow="visible" focusable="false">{_grid(plan)}'
        f'<svg viewBox="0 0 {_STRETCHED} {_STRETCHED}" preserveAspectRatio="none" overflow="visible">{outlines}</svg>'
        f"{marked}</svg></div>"
    )


def _is_crowded(plan: Plan) -> bool:
    """Too many marks for a small picture, or names that do not fit beside each other and that the script breaks."""
    if sum(len(one.at) for one in plan.series if one.layer.shape in {Shape.POINTS, Shape.BARS}) > _MOST_MARKS:
        return True
    if plan.x.scale is not Scale.CATEGORY:
        return any(one.layer.shape is Shape.BARS for one in plan.series)
    room = _WIDTH_PX / max(1, len(plan.x_ticks.labels))
    return any(RoughRuler().width(clean_line(name)[:100]) > room for name in plan.x_ticks.labels)


# -- axes --------------------------------------------------------------------------------------------------------


def _grid(plan: Plan) -> str:
    parts = []
    for at, label in _labelled(plan.y_ticks):
        y = _percent(1 - at)
        parts.append(f'<line x1="0" x2="100%" y1="{y}" y2="{y}" stroke="{_colour("grid")}"/>')
        parts.append(f'<text x="-8" y="{y}" dy=".32em" text-anchor="end">{label}</text>')
    for at, label in _labelled(plan.x_ticks):
        parts.append(f'<text x="{_percent(at)}" y="100%" dy="1.5em" text-anchor="middle">{label}</text>')
    for line in plan.lines:
        share = (plan.x_ticks if line.is_upright else plan.y_ticks).share(line.at)
        x, y = _percent(share), _percent(1 - share)
        ends = f'x1="{x}" x2="{x}" y1="0" y2="100%"' if line.is_upright else f'x1="0" x2="100%" y1="{y}" y2="{y}"'
        role = "limit" if line.role is Role.LIMIT else "highlight" if line.role is Role.HIGHLIGHT else "guide"
        dash = "" if line.role is Role.LIMIT else _dash(_GUIDE_DASH)
        parts.append(f'<line {ends} stroke="{_colour(role)}" stroke-width="1.2"{dash}/>')
    flat, upright = _title(plan.x, plan.x_ticks, is_upright=False), _title(plan.y, plan.y_ticks, is_upright=True)
    parts.append(f'<text x="50%" y="100%" dy="3.2em" text-anchor="middle">{flat}</text>')
    turned = f'<text transform="translate(-44) rotate(-90)" text-anchor="middle">{upright}</text>'
    parts.append(f'<svg y="50%" overflow="visible">{turned}</svg>')
    return "".join(parts)


def _labelled(ticks: Ticks) -> Iterator[tuple[float, str]]:
    for place, label in zip(ticks.places, ticks.labels, strict=True):
        yield ticks.share(place), escape(clean_line(label))


def _title(axis: Axis, ticks: Ticks, *, is_upright: bool) -> str:
    words = (axis_title(axis, ticks), axis_direction(axis, is_upright=is_upright))
    return escape(RoughRuler().fit("   ".join(word for word in words if word), _WIDTH_PX, SMALL))


# -- layers ------------------------------------------------------------------------------------------------------


def _outlines(plan: Plan, one: Series) -> Iterator[str]:
    shape = one.layer.shape
    colour = _colour(one.colour)
    if shape is Shape.BAND or (shape is Shape.LINE and (one.lo or one.hi)):
        lo, hi = (_stretches(plan, one, ends) for ends in _ends(one))
        for low, high in zip(lo, hi, strict=True):
            yield f'<path d="{_path([*high, *reversed(low)])}z" fill="{colour}" fill-opacity=".16"/>'
    if shape in {Shape.LINE, Shape.LINE_POINTS, Shape.STEPS}:
        dash = one.look.dash or (_GUIDE_DASH if one.layer.role is Role.GUIDE else ())
        for run in _stretches(plan, one, one.value):
            points = list(step_corners(run, is_early=is_early_front(plan, one))) if shape is Shape.STEPS else run
            yield (
                f'<path d="{_path(thin_line(points))}" fill="none" vector-effect="non-scaling-stroke" '
                f'stroke="{colour}" stroke-width="{_WIDTHS[one.layer.role]:g}"{_dash(dash)}/>'
            )


def _ends(one: Series) -> tuple[list[Number], list[Number]]:
    """Both ends of every interval; neither where one is not known."""
    known = [interval(one, index) or (None, None) for index in range(len(one.at))]
    return [lo for lo, _ in known], [hi for _, hi in known]


def _marks(plan: Plan, one: Series) -> Iterator[str]:
    if one.layer.shape is Shape.BARS:
        yield from _bars(plan, one)
        return
    drawn = numbers(one)
    if not one.is_marked or len(drawn) > _MOST_MARKS:
        return
    for index, at, value in drawn:
        x = _percent(plan.x_ticks.share(at + one.offset))
        if ends := interval(one, index):
            low, high = (_percent(1 - plan.y_ticks.share(end)) for end in ends)
            stroke = f'stroke="{_colour(one.colour)}" stroke-opacity=".65"'
            yield f'<line x1="{x}" x2="{x}" y1="{low}" y2="{high}" {stroke}/>'
        yield _mark(one, x, _percent(1 - plan.y_ticks.share(value)))


def _mark(one: Series, x: str, y: str) -> str:
    colour = _colour(one.colour)
    is_filled = one.look.is_filled and one.layer.is_usable
    ink = f'fill="{colour}"' if is_filled else f'fill="{_colour("paper")}" stroke="{colour}" stroke-width="1.6"'
    if one.look.marker == "circle":
        return f'<circle cx="{x}" cy="{y}" r="4" {ink}/>'
    return f'<svg x="{x}" y="{y}" overflow="visible"><path d="{_MARKS[one.look.marker]}" {ink}/></svg>'


def _bars(plan: Plan, one: Series) -> Iterator[str]:
    colour, ticks = _colour(one.colour), plan.y_ticks
    ink = f'fill="{colour}"'
    if not (one.look.is_filled and one.layer.is_usable):
        ink += f' fill-opacity=".12" stroke="{colour}"{_dash(one.look.dash)}'
    half = one.width * _BAR_SHARE / 2
    for index, at, value in numbers(one):
        low, high = sorted(ticks.share(max(end, ticks.low)) for end in one.span(index, value, ticks.low))
        left, right = (plan.x_ticks.share(at + one.offset + side) for side in (-half, half))
        yield (
            f'<rect x="{_percent(left)}" y="{_percent(1 - high)}" width="{_percent(right - left)}" '
            f'height="{_percent(high - low)}" {ink}/>'
        )
        if (ends := interval(one, index)) and not one.base:
            x = _percent(plan.x_ticks.share(at + one.offset))
            y1, y2 = (_percent(1 - ticks.share(max(end, ticks.low))) for end in ends)
            yield f'<line x1="{x}" x2="{x}" y1="{y1}" y2="{y2}" stroke="{_colour("ink")}" stroke-opacity=".65"/>'


def _stretches(plan: Plan, one: Series, values: Sequence[Number]) -> list[list[Point]]:
    """What follows each other without a gap, on the grid of outlines."""
    runs: list[list[Point]] = [[]]
    for at, value in zip(one.at, values, strict=True):
        if at is None or value is None:
            runs.append([])
            continue
        x, y = plan.x_ticks.share(at), 1 - plan.y_ticks.share(value)
        runs[-1].append((x * _STRETCHED, y * _STRETCHED))
    return [run for run in runs if run]


# -- numbers -----------------------------------------------------------------------------------------------------


def _path(points: Sequence[Point]) -> str:
    return "M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _colour(role: str) -> str:
    return f"var(--{role})"


def _dash(dash: Iterable[float]) -> str:
    parts = " ".join(f"{part:g}" for part in dash)
    return f' stroke-dasharray="{parts}"' if parts else ""
