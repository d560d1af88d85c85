"""Health of the store: what lies in it, whether it is whole, what was imported and refused, and what crashes left.

May import: core, report, store, web.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter

from assay.core.errors import NotFoundError
from assay.report.cells import run_cell, short_id
from assay.report.values import Cell, Column, Facts, Ref, RefKind, Source, Table, Text
from assay.report.wording import agree, plural
from assay.store.address import is_remote
from assay.store.location import read_version
from assay.store.running import RunningRun, list_running
from assay.web.lists import cut_sql, read_pager, table_of
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.reports import good, page_report, section, warn
from assay.web.views import add_page

router = APIRouter()
_MOST_PROBLEMS = 200
_MOST_SNAPSHOTS = 50
_MOST_IMPORTS = 20
"""Imported files that are shown unasked, the newest."""


def build(ask: Ask) -> Page:
    """Show the store; with ``check=1`` every file of it is read and checked."""
    is_checked = ask.query.flag("check")
    running = list_running(ask.store.location)
    sections = [
        section("check", "Is it whole?", *(_check(ask) if is_checked else ())),
        section("tables", "Tables", *_tables(ask)),
        section("journals", "Runs that are not published", _journals(running)),
        section("imports", "Imported files", _imports(ask)),
        section("snapshots", "Named states", _snapshots(ask)),
    ]
    report = page_report("store", "Store health", sections)
    left_out = {table.key: len(table.rows) + table.rows_left_out for table in report.tables() if table.rows_left_out}
    files = left_out.get("imports")
    more = {"imports": (f"Show all {files} files", f"{ask.here(all=1)}#imports")} if files else {}
    return Page(
        report,
        Place.STORE,
        template="store.html",
        main="tables",
        parts={"is_checked": is_checked, "left": sum(not one.is_alive for one in running), "more": more},
    )


def build_import(ask: Ask) -> Page:
    """Show one imported file with the rows that were refused. Raises NotFoundError."""
    import_id = ask.query.exact("id") or ""
    record = next((one for one in ask.store.imports() if one.import_id == import_id), None)
    if record is None:
        raise NotFoundError(f"There is no import {import_id[:60]!r} in this store.", hint="Store health lists them.")
    items = (
        ("file", Cell(record.source)),
        ("read as", Cell(record.format)),
        ("run", run_cell(record.run_id)),
        ("imported", Cell(record.imported_at)),
        ("size", Cell(record.size_bytes, unit="B")),
        ("SHA-256", Cell(record.sha256)),
        ("rows", Cell(record.rows_seen)),
        ("taken", Cell(record.rows_taken)),
        ("refused", Cell(record.rows_refused)),
        ("by assay", Cell(record.assay_version)),
    )
    pager = read_pager(ask, record.rows_refused, "refused row" if record.rows_refused == 1 else "refused rows")
    rows = ask.rows(
        f"SELECT place, error, raw FROM import_refusals WHERE import_id = ? ORDER BY place, error {cut_sql(pager)}",  # noqa: S608  (words of ours; values are bound)
        [import_id],
    )
    columns = (
        Column("place", "place", description="Where in the file"),
        Column("error", "why", description="What is wrong with it"),
        Column("raw", "what it says", is_code=True, description="As it stands in the file, cut where it is long"),
    )
    cells = ({"place": Cell(row["place"]), "error": Cell(row["error"]), "raw": Cell(row["raw"])} for row in rows)
    refused = table_of(
        "refusals", "Rows that were refused", columns, cells, pager=pager, when_empty="No row was refused."
    )
    said = Text(record.notes) if record.notes else None
    report = page_report(
        "import",
        record.source,
        [
            section("import", "The file", Facts("import", "The file", items), said),
            section("refusals", "Rows that were refused", refused),
        ],
        summary=[
            (
                f"{record.rows_taken} of {plural(record.rows_seen, 'row')} {agree(record.rows_taken, 'was')} taken; "
                f"{plural(record.rows_refused, 'row')} {agree(record.rows_refused, 'was')} refused."
            )
        ],
        sources=[Source(record.source, f"sha256 {record.sha256}")],
        ref=Ref(RefKind.IMPORT, import_id),
    )
    ways = [
        ("Its results", ask.url_of("/results", run=record.run_id)),
        ("Its run", ask.url_of(f"/runs/{record.run_id}")),
    ]
    return Page(report, Place.STORE, main="refusals", pager=pager, parts={"kicker": "Import", "ways": ways})


def _check(ask: Ask) -> Iterator[Text | Table]:
    found = ask.store.check()
    if found.clean:
        yield good(f"Every file was read, and {plural(found.runs, 'run')} {agree(found.runs, 'is')} complete.")
    else:
        yield warn(f"{plural(len(found.problems), 'problem')}; `assay store repair` mends what is marked so.")
        columns = (
            Column("flaw", "what is wrong"),
            Column("subject", "with"),
            Column("detail", "how"),
            Column("repair", "repaired by assay store repair"),
        )
        shown = found.problems[:_MOST_PROBLEMS]
        yield Table(
            "problems",
            "Problems",
            columns,
            tuple((Cell(one.flaw.value), Cell(one.subject), Cell(one.detail), Cell(one.repairable)) for one in shown),
            rows_left_out=len(found.problems) - len(shown),
        )
    if found.being_written:
        yield Text(
            (f"{plural(found.being_written, 'run')} {agree(found.being_written, 'is')} being written right now.",)
        )


def _tables(ask: Ask) -> tuple[Facts, Table]:
    info = ask.store.info()
    columns = (
        Column("table", "table", is_code=True),
        Column("rows", "rows", unit="count", description="Rows of unfinished writes among them"),
        Column("files", "files", unit="count", description="Parquet files of the newest version"),
        Column("live", "in use", unit="B", description="Bytes of those files"),
        Column(
            "disk",
            "on disk",
            unit="B",
            description="With those of earlier versions, which `assay store vacuum` removes",
        ),
        Column("version", "version", description="Of the Delta table"),
    )
    rows = tuple(
        (
            Cell(one.name),
            Cell(one.rows),
            Cell(one.files),
            Cell(one.live_bytes),
            Cell(one.disk_bytes),
            Cell(one.version, reason="nothing was written yet" if one.version is None else None),
        )
        for one in info.tables
    )
    items = [
        ("schema version", Cell(read_version(ask.store.location))),
        ("on disk", Cell(info.disk_bytes, unit="B")),
        ("kind", Cell("object storage" if is_remote(info.location) else "folder")),
    ]
    # Where it lies on the server's disk is nobody else's business.
    items += [("place", Cell(info.location))] if ask.settings.is_loopback and not ask.settings.is_static else []
    return Facts("store", "The store", tuple(items)), Table("tables", "Tables", columns, rows)


def _journals(running: tuple[RunningRun, ...]) -> Table:
    columns = (
        Column("run", "run"),
        Column("suite", "suite"),
        Column("began", "began"),
        Column("launches", "launches made", unit="count"),
        Column("state", "state"),
    )
    rows = tuple(
        (
            Cell(short_id(one.run_id)),
            Cell(one.suite),
            Cell(one.started_at, reason=None if one.started_at else "its journal does not say"),
            Cell(one.ended),
            Cell("going on")
            if one.is_alive
            else Cell("its process is gone", reason="`assay store recover` publishes it"),
        )
        for one in running
    )
    return Table(
        "journals",
        "Runs that are not published",
        columns,
        rows,
        when_empty="None: no run goes on, and no crash left one.",
    )


def _imports(ask: Ask) -> Table:
    records = ask.store.imports()
    columns = (
        Column("file", "file", description="Its name, which leads to what was refused of it"),
        Column("format", "read as"),
        Column("imported", "imported"),
        Column("taken", "taken", unit="count", description="Rows that became results"),
        Column("refused", "refused", unit="count", description="Rows that did not, each with its reason"),
        Column("size", "size", unit="B"),
        Column("folder", "folder", description="Where it lay when it was read"),
    )
    shown = records[:_MOST_IMPORTS] if ask.is_page and not ask.query.flag("all") else records
    rows = tuple(
        (
            Cell(_split_path(one.source)[1], ref=Ref(RefKind.IMPORT, one.import_id)),
            Cell(one.format),
            Cell(one.imported_at),
            Cell(one.rows_taken),
            Cell(one.rows_refused),
            Cell(one.size_bytes),
            Cell(_split_path(one.source)[0]),
        )
        for one in shown
    )
    return Table(
        "imports",
        "Imported files",
        columns,
        rows,
        rows_left_out=len(records) - len(shown),
        when_empty="Nothing was imported yet: `assay import PATH` reads files of other tools.",
    )


def _split_path(source: str) -> tuple[str, str]:
    """The folder of a file and its name; of what is no path, nothing and all of it."""
    folder, sign, name = source.rpartition("/")
    return (folder or sign, name) if name else ("", source)


def _snapshots(ask: Ask) -> Table:
    found = ask.store.snapshots()
    columns = (
        Column("name", "name"),
        Column("made", "made"),
        Column("runs", "runs", unit="count"),
        Column("results", "results", unit="count"),
        Column("note", "note"),
    )
    rows = tuple(
        (
            Cell(one.name),
            Cell(one.created_at),
            Cell(one.rows.get("runs", 0)),
            Cell(one.rows.get("results", 0)),
            Cell(one.note, reason=None if one.note else "nobody said why"),
        )
        for one in found[:_MOST_SNAPSHOTS]
    )
    return Table(
        "snapshots",
        "Named states",
        columns,
        rows,
        rows_left_out=max(0, len(found) - _MOST_SNAPSHOTS),
        when_empty="None yet: `assay store snapshot make NAME` names the present state.",
    )


add_page(router, "/store", build, name="store", is_live=True, fresh="check", is_cut=True)
add_page(router, "/imports", build_import, name="import")
