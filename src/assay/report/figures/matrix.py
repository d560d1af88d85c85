"""A metric over two things at once: a heat map of, say, workloads and devices, with what is not known left blank.

May import: core, report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.core.words import Direction, Provenance
from assay.report.display import format_number
from assay.report.figures._layers import is_ranked, number_of
from assay.report.figures._words import empty_figure, join_sentences, say_better, say_name, say_reasons
from assay.report.values import Axis, Cell, Figure, FigureKind, Heat, Scale
from assay.report.wording import say_count

MOST_CELLS = 2_500
NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Entry:
    """One number and where it belongs."""

    row: str
    column: str
    cell: Cell


@dataclass(frozen=True, slots=True)
class Sides:
    """What the rows and the columns of a matrix are: ``workload`` and ``device``."""

    rows: str
    columns: str


def draw_matrix(  # noqa: PLR0913  (keyword-only)
    *,
    entries: Iterable[Entry],
    sides: Sides,
    title: str,
    metric: str,
    unit: str | None,
    direction: Direction,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    key: str = "matrix",
    most_rows: int = 60,
    most_columns: int = 40,
) -> Figure:
    """Draw a metric for each pair of a row and a column. Colours are logarithmic where all numbers are positive.

    ``rows`` and ``columns`` give the order, and those that have no number at all; others follow in order of appearance.
    Of several entries of one pair the first of the best kind counts: usable before not usable, measured before imported
    before predicted (each cell says which it is); so give the newest first. A pair without an entry is not measured.
    Beyond ``most_rows`` and ``most_columns`` those with the fewest numbers are left out, which a note says.
    """
    chosen, doubled = _choose(entries)
    all_rows = list(dict.fromkeys([*rows, *(row for row, _ in chosen)]))
    all_columns = list(dict.fromkeys([*columns, *(column for _, column in chosen)]))
    kept_rows = _fullest(all_rows, Counter(row for (row, _), cell in chosen.items() if _is_known(cell)), most_rows)
    most_columns = min(most_columns, max(1, MOST_CELLS // max(1, len(kept_rows))))
    kept_columns = _fullest(
        all_columns, Counter(column for (_, column), cell in chosen.items() if _is_known(cell)), most_columns
    )
    notes = [
        *_left_out(sides.rows, len(all_rows), len(kept_rows)),
        *_left_out(sides.columns, len(all_columns), len(kept_columns)),
    ]
    if doubled:
        each = f"{format_number(doubled)} of the cells have" if doubled > 1 else "One of the cells has"
        notes.append(
            f"{each} several results: the first that is usable counts, measured before imported before predicted."
        )
    x = Axis(sides.columns, scale=Scale.CATEGORY, categories=tuple(kept_columns))
    y = Axis(sides.rows, scale=Scale.CATEGORY, categories=tuple(kept_rows))
    grid = tuple(
        tuple(chosen.get((row, column), Cell(reason=NOT_MEASURED)) for column in kept_columns) for row in kept_rows
    )
    cells = [cell for line in grid for cell in line]
    known = [cell for cell in cells if _is_known(cell)]
    if not known:
        why = f"No pair of {sides.rows} and {sides.columns} has a number for {metric}."
        return empty_figure(key, FigureKind.MATRIX, title, x, y, why=why, notes=notes)
    values = [value for cell in known if (value := number_of(cell)) is not None]
    scale = Scale.LOG if min(values) > 0 else Scale.LINEAR
    if scale is Scale.LINEAR:
        notes.append("Some numbers are not positive, so the colours are linear.")
    return Figure(
        key, FigureKind.MATRIX, title, x, y,
        heat=Heat(grid, unit, metric, scale, direction),
        caption=_caption(cells),
        alt=_alt(title, x, y, grid, unit, direction),
        notes=tuple(notes),
    )  # fmt: skip


def _choose(entries: Iterable[Entry]) -> tuple[dict[tuple[str, str], Cell], int]:
    """The entry of each pair that counts, and how many pairs had several numbers."""
    chosen: dict[tuple[str, str], Cell] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        pair = (entry.row, entry.column)
        counts[pair] += _is_known(entry.cell)
        if pair not in chosen or _worth(entry.cell) < _worth(chosen[pair]):
            chosen[pair] = entry.cell
    return chosen, sum(count > 1 for count in counts.values())


def _worth(cell: Cell) -> tuple[bool, bool, int]:
    return not _is_known(cell), not is_ranked(cell), _place(cell.provenance)


def _place(word: Provenance | None) -> int:
    """Measured before imported before predicted, and last what is nobody's number."""
    order = list(Provenance)
    return len(order) if word is None else order.index(word)


def _is_known(cell: Cell) -> bool:
    return number_of(cell) is not None


def _fullest(names: Sequence[str], counts: Counter[str], most: int) -> list[str]:
    """The names with the most numbers, in their own order."""
    if len(names) <= most:
        return list(names)
    kept = set(sorted(names, key=lambda name: -counts[name])[:most])
    return [name for name in names if name in kept]


def _left_out(what: str, total: int, kept: int) -> list[str]:
    if kept == total:
        return []
    return [f"{format_number(kept)} of {format_number(total)} of {what} are drawn: those with the most numbers."]


def _counts(cells: Iterable[Cell]) -> str:
    words = Counter(cell.provenance for cell in cells if _is_known(cell))
    said = [f"{format_number(words[word])} {word}" for word in Provenance if words[word]]
    if words[None]:
        said.append(f"{format_number(words[None])} computed")
    return ", ".join(said)


def _caption(cells: Sequence[Cell]) -> str:
    blank = [cell for cell in cells if not _is_known(cell)]
    left_out = sum(_is_known(cell) and not is_ranked(cell) for cell in cells)
    reasons = say_reasons([cell.reason for cell in blank], otherwise="no reason was given") if blank else ""
    return join_sentences(
        f"{say_count(len(cells), 'cell')}: {_counts(cells)}, {format_number(len(blank))} blank.",
        f"Blank: {reasons}." if blank else None,
        f"{say_count(left_out, 'cell')} left out of rankings." if left_out else None,
    )


def _alt(title: str, x: Axis, y: Axis, grid: Sequence[Sequence[Cell]], unit: str | None, direction: Direction) -> str:
    placed = [
        (value, f"{say_name(row)} on {say_name(column)}", cell)
        for row, line in zip(y.categories, grid, strict=True)
        for column, cell in zip(x.categories, line, strict=True)
        if (value := number_of(cell)) is not None
    ]
    ranked = [one for one in placed if is_ranked(one[2])] or placed
    # The ends are of one kind of number: the measured ones where there are any.
    word = min((one[2].provenance for one in ranked), key=_place)
    ends = [one for one in ranked if one[2].provenance is word]
    low, high = min(ends, key=lambda one: one[0]), max(ends, key=lambda one: one[0])
    return join_sentences(
        f"{title}: {say_count(len(y.categories), 'row')} by {say_count(len(x.categories), 'column')}, "
        f"{_counts(cell for line in grid for cell in line)}, "
        f"{format_number(sum(not _is_known(cell) for line in grid for cell in line))} blank.",
        f"Lowest{'' if word is None else f' {word}'} {format_number(low[0], low[2].unit or unit)} ({low[1]}), "
        f"highest {format_number(high[0], high[2].unit or unit)} ({high[1]}).",
        say_better(direction),
    )
