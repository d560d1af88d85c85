"""Names with values as text: a row for each, bars from zero, points with their intervals, the numbers behind them.

May import: report.values, report.display, report.text_width, plan, textgrid, textplot_words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assay.core.units import MISSING
from assay.report.display import format_interval, format_number
from assay.report.renderers.plan import Plan, Series, interval, numbers
from assay.report.renderers.textgrid import Grid
from assay.report.renderers.textplot_words import choose_signs, cut, foot, heading, legend, line_names, tick_line
from assay.report.text_width import pad, text_width
from assay.report.values import Shape

MOST_ROWS = 60
_LEAST_PLOT = 16
_HALF = 0.5
"""Half of the room that a name has along its axis."""
_EIGHTHS = "▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class _Row:
    """The values of one series under one name: one, but of points as many as there are."""

    name: str
    series: Series
    indices: tuple[int, ...]


def row_lines(plan: Plan, width: int) -> list[str]:
    """Return the lines of a plot whose upright axis is one of names."""
    everything = [row for place in range(len(plan.y.categories)) for row in _rows_of(plan, place)]
    rows = everything[:MOST_ROWS]
    signs = choose_signs(plan)
    told = [_told(plan, row) for row in rows]
    names = [cut(row.name, width // 3) for row in rows]
    margin = max(map(text_width, names), default=0)
    behind = max(map(text_width, told), default=0) + 1
    inner = width - margin - 2 - behind
    if inner < _LEAST_PLOT:
        told, inner = [""] * len(told), width - margin - 2
    lines = heading(plan.y, plan.y_ticks, width, is_upright=True)
    for name, row, text in zip(names, rows, told, strict=True):
        grid = Grid(inner, 1)
        for line in plan.lines:
            if line.is_upright:
                grid.rule(plan.x_ticks.share(line.at), is_upright=True)
        for low, high in _bands(plan, row):
            grid.row(plan.x_ticks.share(low), plan.x_ticks.share(high), "░")
        for index in row.indices:
            _draw(grid, plan, row.series, index, signs[id(row.series)])
        lines.append(f"{pad(name, margin)} │{grid.lines()[0]} {text}")
    lines.append(" " * margin + " └" + "─" * inner)
    lines.append(" " * (margin + 2) + tick_line(plan.x_ticks, inner))
    if len(everything) > len(rows):
        lines.append(f"{format_number(len(everything) - len(rows))} more rows are not drawn.")
    return [
        *lines, *foot(plan.x, plan.x_ticks, margin + 2 + inner), *legend(plan, signs, width), *line_names(plan, width),
    ]  # fmt: skip


def _rows_of(plan: Plan, place: int) -> Iterator[_Row]:
    name = plan.y.categories[place]
    for one in plan.series:
        if one.layer.shape is Shape.BAND:
            continue
        indices = tuple(index for index, at, _ in numbers(one) if round(at) == place)
        groups = [indices] if one.layer.shape is Shape.POINTS else [(index,) for index in indices]
        for group in groups:
            if group:
                yield _Row(name, one, group)
                name = ""


def _bands(plan: Plan, row: _Row) -> Iterator[tuple[float, float]]:
    """What areas lie behind a row: the floor of a comparison, say."""
    place = row.series.at[row.indices[0]]
    for one in plan.series:
        if one.layer.shape is Shape.BAND and place is not None:
            near = [index for index, at, _ in numbers(one) if abs(at - place) <= _HALF]
            yield from (ends for index in near[:1] if (ends := interval(one, index)) is not None)


def _draw(grid: Grid, plan: Plan, one: Series, index: int, sign: str) -> None:
    ticks = plan.x_ticks
    value = one.value[index]
    if value is None:
        return
    share = ticks.share(value)
    if one.layer.shape is Shape.BARS:
        zero = 0.0 if ticks.is_log else min(max(ticks.share(0.0), 0.0), 1.0)
        if one.base:
            zero, share = map(ticks.share, one.span(index, value, 0.0))
        is_full = one.look.is_filled and one.layer.is_usable
        grid.row(zero, share, _EIGHTHS if is_full else "▒" if one.look.hatch else "░")
    elif ends := interval(one, index):
        if one.whiskers:
            grid.row(ticks.share(one.whiskers[index][0]), ticks.share(one.whiskers[index][1]), "─")
        grid.row(ticks.share(ends[0]), ticks.share(ends[1]), "━" if one.layer.shape is Shape.BOXES else "─")
    grid.put(share, 0.5, "┃" if one.layer.shape is Shape.BOXES else sign)


def _told(plan: Plan, row: _Row) -> str:
    """The number behind a row with its interval; of several how many they are."""
    one, index = row.series, row.indices[0]
    if len(row.indices) > 1:
        return f"{format_number(len(row.indices))} values"
    value = one.value[index]
    if value is None:
        return MISSING
    unit = plan.values.unit
    ends = interval(one, index)
    parts = [format_number(value, unit)]
    if ends is not None and one.layer.shape is not Shape.BOXES and (text := format_interval(*ends, unit)):
        parts.append(f"({text})")
    if not one.layer.is_usable:
        parts.append("not used")
    return " ".join(parts)
