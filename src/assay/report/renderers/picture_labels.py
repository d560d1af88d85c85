"""Names beside points, where there are few enough to read: each at the first free place around its point.

May import: report.values, canvas, plan, lettering, picture_frame.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from assay.report.cleaning import clean_line
from assay.report.renderers.canvas import Canvas
from assay.report.renderers.lettering import SMALL
from assay.report.renderers.picture_frame import Frame
from assay.report.renderers.plan import Plan, Series, is_early_front, numbers, step_corners
from assay.report.values import FigureKind, Role, Shape

_NAMED_KINDS = frozenset({FigureKind.ROOFLINE, FigureKind.PARETO})
_MOST_NAMED = 24
_LONGEST = 150.0
_HALF_MARK = 5.0
_LINE_STEP = 5.0
_MOST_BOXES = 400
_FIRST = frozenset({Role.FRONT, Role.HIGHLIGHT})
Box = tuple[float, float, float, float]


def draw_point_names(canvas: Canvas, frame: Frame, plan: Plan) -> None:
    """Name the points of a roofline or Pareto figure, a front's first; one that finds no place has a title only."""
    if plan.figure.kind not in _NAMED_KINDS:
        return
    series = [one for one in plan.series if one.is_marked]
    points = [
        (one.layer.role not in _FIRST, frame.x(at), frame.y(value), clean_line(one.layer.labels[index]))
        for one in series
        for index, at, value in numbers(one)
        if one.layer.labels
    ]
    taken: list[Box] = [(x - _HALF_MARK, y - _HALF_MARK, x + _HALF_MARK, y + _HALF_MARK) for _, x, y, _ in points]
    taken += [box for one in plan.series if not one.is_marked for box in _along(frame, one, plan)]
    named: set[str] = set()
    for _, x, y, name in sorted(points, key=lambda point: point[0]):
        if name in named or not name or len(named) >= _MOST_NAMED:
            continue
        text = canvas.ruler.fit(name, _LONGEST, SMALL)
        found = _free_place(x, y, canvas.ruler.width(text, SMALL), frame, taken)
        if found is None:
            continue
        left, baseline, box = found
        taken.append(box)
        named.add(name)
        canvas.text(left, baseline, text, size=SMALL, role="ink", title=name if text != name else None)


def _along(frame: Frame, one: Series, plan: Plan) -> Iterator[Box]:
    """Small boxes along a line, which names keep clear of."""
    corners = [(frame.x(at), frame.y(value)) for _, at, value in numbers(one)]
    if one.layer.shape is Shape.STEPS:
        corners = list(step_corners(corners, is_early=is_early_front(plan, one)))
    for (x0, y0), (x1, y1) in itertools.pairwise(corners):
        count = max(1, math.ceil(math.hypot(x1 - x0, y1 - y0) / _LINE_STEP))
        for number in range(min(count, _MOST_BOXES) + 1):
            x, y = x0 + (x1 - x0) * number / count, y0 + (y1 - y0) * number / count
            yield x - 1, y - 1, x + 1, y + 1


def _free_place(
    x: float, y: float, width: float, frame: Frame, taken: Sequence[Box]
) -> tuple[float, float, Box] | None:
    """The first place around a point that is inside the frame and free: left end, baseline, and the box it takes."""
    near, up, down = 7.0, -5.0, SMALL + 4.0
    for left, baseline in (
        (x + near, y + SMALL * 0.35), (x + near, y + up), (x + near, y + down), (x - near - width, y + SMALL * 0.35),
        (x - near - width, y + up), (x - near - width, y + down), (x - width / 2, y + up - 3),
        (x - width / 2, y + down + 3),
    ):  # fmt: skip
        box = (left - 1, baseline - SMALL, left + width + 1, baseline + 2)
        inside = box[0] >= frame.left and box[2] <= frame.right + 8 and box[1] >= frame.top and box[3] <= frame.bottom
        if inside and not any(_overlaps(box, other) for other in taken):
            return left, baseline, box
    return None


def _overlaps(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
