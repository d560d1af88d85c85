"""What the reports over many results share: what was asked in words, what was left out, sources, cells of groups.

May import: core, catalog, store, analysis, report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.analysis.side_by_side import Group
from assay.analysis.usable_numbers import TABLES_READ, LeftOut, select_any, usable_sql
from assay.core.errors import UsageError, join_or
from assay.core.words import Provenance, Verdict
from assay.report.base import ReportRequest
from assay.report.cells import work_unit
from assay.report.display import format_number
from assay.report.origins import sources_of_runs
from assay.report.values import Cell, Column, Ref, RefKind, Report, Section, Source, Table, Text
from assay.store.query import fetch_rows

if TYPE_CHECKING:
    from assay.store import Store
    from assay.store.selection import Selection

_RATE = "1/s"
_MOST_REASONS = 6
_PROVENANCE = "provenance"
HOW_GROUPS_READ = (
    (
        "results, lowest, highest",
        (
            "How many results a number is the median of, and how far they spread. They are of one kind of work, "
            "unit and conditions; submitters, systems, software and days may differ. A spread is no interval: it "
            "bounds nothing that was not measured."
        ),
    ),
    (
        "comparable",
        (
            "Two numbers stand side by side only where workload, kind of work, unit, inputs, options and number "
            "of devices are the same, and besides precision, batch and engine, or, of a benchmark with rules, "
            "round, division and scenario. Where a source leaves one of these unsaid its rows are compared with "
            "each other only."
        ),
    ),
    (
        "device names",
        "A name that the catalogue resolves stands as the catalogue writes it; any other as its source wrote it.",
    ),
)


def start_report(  # noqa: PLR0913  (a report's own fields)
    kind: str,
    title: str,
    request: ReportRequest,
    *,
    summary: Sequence[Text] = (),
    scope: Sequence[tuple[str, str]] = (),
    sections: Sequence[Section] = (),
    sources: Sequence[Source] = (),
    how_to_read: Sequence[tuple[str, str]] = (),
    ref: Ref | None = None,
) -> Report:
    """Put a report together."""
    return Report(
        kind=kind,
        title=title,
        generated_at=request.time,
        assay_version=__version__,
        summary=tuple(summary),
        scope=tuple({**dict(scope_of(request)), **dict(scope)}.items()),
        sections=tuple(sections),
        sources=tuple(sources),
        how_to_read=tuple(how_to_read),
        ref=ref,
    )


def scope_of(request: ReportRequest) -> tuple[tuple[str, str], ...]:
    """What was asked, as names and texts."""
    asked = [("runs", ", ".join(request.run_ids))] if request.run_ids else []
    asked += [(name, _say(value)) for name, value in request.where.items() if value is not None]
    asked += [("metric", request.metric)] if request.metric else []
    asked += [("statistic", request.stat)] if request.stat else []
    asked += list(request.options.items())
    return tuple(asked)


def selection_of(request: ReportRequest, **more: Any) -> Selection:
    """What is read: all provenances, which are then told apart, unless the request names one. Raises UsageError."""
    return select_any({**request.where, **more}, request.run_ids)


def whole_option(request: ReportRequest, name: str, default: int, *, least: int = 1, most: int = 200) -> int:
    """Read a whole number. Raises UsageError."""
    text = request.options.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        raise UsageError(f"{name}={text[:40]!r} is not understood.", hint=f"Expected a number from {least} to {most}.")
    return int(text)


def number_option(request: ReportRequest, name: str) -> float | None:
    """Read a positive number, None where it is not given. Raises UsageError."""
    text = request.options.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise UsageError(f"{name}={text[:40]!r} is not understood.", hint="Expected a number above 0.")
    return value


def choice_option(request: ReportRequest, name: str, choices: Sequence[str], default: str) -> str:
    """Read one of some words. Raises UsageError."""
    word = request.options.get(name, default)
    if word not in choices:
        raise UsageError(f"{name}={word[:40]!r} is not understood.", hint=f"Expected {join_or(choices)}.")
    return word


# -- sources and what was left out -----------------------------------------------------------------------------


def read_sources(
    store: Store, selection: Selection, *, only: str = "TRUE", usable_only: bool = True
) -> tuple[Source, ...]:
    """Where the imported numbers of a selection are from, by file, with format and licence where it is known.

    ``only`` is one more condition of ours on ``results``. Raises StoreError.
    """
    condition, parameters = usable_sql(selection) if usable_only else selection.where()
    rows = fetch_rows(
        store.location,
        f"""
        SELECT run_id, count(*) AS count, any_value(source) AS source FROM results
        WHERE {condition} AND {only} AND provenance = '{Provenance.IMPORTED}' GROUP BY run_id
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        parameters,
        tables=TABLES_READ,
        versions=store.versions,
    )
    counts = {row["run_id"]: row["count"] for row in rows}
    names = {row["run_id"]: row["source"] or "a source that is not named" for row in rows}
    return sources_of_runs(store, counts, names)


def say_left_out(left_out: Iterable[LeftOut]) -> tuple[str, ...]:
    """What was left out, as notes of a table."""
    found = list(left_out)
    if not found:
        return ()
    total = sum(one.count for one in found)
    parts = "; ".join(f"{format_number(one.count)} {one.reason}" for one in found[:_MOST_REASONS])
    more = "" if len(found) <= _MOST_REASONS else f"; and {len(found) - _MOST_REASONS} other reasons"
    return (f"{format_number(total)} rows left out: {parts}{more}.",)


def left_out_sections(said: Sequence[str], *notes: str) -> tuple[Section, ...]:
    """The last section of a report, of what ``say_left_out`` said; none where nothing was left out."""
    return (Section("left-out", "What was left out", (Text((*said, *notes)),)),) if said else ()


def say_rows_cut(left: int, total: int, what: str) -> tuple[str, ...]:
    """The note of a table that was cut."""
    return (f"{format_number(left)} of {format_number(total)} {what} are not shown; filters narrow.",) if left else ()


# -- cells -----------------------------------------------------------------------------------------------------


def group_cell(group: Group, unit: str) -> Cell:
    """The median of a group, or its one result with its interval."""
    only = group.only
    several = (
        None
        if only
        else f"median of {group.results} results, {format_number(group.lowest, unit)} to "
        f"{format_number(group.highest, unit)}"
    )
    stat = None if set(group.stats) <= {"median"} else f"statistic: {', '.join(group.stats)}"
    reason = "; ".join(filter(None, (several, stat, group.subject.gap))) or None
    return Cell(
        group.median,
        provenance=group.provenance,
        verdict=only.verdict if only else None,
        lo=only.lo if only else None,
        hi=only.hi if only else None,
        n=only.n if only else group.results,
        reason=reason,
        unit=unit_of(unit, group.subject.unit_of_work),
        ref=Ref(RefKind.RESULT, group.newest.result_id),
    )


def spread_cells(group: Group, unit: str) -> tuple[Cell, Cell, Cell]:
    """How many results there are, and the lowest and highest of them."""
    count = Cell(group.results)
    if group.results == 1:
        only = Cell(reason="there is one result")
        return count, only, only
    written = unit_of(unit, group.subject.unit_of_work)
    return (
        count,
        Cell(group.lowest, group.provenance, unit=written),
        Cell(group.highest, group.provenance, unit=written),
    )


def spread_columns(unit: str) -> tuple[Column, Column, Column]:
    """The columns of ``spread_cells``."""
    return (
        Column("results", "results", description="How many usable results the number is the median of"),
        Column("lowest", "lowest", unit=unit, description="The lowest of them"),
        Column("highest", "highest", unit=unit, description="The highest of them"),
    )


def unit_of(unit: str, unit_of_work: str | None) -> str | None:
    """The unit of a cell where rows count different work: ``samples/s``; None where the column's own will do."""
    return work_unit(unit_of_work) if unit == _RATE else None


def hardware_cell(label: str, hw_id: str | None, reason: str | None = None) -> Cell:
    """A device, leading to its page: by its catalogue id where it has one."""
    return Cell(label, reason=reason, ref=Ref(RefKind.DEVICE, hw_id or label))


def provenance_column() -> Column:
    """A column that says where a row's numbers are from, for readers of text and files."""
    return Column(_PROVENANCE, _PROVENANCE, description="Measured here, imported from somebody else, or predicted")


def worst_verdict(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """The worst of those that are known."""
    known = [one for one in verdicts if one is not None]
    return Verdict.worst(known) if known else None


def empty_report(kind: str, title: str, request: ReportRequest, what: str, how: Sequence[str]) -> Report:
    """A report that has nothing to show and teaches what would fill it."""
    section = Section("empty", "Nothing here yet", (Text((what, *how)),))
    return start_report(kind, title, request, summary=[Text((what,))], sections=[section])


def cut(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], int]:
    """The first rows, and how many are left."""
    return rows[:limit], max(0, len(rows) - limit)


def drop_idle_columns(table: Table, keep: Collection[str] = ()) -> Table:
    """Return a table without the columns that tell no rows apart, which its notes then name.

    Those are columns without any value, whose reasons are told once, and ``provenance`` where all rows have the same:
    every number carries it. ``keep`` names columns that stay whatever they hold.
    """
    if not table.rows:
        return table
    kept, notes = [], list(table.notes)
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        is_blank = all(cell.value is None for cell in cells)
        if column.key in keep or not (
            is_blank or (column.key == _PROVENANCE and len({cell.value for cell in cells}) == 1)
        ):
            kept.append(place)
        elif is_blank:
            reasons = dict.fromkeys(cell.reason or "not known" for cell in cells)
            shown = "; ".join(list(reasons)[:2])
            notes.append(f"No {column.title} in any row: {shown}.")
    return replace(
        table,
        columns=tuple(table.columns[place] for place in kept),
        rows=tuple(tuple(row[place] for place in kept) for row in table.rows),
        notes=tuple(notes),
    )


def _say(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, Iterable) else str(value)
