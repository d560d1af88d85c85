"""Correlations within the same work, as a figure and a table. May import: core, analysis, report."""

from __future__ import annotations

from collections.abc import Sequence

from assay.analysis.kpi import Correlated, KpiColumn, KpiFrame
from assay.report.display import format_plain
from assay.report.kinds._over_many import cut, say_rows_cut
from assay.report.values import Axis, Cell, Column, Figure, FigureKind, Heat, Scale, Table
from assay.report.wording import say_count

_MOST_ROWS = 200


def correlation_cell(found: Correlated, *, is_same: bool = False) -> Cell:
    """One correlation, with its interval and what it is over."""
    if is_same:
        return Cell(1.0, n=found.n, reason="with itself")
    over = f"{found.n} rows of {found.subjects} kinds of work on {found.devices} devices"
    if found.subjects == 0:
        over = f"{found.devices} devices"
    if found.r is None:
        return Cell(n=found.n, reason=f"{found.reason} ({over})")
    return Cell(found.r, lo=found.lo, hi=found.hi, n=found.n, reason=over)


def draw_correlations(frame: KpiFrame, found: Sequence[Sequence[Correlated]]) -> Figure:
    """Draw the matrix of correlations, from -1 to 1, of the numbers that go with any other."""
    kept = [
        place
        for place, line in enumerate(found)
        if any(one.r is not None for other, one in enumerate(line) if other != place)
    ]
    lonely = [column.title for place, column in enumerate(frame.columns) if place not in kept]
    found = [[found[row][place] for place in kept] for row in kept]
    titles = tuple(frame.columns[place].title for place in kept)
    axis = Axis("number", scale=Scale.CATEGORY, categories=titles)
    cells = tuple(
        tuple(correlation_cell(one, is_same=row == place) for place, one in enumerate(line))
        for row, line in enumerate(found)
    )
    known = [
        (one.r, titles[row], titles[place])
        for row, line in enumerate(found)
        for place, one in enumerate(line)
        if place > row and one.r is not None
    ]
    if not known:
        why = "No two numbers have enough rows in common."
        return Figure(
            "correlation", FigureKind.CORRELATION, "Which numbers go together", axis, axis, alt=why, empty=why
        )
    strongest = sorted(known, key=lambda one: -abs(one[0]))[:3]
    said = "; ".join(f"{one} with {other} {format_plain(r, 2)}" for r, one, other in strongest)
    blank = sum(one.r is None for row, line in enumerate(found) for place, one in enumerate(line) if place > row)
    notes = [f"{say_count(blank, 'pair')} left blank: too few rows or devices have both."] if blank else []
    if lonely:
        notes.append(f"Not drawn, as nothing else is known beside them often enough: {', '.join(lonely)}.")
    missed = format_plain(0.05 * len(known), 2)
    notes.append(f"Each interval holds at 95 % by itself: of {len(known)} about {missed} miss by chance.")
    return Figure(
        "correlation", FigureKind.CORRELATION, "Which numbers go together", axis, axis,
        heat=Heat(cells, None, "correlation of logarithms within the same work", limits=(-1.0, 1.0)),
        caption="1: they rise together in proportion; -1: one falls as the other rises; 0: neither.",
        alt=f"Correlations of {say_count(len(titles), 'number')}, {len(known)} pairs known. Strongest: {said}.",
        notes=tuple(notes),
    )  # fmt: skip


def correlations_table(frame: KpiFrame, found: Sequence[Sequence[Correlated]], limit: int) -> Table:
    """A row for each pair of which at most one is of a data sheet, the strongest first."""
    pairs = [
        (frame.columns[row], frame.columns[place], one)
        for row, line in enumerate(found)
        for place, one in enumerate(line)
        if place > row and not (frame.columns[row].is_spec and frame.columns[place].is_spec)
    ]
    ordered = sorted(pairs, key=lambda pair: (pair[2].r is None, -abs(pair[2].r or 0.0), pair[0].title, pair[1].title))
    kept, left = cut(ordered, min(limit, _MOST_ROWS))
    columns = (
        Column("one", "number"),
        Column("other", "with"),
        Column("r", "correlation", description="Of logarithms within the same work; interval by Fisher's z"),
        Column("rows", "rows", description="Numbers of one kind of work on one device that have both"),
        Column("subjects", "kinds of work"),
        Column("devices", "devices"),
    )
    rows = [
        (
            Cell(_name(one)), Cell(_name(other)), correlation_cell(cell), Cell(cell.n), Cell(cell.subjects),
            Cell(cell.devices),
        )
        for one, other, cell in kept
    ]  # fmt: skip
    return Table(
        "correlations", "Pairs, the strongest first", columns, tuple(rows),
        caption="Pairs of two data-sheet figures stand in the figure only.",
        notes=say_rows_cut(left, len(pairs), "pairs"), rows_left_out=left,
    )  # fmt: skip


def _name(column: KpiColumn) -> str:
    return f"{column.title} (data sheet)" if column.is_spec else column.title
