"""Search: runs, workloads, devices and series that have all the words. May import: core, report, store, web."""

from __future__ import annotations

from fastapi import APIRouter

from assay.report.cells import device_cell, run_cell, series_ref, workload_cell
from assay.report.values import Cell, Column, Ref, RefKind, Table
from assay.store.rows import aware, case_from_row
from assay.web.forms import Form, search
from assay.web.inventory import Held, read_devices, read_workloads
from assay.web.lists import Conditions
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.reports import Lesson, page_report, section
from assay.web.views import add_page

router = APIRouter()
_MOST = 20
_HOW = (Lesson("Words are looked for in names, suites, notes, tags and ids; all of them must fit, capital or not."),)


def build(ask: Ask) -> Page:
    """Look for the words of ``q`` in everything that has a page."""
    words = ask.query.text("q")
    tables = (
        [] if words is None else [_runs(ask, words), _workloads(ask, words), _devices(ask, words), _series(ask, words)]
    )
    found = sum(len(table.rows) + table.rows_left_out for table in tables)
    title = "Search" if words is None else f"Search: {words[:80]}"
    summary = [] if words is None or found else ["Nothing fits. Fewer or shorter words find more."]
    report = page_report(
        "search", title, [section(table.key, table.title, table) for table in tables if table.rows], summary=summary
    )
    form = Form(ask.url_of("/search"), (search(words, hint="bert, nightly, 4090"),), submit="Search")
    return Page(report, Place.SEARCH, form=form, parts={"teach": () if words else _HOW})


def _runs(ask: Ask, words: str) -> Table:
    conditions = Conditions()
    conditions.search(words, ("suite", "note", "array_to_string(tags, ' ')", "run_id", "git_branch", "git_commit"))
    rows = ask.rows(
        "SELECT run_id, suite, status, started_at, note, tags, results_written, count(*) OVER () AS total FROM runs "  # noqa: S608  (words of ours; values are bound)
        f"WHERE {conditions.where} ORDER BY started_at DESC, run_id DESC LIMIT {_MOST}",
        conditions.parameters,
    )
    columns = (
        Column("run", "run"),
        Column("started", "started"),
        Column("suite", "suite"),
        Column("status", "status"),
        Column("results", "results", unit="count"),
    )
    cells = tuple(
        (
            run_cell(row["run_id"]),
            Cell(aware(row["started_at"])),
            Cell(row["suite"]),
            Cell(row["status"]),
            Cell(row["results_written"]),
        )
        for row in rows
    )
    return Table("runs", "Runs", columns, cells, rows_left_out=_left(rows))


def _series(ask: Ask, words: str) -> Table:
    conditions = Conditions(["provenance = 'measured'"])
    conditions.search(words, ("workload", "engine", "device", '"precision"', "hardware", "series_id"))
    rows = ask.rows(
        'SELECT series_id, workload, engine, device, mode, "precision", batch, shape, options, hardware, provenance, '  # noqa: S608  (words of ours; values are bound)
        f"count(*) OVER () AS total FROM latest WHERE {conditions.where} "
        f"ORDER BY workload, engine, series_id LIMIT {_MOST}",
        conditions.parameters,
    )
    columns = (Column("case", "case"), Column("hardware", "hardware"))
    cells = tuple(
        (Cell(case_from_row(row).label, ref=series_ref(row["series_id"])), device_cell(row["hardware"])) for row in rows
    )
    return Table("series", "Measured series", columns, cells, rows_left_out=_left(rows))


def _workloads(ask: Ask, words: str) -> Table:
    held = [one for one in read_workloads(ask) if _fits(one, words)]
    cells = tuple((workload_cell(one.name), Cell(one.measured), Cell(one.imported)) for one in held[:_MOST])
    return Table("workloads", "Workloads", _counted("workload"), cells, rows_left_out=max(0, len(held) - _MOST))


def _devices(ask: Ask, words: str) -> Table:
    held = [one for one in read_devices(ask) if _fits(one, words)]
    cells = tuple(
        (Cell(one.name, ref=Ref(RefKind.DEVICE, one.name)), Cell(one.measured), Cell(one.imported))
        for one in held[:_MOST]
    )
    return Table("devices", "Devices", _counted("device"), cells, rows_left_out=max(0, len(held) - _MOST))


def _counted(what: str) -> tuple[Column, ...]:
    return (
        Column(what, what),
        Column("measured", "measured", unit="count"),
        Column("imported", "imported", unit="count"),
    )


def _fits(one: Held, words: str) -> bool:
    text = " ".join((one.name, *one.raw)).casefold()
    return all(word in text for word in words.casefold().split())


def _left(rows: list[dict[str, int]]) -> int:
    return rows[0]["total"] - len(rows) if rows else 0


add_page(router, "/search", build, name="search")
