"""The overview: what the store holds, what goes on, what changed, and the first chart.

May import: core, analysis, report, store, web.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from assay.analysis.history import NOT_A_TRIAL
from assay.analysis.trend import find_trends
from assay.analysis.trend_points import SeriesPoints
from assay.core.units import format_elapsed
from assay.core.words import Change, Provenance
from assay.report.cells import device_cell, run_cell, short_id
from assay.report.checked import findings_table
from assay.report.figures.intervals import read_intervals
from assay.report.figures.trend import draw_trend
from assay.report.histories import read_last_findings
from assay.report.values import Cell, Column, Facts, Figure, Section, Table, Text, Tone
from assay.report.wording import plural
from assay.store.rows import aware, case_from_row
from assay.store.running import RunningRun, list_running
from assay.store.schema import VISIBLE
from assay.store.selection import Selection
from assay.web import static_files
from assay.web.inventory import read_counts, read_devices, read_newest, read_workloads
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.pages import search
from assay.web.reports import Lesson, page_report, section
from assay.web.views import add_page

if TYPE_CHECKING:
    from assay.core.records import FindingRecord

router = APIRouter()
router.include_router(static_files.router)
router.include_router(search.router)

_NEWEST_RUNS = 8
_MOST_FINDINGS = 8
_MOST_SOURCES = 12
_MOST_POINTS = 300
"""Points of the first chart: each is some hundred bytes with its words, and the page of the series has all."""
_FIRST_STEPS = (
    Lesson(
        "This store is empty. Measure something: the quick suite takes about three minutes on two cores.",
        ("assay run --suite quick",),
    ),
    Lesson(
        "Or bring in what others measured: MLPerf tables, pytest-benchmark, google-benchmark and more.",
        ("assay import --list-formats", "assay import PATH"),
    ),
    Lesson("Is this machine ready to measure?", ("assay doctor",)),
)


@dataclass(frozen=True, slots=True)
class Held:
    """Runs and results of one provenance, and when the newest run began (UTC, without a zone as in the views)."""

    runs: int
    results: int
    newest: datetime


def build(ask: Ask) -> Page:
    """Make the overview."""
    sources = _read_sources(ask)
    held = _sum_by_provenance(sources)
    running = list_running(ask.store.location)
    alive, left = [one for one in running if one.is_alive], [one for one in running if not one.is_alive]
    findings = read_last_findings(ask.store)
    figure = _first_chart(ask) if Provenance.MEASURED in held else None
    sections = [
        section("held", "What this store holds", _counts(ask, held)),
        section("running", "Running now", _running_table(alive) if alive else None),
        section("chart", "The longest history", figure),
        _changes(findings),
        section("runs", "Newest runs", _newest_runs(ask) if held else None),
        section("sources", "Where the results are from", _sources(sources) if held else None),
    ]
    report = page_report("overview", "Overview", sections, summary=[*_leftovers(left)], topics=("trend", "change"))
    return Page(
        report,
        Place.OVERVIEW,
        template="overview.html",
        main="runs",
        parts={
            "teach": () if held else _FIRST_STEPS,
            "is_measured": Provenance.MEASURED in held,
            "check_id": findings[0].check_id if findings else None,
        },
    )


def _leftovers(left: list[RunningRun]) -> Iterator[Text]:
    if left:
        yield Text(
            (f"{plural(len(left), 'run')} ended unpublished; `assay store recover` publishes what was kept.",),
            Tone.WARNING,
        )


def _counts(ask: Ask, held: dict[str, Held]) -> Facts | None:
    if not held:
        return None
    items = [(f"{word} results", Cell(held[word].results)) for word in Provenance if word in held]
    items += [
        ("runs", Cell(sum(one.runs for one in held.values()))),
        ("workloads", Cell(len(read_workloads(ask)))),
        ("devices", Cell(len(read_devices(ask)))),
        ("newest run", Cell(aware(max(one.newest for one in held.values())))),
    ]
    return Facts("held", "What this store holds", tuple(items))


_RUNNING_COLUMNS = (
    Column("run", "run"),
    Column("suite", "suite"),
    Column("doing", "doing", description="The case of the launch being made"),
    Column("launch", "launch"),
    Column("left", "time left", description="If launches go on taking as long as they did"),
)


def _running_table(running: list[RunningRun]) -> Table:
    rows, now = [], datetime.now(UTC)
    for one in running:
        left_s = one.remaining_s(now)
        rows.append(
            (
                Cell(short_id(one.run_id)),
                Cell(one.suite),
                Cell("publishing") if one.is_publishing else Cell(one.doing, reason=None if one.doing else "not begun"),
                Cell(f"{one.number} of {one.total}") if one.number else Cell(reason="not begun"),
                Cell(format_elapsed(left_s)) if left_s is not None else Cell(reason="known after the first launch"),
            )
        )
    return Table("running", "Running now", _RUNNING_COLUMNS, tuple(rows))


def _first_chart(ask: Ask) -> Figure | None:
    """The trend of the measured series with most results; one result alone is no history."""
    rows = ask.rows(
        f"""
        SELECT series_id,
          count(*) FILTER (status = 'ok' AND verdict IS DISTINCT FROM 'contaminated' AND run_id NOT IN (
            SELECT run_id FROM {VISIBLE} WHERE NOT ({NOT_A_TRIAL})
          )) AS used, count(*) AS n
        FROM results WHERE provenance = 'measured' AND latency_ns IS NOT NULL
        GROUP BY series_id HAVING n > 1
        ORDER BY CASE WHEN used > 2 THEN used ELSE 0 END DESC, n DESC, max(measured_at) DESC, series_id LIMIT 1
        """  # noqa: S608  (words of ours; values are bound)
    )
    if not rows:
        return None
    series_id = rows[0]["series_id"]
    newest = read_newest(ask, series_id)
    if newest is None:
        return None  # removed meanwhile
    series = SeriesPoints(series_id, case_from_row(newest).label, newest["hardware"])
    trends = find_trends(ask.store, Selection(series_id=series_id), series=[series])
    if not trends:
        return None
    intervals = read_intervals(ask.store, trends[:1])
    return draw_trend(trends[0], intervals=intervals, key="longest", limit=_MOST_POINTS)


def _changes(findings: list[FindingRecord]) -> Section:
    if not findings:
        return section("changes", "What changed")
    told = [one for one in findings if one.change.is_alarm or one.change is Change.IMPROVED]
    checked = plural(len({one.series_id for one in findings}), "series")
    when = f"The newest check, {findings[0].created_at:%Y-%m-%d %H:%M} UTC, judged {checked}"
    if not told:
        return section("changes", "What changed", Text((f"{when} and found nothing to report.",), Tone.GOOD))
    table = findings_table(told, limit=_MOST_FINDINGS)
    kept = [
        place for place, column in enumerate(table.columns) if column.key in ("change", "case", "ratio", "now", "run")
    ]
    narrow = Table(
        "changes",
        "What changed",
        tuple(table.columns[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in table.rows),
        rows_left_out=table.rows_left_out,
    )
    return section("changes", "What changed", Text((f"{when}.",)), narrow)


_RUN_COLUMNS = (
    Column("run", "run"),
    Column("started", "started"),
    Column("suite", "suite"),
    Column("status", "status"),
    Column("results", "results", unit="count"),
    Column("hardware", "hardware"),
)


def _newest_runs(ask: Ask) -> Table:
    rows = ask.rows(
        f"""
        SELECT run_id, started_at, suite, status, runs.provenance, hardware_class
        FROM runs LEFT JOIN environments USING (env_id) ORDER BY started_at DESC, run_id DESC LIMIT {_NEWEST_RUNS}
        """  # noqa: S608  (words of ours; values are bound)
    )
    counts = read_counts(ask).runs
    return Table(
        "runs",
        "Newest runs",
        _RUN_COLUMNS,
        tuple(
            (
                run_cell(row["run_id"]),
                Cell(aware(row["started_at"])),
                Cell(row["suite"]),
                Cell(row["status"]),
                Cell(counts.get(row["run_id"], 0)),
                device_cell(row["hardware_class"])
                if row["provenance"] == Provenance.MEASURED.value
                else Cell("imported", reason="measured elsewhere"),
            )
            for row in rows
        ),
    )


_SOURCE_COLUMNS = (
    Column("suite", "suite or importer"),
    Column("provenance", "provenance"),
    Column("runs", "runs", unit="count"),
    Column("results", "results", unit="count"),
    Column("newest", "newest"),
)


def _read_sources(ask: Ask) -> list[dict[str, Any]]:
    """Runs and results by suite (or importer) and provenance, measured ones and those with most results first."""
    counts = read_counts(ask).runs
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in ask.rows(f"SELECT run_id, suite, provenance, started_at FROM {VISIBLE}"):  # noqa: S608  (a name of ours)
        one = found.setdefault(
            (row["suite"], row["provenance"]),
            {
                "suite": row["suite"],
                "provenance": row["provenance"],
                "runs": 0,
                "results": 0,
                "newest": row["started_at"],
            },
        )
        one["runs"] += 1
        one["results"] += counts.get(row["run_id"], 0)
        one["newest"] = max(one["newest"], row["started_at"])
    by_results = sorted(found.values(), key=lambda one: (-one["results"], one["suite"]))
    return sorted(by_results, key=lambda one: one["provenance"], reverse=True)


def _sum_by_provenance(sources: list[dict[str, Any]]) -> dict[str, Held]:
    found: dict[str, Held] = {}
    for row in sources:
        known = found.get(row["provenance"], Held(0, 0, row["newest"]))
        newest = max(known.newest, row["newest"])
        found[row["provenance"]] = Held(known.runs + row["runs"], known.results + row["results"], newest)
    return found


def _sources(sources: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            Cell(row["suite"]),
            Cell(row["provenance"]),
            Cell(row["runs"]),
            Cell(row["results"]),
            Cell(aware(row["newest"])),
        )
        for row in sources[:_MOST_SOURCES]
    )
    return Table(
        "sources",
        "Where the results are from",
        _SOURCE_COLUMNS,
        rows,
        rows_left_out=max(0, len(sources) - _MOST_SOURCES),
    )


add_page(router, "/", build, name="overview", is_live=True)
