"""A figure for a terminal or a log: letters on a grid, with axes, units and a legend.

Nothing is coloured, so nothing is said by colour: signs tell where numbers are from (● measured, ◇ imported,
△ predicted, ⊗ not used), or letters where several groups are drawn. ``cli/plot.py`` draws histories for ``assay
trend`` in more detail; this is every kind of figure at any width. May import: core, report.values, report.cleaning,
plan, textgrid, and the textplot_… modules beside it.
"""

from __future__ import annotations

from assay.report.renderers.plan import Plan, Series, interval, make_plan, numbers
from assay.report.renderers.textgrid import Grid, to_ascii
from assay.report.renderers.textplot_heat import heat_lines
from assay.report.renderers.textplot_rows import row_lines
from assay.report.renderers.textplot_words import LINES, choose_signs, cut, foot, heading, legend, line_names, tick_line
from assay.report.text_width import pad, text_width, wrap
from assay.report.values import Figure, Role, Scale, Shape

NARROWEST = 40
_ROWS = 14


def plot_figure(figure: Figure, width: int = 100, *, is_ascii: bool = False) -> str:
    """Return a figure as lines of text, none longer than ``width`` columns (of at least 40).

    Without title, caption and notes, which whoever asks for it writes. ``is_ascii``: for outputs that hold no Unicode.
    An empty figure is the sentence that says why it is empty.
    """
    width = max(width, NARROWEST)
    if figure.empty is None and figure.heat is not None and any(figure.heat.cells):
        lines = heat_lines(figure, figure.heat, width)
    else:
        lines = _plot_lines(figure, width)
    text = "\n".join(line.rstrip() for line in lines)
    return to_ascii(text) if is_ascii else text


def _plot_lines(figure: Figure, width: int) -> list[str]:
    plan = make_plan(figure, can_turn=True, x_count=max(2, width // 16))
    if figure.empty is not None or plan.is_empty:
        return wrap(cut(figure.empty or "There is nothing to draw.", 4 * width), width)
    if plan.is_turned and plan.y.scale is Scale.CATEGORY:
        return row_lines(plan, width)
    return _grid_lines(plan, width)


def _grid_lines(plan: Plan, width: int) -> list[str]:
    labels: dict[int, str] = {}
    for place, label in zip(plan.y_ticks.places, plan.y_ticks.labels, strict=True):
        row = min(_ROWS - 1, int((1 - plan.y_ticks.share(place)) * _ROWS))
        labels.setdefault(row, cut(label, width // 4))
    margin = max(map(text_width, labels.values()), default=0)
    grid = Grid(width - margin - 2, _ROWS)
    signs = choose_signs(plan)
    for line in plan.lines:
        ticks = plan.x_ticks if line.is_upright else plan.y_ticks
        grid.rule(ticks.share(line.at), is_upright=line.is_upright)
    for one in sorted(plan.series, key=_depth):
        _draw(grid, plan, one, signs[id(one)])
    rows = [f"{pad(labels.get(row, ''), margin, right=True)} │{line}" for row, line in enumerate(grid.lines())]
    return [
        *heading(plan.y, plan.y_ticks, width, is_upright=True), *rows, " " * margin + " └" + "─" * grid.width,
        " " * (margin + 2) + tick_line(plan.x_ticks, grid.width), *foot(plan.x, plan.x_ticks, width),
        *legend(plan, signs, width), *line_names(plan, width),
    ]  # fmt: skip


def _depth(one: Series) -> tuple[bool, bool, bool]:
    """What is drawn later covers what was there: bands, lines, marks, and above all what is highlighted."""
    return one.layer.role is Role.HIGHLIGHT, one.is_marked, one.layer.shape is not Shape.BAND


def _draw(grid: Grid, plan: Plan, one: Series, sign: str) -> None:
    x, y = plan.x_ticks, plan.y_ticks
    shape = one.layer.shape
    drawn = numbers(one)
    points = [(x.share(at + one.offset), y.share(value)) for _, at, value in drawn]
    if shape is Shape.BAND:
        _draw_band(grid, plan, one)
    elif shape is Shape.BARS:
        zero = 0.0 if y.is_log else min(max(y.share(0.0), 0.0), 1.0)
        for at, value in points:
            grid.column(at, zero, value, sign)
    elif shape is Shape.BOXES:
        for (index, _, value), (at, middle) in zip(drawn, points, strict=True):
            low, high = interval(one, index) or (value, value)
            if one.whiskers:
                grid.column(at, y.share(one.whiskers[index][0]), y.share(one.whiskers[index][1]), "│")
            grid.column(at, y.share(low), y.share(high), "█")
            grid.put(at, middle, "━")
    elif shape in LINES:
        grid.polyline(points, "·" if one.is_marked else sign, is_step=shape is Shape.STEPS)
    if one.is_marked:
        for at, value in points:
            grid.put(at, value, sign)


def _draw_band(grid: Grid, plan: Plan, one: Series) -> None:
    """Fill between the ends, from place to place: of two places all columns between them."""
    runs = [(at, ends) for index, at, _ in numbers(one) if (ends := interval(one, index)) is not None]
    for (at, ends), (after, later) in zip(runs, runs[1:] or runs, strict=False):
        first, last = plan.x_ticks.share(at), plan.x_ticks.share(after)
        count = max(1, round((last - first) * grid.width))
        for step in range(count + 1):
            share = step / count
            low, high = (start + share * (stop - start) for start, stop in zip(ends, later, strict=True))
            grid.column(
                first + share * (last - first), plan.y_ticks.share(low), plan.y_ticks.share(high), "░", is_over=False
            )
