"""What is to be drawn of a figure, before any library: numbers along two axes, and their looks.

Pictures, interactive plots and plots in text all draw this, so colours, shapes and ticks are the same in each (their
words are in ``plan_words``). Values stay in base units, times are seconds since 1970. May import: core, report.values,
report.cleaning, report.palette, ticks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from assay.core.words import Direction
from assay.report.cleaning import clean_line
from assay.report.palette import Look, colour_roles, look_of
from assay.report.renderers.ticks import Ticks, choose_ticks, top_down
from assay.report.renderers.time_ticks import seconds_of
from assay.report.values import Axis, Figure, FigureKind, Layer, Marker, Role, Scale, Shape

Number = float | None
_SIDE_BY_SIDE = frozenset({Shape.BARS, Shape.BOXES, Shape.POINTS})
_SLOTS_SHARE = 0.8
"""Share of a category's room that its bars fill together."""
_TEXT_LIMIT = 400


@dataclass(frozen=True, slots=True)
class Series:
    """One layer, ready to be drawn.

    ``at`` are places along the base axis, ``value`` numbers along the other; ``lo``, ``hi`` and ``whiskers`` belong to
    the values; each is empty or as long as ``at``. ``offset`` and ``width`` say where a bar or box stands, ``base`` on
    what: bars are drawn from there, as long as their value.
    """

    layer: Layer
    name: str
    colour: str
    look: Look
    at: tuple[Number, ...]
    value: tuple[Number, ...]
    lo: tuple[Number, ...]
    hi: tuple[Number, ...]
    whiskers: tuple[tuple[float, float], ...]
    offset: float = 0.0
    width: float = _SLOTS_SHARE
    base: tuple[float, ...] = ()

    def span(self, index: int, value: float, zero: float) -> tuple[float, float]:
        """From where to where a bar goes; ``zero`` is where one begins that stands on nothing."""
        return (self.base[index], self.base[index] + value) if self.base else (zero, value)

    @property
    def is_marked(self) -> bool:
        """True where each value has a mark of its own."""
        return self.layer.shape in {Shape.POINTS, Shape.LINE_POINTS}


@dataclass(frozen=True, slots=True)
class Line:
    """A line across the figure: ``is_upright`` as it is drawn, after turning."""

    is_upright: bool
    at: float
    label: str
    role: Role


@dataclass(frozen=True, slots=True)
class Plan:
    """A figure laid out. ``is_turned``: values run along x and the base axis is upright.

    ``x`` and ``y`` are the axes as drawn, with ``x_ticks`` and ``y_ticks``.
    """

    figure: Figure
    is_turned: bool
    x: Axis
    y: Axis
    x_ticks: Ticks
    y_ticks: Ticks
    series: tuple[Series, ...]
    lines: tuple[Line, ...]

    @property
    def base(self) -> Axis:
        """The axis that places lie along."""
        return self.y if self.is_turned else self.x

    @property
    def values(self) -> Axis:
        """The axis that values lie along."""
        return self.x if self.is_turned else self.y

    @property
    def is_empty(self) -> bool:
        """True where there is nothing to draw."""
        return not any(numbers(one) for one in self.series) and self.figure.heat is None


def make_plan(figure: Figure, *, can_turn: bool = False, x_count: int = 7, y_count: int = 6) -> Plan:
    """Lay a figure out. ``can_turn``: names along x do not fit, so bars, boxes and points may lie on their side."""
    is_named = figure.y.scale is Scale.CATEGORY and figure.x.scale is not Scale.CATEGORY
    shapes = {layer.shape for layer in figure.layers}
    is_list = figure.x.scale is Scale.CATEGORY and shapes <= {*_SIDE_BY_SIDE, Shape.BAND}
    turns = is_list and not is_named and (can_turn or figure.kind is FigureKind.COMPARISON)
    series = _place_side_by_side(_read_layers(figure, is_named=is_named), figure.y if is_named else figure.x)
    x, y = (figure.y, figure.x) if turns else (figure.x, figure.y)
    is_turned = is_named or turns
    read = (_read_marker(marker, is_turned=turns) for marker in figure.markers)
    lines = tuple(line for line in read if _has_place(line, x if line.is_upright else y))
    base = [*_bases(series), *(line.at for line in lines if line.is_upright is not is_turned)]
    values = [*_extents(series), *(line.at for line in lines if line.is_upright is is_turned)]
    has_bars = Shape.BARS in shapes
    base_ticks = choose_ticks(y if is_turned else x, base, count=y_count if is_turned else x_count)
    value_ticks = choose_ticks(
        x if is_turned else y, values, count=x_count if is_turned else y_count, from_zero=has_bars
    )
    if is_turned and base_ticks.labels and y.scale is Scale.CATEGORY:
        base_ticks = top_down(base_ticks)
    x_ticks, y_ticks = (value_ticks, base_ticks) if is_turned else (base_ticks, value_ticks)
    return Plan(figure, is_turned, x, y, x_ticks, y_ticks, series, lines)


def numbers(series: Series) -> list[tuple[int, float, float]]:
    """The points of a series that can be drawn: index, place and value (of a band, the middle of its ends)."""
    found = []
    for index, at in enumerate(series.at):
        value = series.value[index] if series.value else middle(series, index)
        if at is not None and value is not None:
            found.append((index, at, value))
    return found


def interval(series: Series, index: int) -> tuple[float, float] | None:
    """The two ends of a value's interval; None where an end is not known."""
    lo = series.lo[index] if series.lo else None
    hi = series.hi[index] if series.hi else None
    return None if lo is None or hi is None else (lo, hi)


def step_corners(points: Sequence[tuple[float, float]], *, is_early: bool) -> Iterator[tuple[float, float]]:
    """Corners between points: a value holds until the next place, or (early) since the one before."""
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        yield x0, y0
        yield (x0, y1) if is_early else (x1, y0)
    if points:
        yield points[-1]


def is_early_front(plan: Plan, series: Series) -> bool:
    """True for a front along an axis where more is better: what a point reaches, all before it reach too."""
    return series.layer.role is Role.FRONT and plan.base.direction is Direction.HIGHER


def _read_layers(figure: Figure, *, is_named: bool) -> list[Series]:
    colours = colour_roles(figure.layers)
    is_log = (figure.x if is_named else figure.y).scale is Scale.LOG
    is_log_base = (figure.y if is_named else figure.x).scale is Scale.LOG
    found = []
    for layer, colour in zip(figure.layers, colours, strict=True):
        along_x = tuple(_number(value) for value in layer.x)
        at, value = (tuple(map(_number, layer.y)), along_x) if is_named else (along_x, tuple(map(_number, layer.y)))
        found.append(
            Series(
                layer, clean_line(layer.label)[:_TEXT_LIMIT], colour, look_of(layer.provenance),
                _drawable(at, is_log=is_log_base), _drawable(value, is_log=is_log),
                _drawable(map(_number, layer.lo), is_log=is_log), _drawable(map(_number, layer.hi), is_log=is_log),
                layer.whiskers, base=layer.base,
            )
        )  # fmt: skip
    return found


def _number(value: float | datetime | None) -> Number:
    if value is None:
        return None
    number = seconds_of(value) if isinstance(value, datetime) else float(value)
    return number if math.isfinite(number) else None


def _drawable(values: Iterable[Number], *, is_log: bool) -> tuple[Number, ...]:
    """A logarithmic axis has no place for zero and below: not known to it."""
    return tuple(None if value is None or (is_log and value <= 0) else value for value in values)


def _read_marker(marker: Marker, *, is_turned: bool) -> Line:
    at = seconds_of(marker.at) if isinstance(marker.at, datetime) else float(marker.at)
    return Line((marker.axis == "x") is not is_turned, at, clean_line(marker.label)[:_TEXT_LIMIT], marker.role)


def _has_place(line: Line, axis: Axis) -> bool:
    return math.isfinite(line.at) and (axis.scale is not Scale.LOG or line.at > 0)


def _bases(series: Iterable[Series]) -> Iterator[float]:
    for one in series:
        drawn = numbers(one)
        for _, at, _ in drawn:
            yield at
        if one.layer.shape is Shape.BARS and one.offset == 0 and len(drawn) > 1:
            room = bar_room([at for _, at, _ in drawn]) / 2
            yield drawn[0][1] - room
            yield drawn[-1][1] + room


def bar_room(places: Sequence[float]) -> float:
    """The room that a bar has along an axis of numbers: the least distance of two."""
    ordered = sorted(set(places))
    return min((after - before for before, after in itertools.pairwise(ordered)), default=1.0)


def _extents(series: Iterable[Series]) -> Iterator[float]:
    for one in series:
        for index, _, value in numbers(one):
            yield one.span(index, value, 0.0)[1]
            yield from (interval(one, index) or ()) if not one.base else ()
            if one.whiskers:
                yield from one.whiskers[index]


def middle(series: Series, index: int) -> Number:
    """The middle of an interval; None where an end is not known."""
    ends = interval(series, index)
    return None if ends is None else (ends[0] + ends[1]) / 2


def _place_side_by_side(series: Sequence[Series], base: Axis) -> tuple[Series, ...]:
    """On a category axis, move layers that have the same category apart: each shape by itself, in order.

    Bars that stand on others keep their place.
    """
    if base.scale is not Scale.CATEGORY:
        return tuple(series)
    slots: dict[Shape, list[set[int]]] = {}
    slot_of: dict[int, int] = {}
    for number, one in enumerate(series):
        if one.layer.shape not in _SIDE_BY_SIDE or one.layer.role not in {Role.DATA, Role.HIGHLIGHT} or one.base:
            continue
        places = {round(at) for at in one.at if at is not None}
        taken = slots.setdefault(one.layer.shape, [])
        slot = next((slot for slot, there in enumerate(taken) if not there & places), len(taken))
        if slot == len(taken):
            taken.append(set())
        taken[slot] |= places
        slot_of[number] = slot
    placed = []
    for number, one in enumerate(series):
        if number not in slot_of:
            placed.append(one)
            continue
        count = len(slots[one.layer.shape])
        width = _SLOTS_SHARE / count
        placed.append(replace(one, offset=(slot_of[number] - (count - 1) / 2) * width, width=width))
    return tuple(placed)
