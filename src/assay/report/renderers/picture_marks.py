"""The layers of a plot, drawn: areas, lines, bars, boxes, intervals and points, the important ones above.

May import: core, report.values, canvas, plan, palette, picture_frame, picture_looks, thinning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from assay.report.display import format_number
from assay.report.renderers.canvas import Canvas
from assay.report.renderers.picture_frame import Frame
from assay.report.renderers.picture_looks import band_style, draw_cross, draw_marks, fill_style, line_style
from assay.report.renderers.plan import Plan, Series, bar_room, interval, is_early_front, numbers, step_corners
from assay.report.renderers.plan_words import point_text, ref_of, ref_text
from assay.report.renderers.thinning import thin_line, thin_marks
from assay.report.values import Role, Scale, Shape

_MOST_TITLES = 600
"""Marks of a picture that get a title each; of more, an interactive plot is the better place."""
_THICKEST_BAR = 44.0
_BAR_SHARE = 0.9
_ORDER = {Role.GUIDE: 1, Role.LIMIT: 2, Role.DATA: 3, Role.FRONT: 4, Role.HIGHLIGHT: 5}
_LINES = frozenset({Shape.LINE, Shape.LINE_POINTS, Shape.STEPS})
_NAN = (math.nan, math.nan)
_CROWDED = 400
_SCALES = ((_CROWDED, 1.0), (1500, 0.75), (math.inf, 0.55))
"""Marks are smaller where there are more of them: up to how many, and by what factor."""


class Drawer:
    """Draws the series of one plan into one frame."""

    def __init__(self, canvas: Canvas, frame: Frame, plan: Plan) -> None:
        self.canvas, self.frame, self.plan = canvas, frame, plan
        self.series = sorted(plan.series, key=lambda one: _ORDER[one.layer.role])
        self.count = sum(len(numbers(one)) for one in plan.series if one.layer.shape is not Shape.BAND)
        self.has_titles = sum(len(one.at) for one in plan.series if one.is_marked or _is_filled(one)) <= _MOST_TITLES

    def draw(self) -> tuple[str, ...]:
        """Draw everything from the bottom up; return notes on what was left out."""
        for one in self.series:
            if one.layer.shape is Shape.BAND or (one.layer.shape is Shape.LINE and (one.lo or one.hi)):
                self._draw_band(one)
        for one in self.series:
            if one.layer.shape is Shape.BARS:
                self._draw_bars(one)
            elif one.layer.shape is Shape.BOXES:
                self._draw_boxes(one)
        for one in self.series:
            if one.layer.shape in _LINES:
                self._draw_line(one)
        return self._draw_points([one for one in self.series if one.is_marked])

    # -- from values to px -------------------------------------------------------------------------------------

    def _point(self, at: float, value: float) -> tuple[float, float]:
        return (
            (self.frame.x(value), self.frame.y(at)) if self.plan.is_turned else (self.frame.x(at), self.frame.y(value))
        )

    def _across(self, px: float, start: float, stop: float, thick: float) -> tuple[float, float, float, float]:
        """The rectangle (left, top, width, height) around ``px`` of the base axis, from one value's px to another's."""
        low, high = sorted((start, stop))
        if self.plan.is_turned:
            return low, px - thick / 2, high - low, thick
        return px - thick / 2, low, thick, high - low

    def _base_px(self, at: float) -> float:
        return self.frame.y(at) if self.plan.is_turned else self.frame.x(at)

    def _value_px(self, value: float) -> float:
        return self.frame.x(value) if self.plan.is_turned else self.frame.y(value)

    def _titles(self, one: Series, indices: Sequence[int]) -> tuple[list[str], list[str | None]]:
        if not self.has_titles:
            return [], []
        texts = [point_text(self.plan, one, index) for index in indices]
        return texts, [ref_text(ref_of(one.layer, index)) for index in indices]

    def _thickness(self, one: Series) -> float:
        places = [at for _, at, _ in numbers(one)]
        if self.plan.base.scale is Scale.CATEGORY:
            unit = abs(self._base_px(1.0) - self._base_px(0.0))
            return min(unit * one.width * _BAR_SHARE, _THICKEST_BAR)
        return min(bar_room([self._base_px(at) for at in places]) * _BAR_SHARE, _THICKEST_BAR)

    # -- shapes ------------------------------------------------------------------------------------------------

    def _draw_band(self, one: Series) -> None:
        for run in _runs(one):
            upper = [self._point(at, hi) for at, _, hi in run]
            lower = [self._point(at, lo) for at, lo, _ in reversed(run)]
            self.canvas.polygon([*upper, *lower], **band_style(self.canvas, one))

    def _draw_line(self, one: Series) -> None:
        points: list[tuple[float, float]] = []
        for at, value in zip(one.at, one.value, strict=True):
            points.append(_NAN if at is None or value is None else self._point(at, value))
        if one.layer.shape is Shape.STEPS:
            points = list(step_corners(points, is_early=is_early_front(self.plan, one)))
        if not self.plan.is_turned and len(points) > self.frame.width:
            points = thin_line(points)
        self.canvas.line([x for x, _ in points], [y for _, y in points], **line_style(self.canvas, one))

    def _draw_bars(self, one: Series) -> None:
        ticks = self.plan.x_ticks if self.plan.is_turned else self.plan.y_ticks
        zero = ticks.low if ticks.is_log else min(max(0.0, ticks.low), ticks.high)
        thick = self._thickness(one)
        style = fill_style(self.canvas, one)
        for index, at, value in numbers(one):
            px = self._base_px(at + one.offset)
            texts, refs = self._titles(one, [index])
            first, last = map(self._value_px, one.span(index, value, zero))
            area = self._across(px, first, last, thick)
            self.canvas.rectangle(
                *area, title=texts[0] if texts else None, ref=refs[0] if refs else None, **style
            )  # fmt: skip
            if not one.layer.is_usable:
                draw_cross(self.canvas, area)
        if not one.base:
            self._draw_intervals(one, role="ink")

    def _draw_boxes(self, one: Series) -> None:
        thick = min(self._thickness(one), 34.0)
        style = fill_style(self.canvas, one)
        colour = self.canvas.theme.colour(one.colour)
        for index, at, value in numbers(one):
            px = self._base_px(at + one.offset)
            ends = interval(one, index) or (value, value)
            if one.whiskers:
                low, high = one.whiskers[index]
                stems = [(low, ends[0]), (ends[1], high)]
                areas = [self._across(px, self._value_px(a), self._value_px(b), 0.0) for a, b in stems]
                caps = [self._across(px, self._value_px(end), self._value_px(end), thick * 0.4) for end in (low, high)]
                self.canvas.segments([_diagonal(area) for area in (*areas, *caps)], edgecolor=colour, linewidth=1.2)
            texts, refs = self._titles(one, [index])
            area = self._across(px, self._value_px(ends[0]), self._value_px(ends[1]), thick)
            self.canvas.rectangle(
                *area, title=texts[0] if texts else None, ref=refs[0] if refs else None, **style
            )  # fmt: skip
            middle = _diagonal(self._across(px, self._value_px(value), self._value_px(value), thick))
            self.canvas.segments([middle], edgecolor=colour, linewidth=2.4)
            if not one.layer.is_usable:
                draw_cross(self.canvas, area)

    def _draw_intervals(self, one: Series, *, role: str) -> None:
        stems, caps = [], []
        for index, at, _ in numbers(one):
            ends = interval(one, index)
            if ends is None:
                continue
            px = self._base_px(at + one.offset)
            low, high = self._value_px(ends[0]), self._value_px(ends[1])
            stems.append(_diagonal(self._across(px, low, high, 0.0)))
            caps += [_diagonal(self._across(px, end, end, 5.0)) for end in (low, high)]
        colour = self.canvas.theme.colour(role)
        alpha = 0.65 if len(stems) <= _CROWDED else 0.3
        self.canvas.segments(stems, edgecolor=(colour, alpha), linewidth=1.3)
        if len(stems) <= _CROWDED // 4:
            self.canvas.segments(caps, edgecolor=(colour, alpha), linewidth=1.3)

    def _draw_points(self, marked: Sequence[Series]) -> tuple[str, ...]:
        points = [[self._point(at + one.offset, value) for _, at, value in numbers(one)] for one in marked]
        kept, grid = thin_marks(points)
        scale = next(scale for most, scale in _SCALES if self.count <= most)
        for one in marked:
            self._draw_intervals(one, role=one.colour)
        for one, places, chosen in zip(marked, points, kept, strict=True):
            indices = [index for index, _, _ in numbers(one)]
            texts, refs = self._titles(one, [indices[place] for place in chosen])
            draw_marks(self.canvas, one, [places[place] for place in chosen], texts, refs, scale=scale)
        if not grid:
            return ()
        drawn, total = sum(map(len, kept)), sum(map(len, points))
        said = f"{format_number(drawn)} of {format_number(total)} marks are drawn"
        return (f"{said}: neighbours within {format_number(grid)} px are one.",)


def _is_filled(one: Series) -> bool:
    return one.layer.shape in {Shape.BARS, Shape.BOXES}


def _runs(one: Series) -> Iterator[list[tuple[float, float, float]]]:
    """Stretches of a band without a gap: place, lower and upper end."""
    run: list[tuple[float, float, float]] = []
    for index, at in enumerate(one.at):
        ends = interval(one, index)
        if at is None or ends is None:
            if run:
                yield run
            run = []
        else:
            run.append((at, *ends))
    if run:
        yield run


def _diagonal(area: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, width, height = area
    return left, top, left + width, top + height
