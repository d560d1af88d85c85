"""The frame of a plot: where values lie in px, the grid, what stands along the axes.

May import: core, report.values, canvas, lettering, plan, ticks, picture_words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.report.cleaning import clean_line
from assay.report.renderers.canvas import Canvas
from assay.report.renderers.lettering import BODY, Ruler
from assay.report.renderers.picture_words import MARGIN, Strip
from assay.report.renderers.plan import Plan
from assay.report.renderers.plan_words import axis_direction, axis_title
from assay.report.renderers.ticks import Ticks
from assay.report.values import Axis, Scale

_GAP = 8.0
_TILT = 38.0
_TILTED_LIMIT = 120.0
_MOST_LINES = 3
_LONGEST_BROKEN = 60
_NAMES_SHARE = 0.36
"""Share of a picture's width that names along the upright axis may take."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle that values are drawn in, and from values to px."""

    left: float
    top: float
    width: float
    height: float
    x_ticks: Ticks
    y_ticks: Ticks

    @property
    def right(self) -> float:
        """The px of the right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The px of the lower edge."""
        return self.top + self.height

    def x(self, value: float) -> float:
        """The px of a value along x."""
        return self.left + self.width * self.x_ticks.share(value)

    def y(self, value: float) -> float:
        """The px of a value along y."""
        return self.bottom - self.height * self.y_ticks.share(value)


@dataclass(frozen=True, slots=True)
class Names:
    """How the labels of the flat axis are written: all or each ``every``-th, in lines or tilted, and what they take."""

    texts: tuple[tuple[str, ...], ...]
    is_tilted: bool
    every: int
    height: float


def fit_names(ruler: Ruler, ticks: Ticks, width: float, *, is_category: bool, left: float = MARGIN) -> Names:
    """Fit the labels of the flat axis into its width, which begins at ``left``.

    Names are broken into lines, else tilted and shortened; of numbers those that would touch are left out.
    """
    texts = tuple(clean_line(label) for label in ticks.labels)
    if not is_category:
        every = 1
        while every < len(texts) and _touch(ruler, ticks, texts, width, every):
            every += 1
        return Names(tuple((text,) for text in texts), is_tilted=False, every=every, height=BODY * 1.5)
    room = width / max(1, len(texts)) - _GAP
    if lines := _broken(ruler, texts, room):
        return Names(lines, is_tilted=False, every=1, height=BODY * (0.25 + 1.25 * max(map(len, lines), default=1)))
    cosine, sine = math.cos(math.radians(_TILT)), math.sin(math.radians(_TILT))
    shown = tuple(
        ruler.fit(text, min(_TILTED_LIMIT, (left + width * ticks.share(place) - 4) / cosine))
        for place, text in zip(ticks.places, texts, strict=True)
    )
    every = max(1, math.ceil(BODY * 1.5 / (width / len(texts))))
    tallest = max(ruler.width(text) for text in shown) * sine + BODY
    return Names(tuple((text,) for text in shown), is_tilted=True, every=every, height=tallest + 4)


def _broken(ruler: Ruler, texts: Sequence[str], room: float) -> tuple[tuple[str, ...], ...] | None:
    """Names in at most three lines each, of whole words; None where one does not fit."""
    found = []
    for text in texts:
        if len(text) > _LONGEST_BROKEN:
            return None
        lines = tuple(ruler.wrap(text, room, BODY, most=_MOST_LINES + 1))
        if len(lines) > _MOST_LINES or any("…" in line and "…" not in text for line in lines):
            return None
        found.append(lines or ("",))
    return tuple(found)


def _touch(ruler: Ruler, ticks: Ticks, texts: Sequence[str], width: float, every: int) -> bool:
    end = -math.inf
    for place, text in list(zip(ticks.places, texts, strict=True))[::every]:
        half = ruler.width(text) / 2
        middle = width * ticks.share(place)
        if middle - half < end + _GAP:
            return True
        end = middle + half
    return False


def upright_room(ruler: Ruler, ticks: Ticks, width: float) -> tuple[tuple[str, ...], float]:
    """The labels of the upright axis as they fit, and the px that they take."""
    shown = tuple(ruler.fit(label, width * _NAMES_SHARE) for label in ticks.labels)
    return shown, max((ruler.width(text) for text in shown), default=0.0) + _GAP


def draw_grid(canvas: Canvas, frame: Frame, plan: Plan) -> None:
    """Draw fine lines at the ticks of numbers; none between names, where they would say nothing."""
    grid = canvas.theme.colour("grid")
    if plan.y.scale is not Scale.CATEGORY:
        ends = [(frame.left, frame.y(place), frame.right, frame.y(place)) for place in frame.y_ticks.places]
        canvas.segments(ends, edgecolor=grid, linewidth=0.9)
    if plan.x.scale is not Scale.CATEGORY:
        ends = [(frame.x(place), frame.top, frame.x(place), frame.bottom) for place in frame.x_ticks.places]
        canvas.segments(ends, edgecolor=grid, linewidth=0.9)


def draw_edges(canvas: Canvas, frame: Frame) -> None:
    """Draw the lines that the axes lie along, and small ticks where a logarithmic axis has values without labels."""
    rule = canvas.theme.colour("rule")
    edges = [(frame.left, frame.bottom, frame.right, frame.bottom), (frame.left, frame.top, frame.left, frame.bottom)]
    edges += [(frame.x(place), frame.bottom, frame.x(place), frame.bottom + 3) for place in frame.x_ticks.minor]
    edges += [(frame.left - 3, frame.y(place), frame.left, frame.y(place)) for place in frame.y_ticks.minor]
    canvas.segments(edges, edgecolor=rule, linewidth=1.0)


def draw_upright_labels(canvas: Canvas, frame: Frame, shown: Sequence[str]) -> None:
    """Write the labels of the upright axis; of names that stand closer than a line, each so many-th."""
    ticks = frame.y_ticks
    step = frame.height / max(1, len(shown))
    every = max(1, math.ceil(BODY / step)) if len(shown) > 1 and ticks.places == tuple(range(len(shown))) else 1
    for place, text, label in list(zip(ticks.places, shown, ticks.labels, strict=True))[::every]:
        title = clean_line(label) if text != clean_line(label) else None
        canvas.text(frame.left - _GAP, frame.y(place) + BODY * 0.35, text, at="right", role="muted", title=title)


def draw_flat_labels(canvas: Canvas, frame: Frame, names: Names) -> None:
    """Write the labels of the flat axis."""
    ticks = frame.x_ticks
    for place, lines, label in list(zip(ticks.places, names.texts, ticks.labels, strict=True))[:: names.every]:
        title = clean_line(label) if " ".join(lines) != clean_line(label) else None
        if names.is_tilted:
            x = frame.x(place) + 4
            canvas.text(x, frame.bottom + BODY + 3, lines[0], at="right", role="muted", rotation=_TILT, title=title)
            continue
        for number, line in enumerate(lines):
            # The last label may stand at the very edge of the axis, and is moved to stay on the paper.
            x = min(frame.x(place), canvas.width - 3 - canvas.ruler.width(line) / 2)
            baseline = frame.bottom + BODY + 5 + number * BODY * 1.25
            canvas.text(x, baseline, line, at="center", role="muted", title=title)


def titles_of(plan: Plan) -> tuple[tuple[str, str], tuple[str, str]]:
    """Title and direction of the flat and of the upright axis."""
    return _words(plan.x, plan.x_ticks, is_upright=False), _words(plan.y, plan.y_ticks, is_upright=True)


def _words(axis: Axis, ticks: Ticks, *, is_upright: bool) -> tuple[str, str]:
    return axis_title(axis, ticks), axis_direction(axis, is_upright=is_upright)


def heading_strip(ruler: Ruler, width: float, words: tuple[str, str]) -> Strip | None:
    """The title of the upright axis, above it and level, so that it is read as the rest is."""
    title, direction = words
    if not title and not direction:
        return None
    room = width - 2 * MARGIN - ruler.width(direction) - 12
    shown = ruler.fit(title, room)

    def draw(canvas: Canvas, top: float) -> None:
        canvas.text(MARGIN, top + BODY, shown, title=title if shown != title else None)
        canvas.text(MARGIN + ruler.width(shown) + 12, top + BODY, direction, role="muted")

    return Strip(BODY + 10, draw)


def draw_flat_title(canvas: Canvas, frame: Frame, words: tuple[str, str], baseline: float) -> None:
    """Write the title of the flat axis under it, ending at its right edge."""
    title, direction = words
    ruler = canvas.ruler
    wide = ruler.width(direction)
    canvas.text(frame.right, baseline, direction, at="right", role="muted")
    end = frame.right - (wide + 12 if direction else 0)
    shown = ruler.fit(title, end - MARGIN)
    canvas.text(end, baseline, shown, at="right", title=title if shown != title else None)
