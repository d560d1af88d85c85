"""Lists that the store filters, sorts and cuts into pages: the SQL that every list is made with.

Names of columns and orders come from an allow-list of the page; every value of the address is bound. May import: core,
web.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import UnknownNameError
from assay.report.values import Cell, Column, Table
from assay.web.page import Ask, Pager, Sorting

_LONGEST_SEARCH_WORDS = 12


@dataclass(slots=True)
class Conditions:
    """Conditions of a query with the values of their question marks, in order."""

    clauses: list[str] = field(default_factory=list)
    parameters: list[object] = field(default_factory=list)

    def add(self, clause: str, *values: object) -> None:
        """Narrow by a condition of ours."""
        self.clauses.append(clause)
        self.parameters += values

    def equal(self, column: str, value: object) -> None:
        """Narrow to one value of a column, unless it is None."""
        if value is not None:
            self.add(f"{column} = ?", value)

    def search(self, words: str | None, columns: Sequence[str]) -> None:
        """Narrow to rows that have every word in some of the columns, capital or not."""
        for word in (words or "").lower().split()[:_LONGEST_SEARCH_WORDS]:
            parts = [f"contains(lower(coalesce({column}::VARCHAR, '')), ?)" for column in columns]
            self.add(f"({' OR '.join(parts)})", *[word] * len(columns))

    @property
    def where(self) -> str:
        """The conditions together; of none, one that always holds."""
        return " AND ".join(self.clauses) or "TRUE"


@dataclass(frozen=True, slots=True)
class SortKey:
    """What a heading sorts by: an SQL expression, and whether the greatest stands first when it is chosen."""

    sql: str
    is_descending: bool = False


def one_of(column: str, values: Sequence[object]) -> str:
    """Return a condition with a question mark for each value.

    A list that is written out reaches the scan, which then decodes only what fits; one that is unnested does not.
    """
    return f"{column} IN ({', '.join('?' for _ in values)})" if values else "FALSE"


def read_sorting(ask: Ask, keys: Mapping[str, SortKey], default: str) -> tuple[Sorting, str]:
    """Return how a list is sorted (``sort=-started``: by that column, greatest first) and its ORDER BY.

    Raises UnknownNameError for a column that it cannot be sorted by.
    """
    asked = ask.query.text("sort") or default
    name = asked.removeprefix("-")
    if name not in keys:
        raise UnknownNameError("column to sort by", name, keys)
    is_descending = asked.startswith("-")
    sorting = Sorting(name, is_descending, {key: one.is_descending for key, one in keys.items()})
    return sorting, f"{keys[name].sql} {'DESC' if is_descending else 'ASC'} NULLS LAST"


def read_choice(ask: Ask, columns: Mapping[str, bool], *, usual: str) -> Sorting:
    """Return by which column a list in memory is sorted: ``usual``, best first, where nothing was asked."""
    asked = ask.query.text("sort")
    name = usual if asked is None else ask.query.choice("sort", [*columns, *(f"-{key}" for key in columns)], "")
    return Sorting(name.removeprefix("-"), asked is None or name.startswith("-"), columns)


def read_pager(ask: Ask, total: int, noun: str) -> Pager:
    """Return where in a list the page stands; one beyond the last is the last."""
    size = ask.size
    return Pager(min(ask.query.page, max(1, -(-total // size))), size, total, noun)


def cut_sql(pager: Pager) -> str:
    """Return the LIMIT of a page."""
    return f"LIMIT {pager.size} OFFSET {(pager.page - 1) * pager.size}"


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column of a list that can be chosen. ``is_usual`` ones are shown where nothing was chosen."""

    column: Column
    is_usual: bool = True
    is_fixed: bool = False


def choose_columns(ask: Ask, columns: Sequence[ListColumn]) -> tuple[Column, ...]:
    """Return the columns that ``cols`` asks for, in the list's order, those that are fixed among them.

    Raises UnknownNameError for one that the list has not.
    """
    asked = ask.query.texts("cols")
    known = {one.column.key for one in columns}
    for key in asked:
        if key not in known:
            raise UnknownNameError("column", key, known)
    return tuple(one.column for one in columns if one.is_fixed or (one.column.key in asked if asked else one.is_usual))


def column_choices(columns: Sequence[ListColumn]) -> list[tuple[str, str]]:
    """Return what can be chosen, for a form."""
    return [(one.column.key, one.column.title) for one in columns if not one.is_fixed]


def usual_columns(columns: Sequence[ListColumn]) -> list[str]:
    """Return the keys of what is shown where nothing was chosen."""
    return [one.column.key for one in columns if one.is_usual and not one.is_fixed]


def table_of(
    key: str,
    title: str,
    columns: Sequence[Column],
    cells: Iterable[Mapping[str, Cell]],
    *,
    pager: Pager | None = None,
    caption: str = "",
    when_empty: str = "Nothing to show.",
) -> Table:
    """Make a table of the chosen columns from rows that have a cell for every column."""
    rows = tuple(tuple(row[column.key] for column in columns) for row in cells)
    left_out = 0 if pager is None else max(0, pager.total - len(rows))
    return Table(key, title, tuple(columns), rows, caption, rows_left_out=left_out, when_empty=when_empty)


def counted_choices(
    ask: Ask, table: str, column: str, *, where: str = "TRUE", most: int = 200
) -> list[tuple[str, str, int]]:
    """Return the values of a column with how many rows have each, the most frequent first: the choices of a filter."""
    sql = (
        f"SELECT {column} AS value, count(*) AS n FROM {table} WHERE {column} IS NOT NULL AND {where} "  # noqa: S608  (words of ours; values are bound)
        f"GROUP BY ALL ORDER BY n DESC, value LIMIT {most}"
    )
    rows: list[dict[str, Any]] = ask.kept(f"choices {sql}", lambda: ask.rows(sql))
    return [(row["value"], row["value"], row["n"]) for row in rows]
