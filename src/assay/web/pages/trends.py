"""Trends: every measured series with its newest value, and the history of one.

What a series' page says is the `history` report; the list asks for no change points, so that it stays fast however many
series there are. May import: core, catalog, report, store, web.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from markupsafe import Markup

from assay.catalog.metrics import metrics as registry
from assay.core.errors import NotFoundError
from assay.core.words import Change, Provenance
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.cells import device_cell, headline_cell, metric_title, series_ref
from assay.report.values import Cell, Column, Report
from assay.store.rows import aware, case_from_row
from assay.store.schema import (
    ANNOTATIONS,
    BASELINES,
    CALIBRATIONS,
    ENVIRONMENTS,
    FINDINGS,
    HEADLINES,
    VISIBLE,
    headline_columns,
)
from assay.web.forms import Form, box, hidden, search, select
from assay.web.inventory import count_choices, read_newest
from assay.web.lists import Conditions, SortKey, cut_sql, one_of, read_pager, read_sorting, table_of
from assay.web.navigation import Place
from assay.web.page import Ask, Page, Pager
from assay.web.reading import State, versions_of
from assay.web.reports import Lesson, page_report, section
from assay.web.sparkline import MOST_POINTS, draw_sparkline
from assay.web.views import add_page

router = APIRouter()

_BEFORE = 10
"""How many results before the newest its level is taken of."""
_SORTS = {
    "case": SortKey("workload"),
    "hardware": SortKey("hardware"),
    "n": SortKey("n", is_descending=True),
    "value": SortKey("newest.value", is_descending=True),
    "measured": SortKey("measured", is_descending=True),
}
_SEARCHED = ("workload", "engine", "device", "precision", "hardware", "series_id")
_FILTERS = ("q", "family", "engine", "hardware", "changed", "several")
_TOLD_IN = (ENVIRONMENTS, ANNOTATIONS, BASELINES, FINDINGS, CALIBRATIONS)
"""Tables that the page of a series depends on, beside its own results and their runs."""
_TEACH = (
    Lesson(
        "A series is the same case on the same hardware, run after run. The first run begins one for each case:",
        ("assay run --suite quick",),
    ),
    Lesson(
        "The second adds a point to each, and from the third on changes can be told:",
        ("assay run --suite quick", "assay check"),
    ),
)


def build_list(ask: Ask) -> Page:
    """List measured series that fit the filters."""
    query = ask.query
    metric = query.choice("metric", list(HEADLINES), "latency_ns")
    conditions = _conditions(ask, metric)
    sorting, order = read_sorting(ask, _SORTS, "-measured")
    series_sql = (
        "SELECT series_id, count(*) AS n, max(measured_at) AS measured, any_value(workload) AS workload, "  # noqa: S608  (words of ours; values are bound)
        f"any_value(hardware) AS hardware, arg_max({{'value': {metric}}}, measured_at) AS newest "
        f"FROM results WHERE {conditions.where} GROUP BY series_id "
        f"{'HAVING count(*) > 1' if query.flag('several') else ''}"
    )
    pager, chosen = _read_chosen(ask, series_sql, conditions, order)
    total = pager.total
    points = _read_points(ask, [row["series_id"] for row in chosen], metric)
    newest = _read_newest(ask, list(points), [history[-1]["result_id"] for history in points.values()], metric)
    findings = _read_findings(ask, [row["series_id"] for row in chosen], metric)
    cells, sparks = [], []
    for row in chosen:
        history = points[row["series_id"]]
        cells.append(
            _cells(newest[row["series_id"]], history, findings.get(row["series_id"]), metric) | {"n": Cell(row["n"])}
        )
        sparks.append(
            Markup(draw_sparkline([one["value"] for one in history], unused=[not one["is_used"] for one in history]))  # noqa: S704  (made here, of what cannot be markup)
        )
    is_empty = total == 0 and not any(query.text(name) for name in _FILTERS)
    table = table_of(
        "series",
        "Series",
        _columns(metric, has_findings=bool(findings)),
        cells,
        pager=pager,
        when_empty="There are no measured series yet." if is_empty else "No series fits these filters.",
    )
    scope = [
        ("number", metric_title(metric)),
        *((name, ", ".join(query.texts(name))) for name in _FILTERS if query.text(name)),
    ]
    report = page_report(
        "trends", "Trends", [section("series", "Series", table)], scope=scope, topics=("trend", "change")
    )
    return Page(
        report,
        Place.TRENDS,
        template="trends.html",
        main="series",
        form=_form(ask, metric),
        pager=pager,
        sorting=sorting,
        parts={"teach": _TEACH if is_empty else (), "sparks": sparks},
    )


def build_series(ask: Ask) -> Page:
    """Show the history of one series: its levels, change points, breaks, findings and what people said.

    Raises NotFoundError, UnknownNameError for a metric.
    """
    series_id = ask.ids["series_id"]
    newest = read_newest(ask, series_id)
    if newest is None:
        raise NotFoundError(f"There is no series {series_id[:60]!r} in this store.", hint="The trends list them.")
    case, hardware = case_from_row(newest), newest["hardware"]
    metric = ask.query.choice("metric", registry.names(), "latency_ns")
    stat = ask.query.text("stat")
    request = ReportRequest(where={"series_id": series_id}, metric=metric, stat=stat, limit=ask.size)
    report = _picture_first(build_report(ask.store, "history", request))
    metrics = ask.rows(
        "SELECT DISTINCT name FROM metrics WHERE series_id = ? AND value IS NOT NULL ORDER BY name", [series_id]
    )
    known = [row["name"] for row in metrics if row["name"] in registry.names()]
    names = [(name, metric_title(name)) for name in dict.fromkeys([*(n for n in HEADLINES if n in known), *known])]
    form = Form(
        ask.url_of(f"/series/{series_id}"),
        (select("metric", "Number", names, metric, any_label=None, default="latency_ns"),),
        submit="Show",
    )
    return Page(
        report,
        Place.TRENDS,
        form=form,
        parts={
            "kicker": f"History of {metric_title(metric, stat)}",
            "heading": case.label,
            "under": hardware,
            "ways": [
                ("All its results", ask.url_of("/results", series=series_id)),
                ("Newest result", ask.url_of(f"/results/{newest['result_id']}")),
            ],
        },
    )


def read_state(ask: Ask) -> State:
    """What the page of a series depends on: its own results, and what was said and found. Other runs change nothing."""
    [row] = ask.rows(
        f"""
        SELECT count(*) AS n, coalesce(bit_xor(hash(result_id)), 0)::VARCHAR AS results,
          (SELECT count(*) FROM {VISIBLE} WHERE superseded) AS superseded
        FROM results WHERE series_id = ?
        """,  # noqa: S608  (a name of ours; values are bound)
        [ask.ids["series_id"]],
    )
    return (*versions_of(ask.state, _TOLD_IN), *row.items())


def _picture_first(report: Report) -> Report:
    """Of one series the picture is the answer; tables that speak of several stand below."""
    pictures = [one for one in report.sections if one.key == "histories"]
    others = [one for one in report.sections if one.key != "histories"]
    return replace(report, sections=(*(replace(one, title="The history") for one in pictures), *others))


def _conditions(ask: Ask, metric: str) -> Conditions:
    query, conditions = ask.query, Conditions()
    conditions.equal("provenance", Provenance.MEASURED.value)
    conditions.add(f"{metric} IS NOT NULL")
    conditions.add(f"run_id NOT IN (SELECT run_id FROM {VISIBLE} WHERE superseded)")  # noqa: S608  (a name of ours)
    conditions.search(query.text("q"), _SEARCHED)
    for name in ("family", "engine", "hardware"):
        conditions.equal(name, query.exact(name))
    if query.flag("changed"):
        conditions.add(
            "series_id IN (SELECT series_id FROM findings WHERE change IN ('regressed', 'improved', 'suspect'))"
        )
    return conditions


def _form(ask: Ask, metric: str) -> Form:
    query = ask.query
    fields = (
        search(query.text("q"), hint="workload, engine, hardware"),
        select(
            "metric",
            "Number",
            [(name, metric_title(name)) for name in HEADLINES],
            metric,
            any_label=None,
            default="latency_ns",
        ),
        select("family", "Family", count_choices(ask, "family", Provenance.MEASURED), query.exact("family")),
        select("engine", "Engine", count_choices(ask, "engine", Provenance.MEASURED), query.exact("engine")),
        select("hardware", "Hardware", count_choices(ask, "hardware", Provenance.MEASURED), query.exact("hardware")),
        box("several", "two results or more", is_ticked=query.flag("several")),
        box("changed", "changed in a check", is_ticked=query.flag("changed")),
        hidden("sort", query.text("sort")),
    )
    reset = ask.url_of("/trends") if any(query.text(name) for name in _FILTERS) else None
    return Form(ask.url_of("/trends"), fields, reset=reset)


def _read_chosen(ask: Ask, series_sql: str, conditions: Conditions, order: str) -> tuple[Pager, list[dict[str, Any]]]:
    """The series of the page asked for and how many there are, in one pass; of a page beyond the last, the last."""
    page, size = ask.query.page, ask.size
    sql = f"SELECT series_id, n, count(*) OVER () AS total FROM ({series_sql}) ORDER BY {order}, series_id "  # noqa: S608  (words of ours; values are bound)
    rows = ask.rows(sql + cut_sql(Pager(page, size, page * size, "series")), conditions.parameters)
    if not rows and page > 1:
        total = ask.rows(f"SELECT count(*) AS n FROM ({series_sql})", conditions.parameters)[0]["n"]  # noqa: S608  (words of ours; values are bound)
        pager = read_pager(ask, total, "series")
        return pager, ask.rows(sql + cut_sql(pager), conditions.parameters)
    return read_pager(ask, rows[0]["total"] if rows else 0, "series"), rows


def _read_points(ask: Ask, series_ids: Sequence[str], metric: str) -> dict[str, list[dict[str, Any]]]:
    """The newest results of some series, oldest first: when, the number, and whether aggregates may use it."""
    rows = ask.rows(
        f"SELECT series_id, result_id, measured_at, {metric} AS value, "  # noqa: S608  (words of ours; values are bound)
        "usable AND verdict IS DISTINCT FROM 'contaminated' AS is_used FROM results "
        f"WHERE {one_of('series_id', series_ids)} AND provenance = 'measured' "
        f"AND run_id NOT IN (SELECT run_id FROM {VISIBLE} WHERE superseded) AND {metric} IS NOT NULL "
        "QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY measured_at DESC NULLS LAST, result_id DESC) "
        f"<= {MOST_POINTS} "
        "ORDER BY measured_at NULLS FIRST, result_id",
        series_ids,
    )
    found: dict[str, list[dict[str, Any]]] = {series_id: [] for series_id in series_ids}
    for row in rows:
        found[row["series_id"]].append(row)
    return found


def _read_newest(ask: Ask, series_ids: Sequence[str], result_ids: Sequence[str], metric: str) -> dict[str, Any]:
    """The newest of those results as their cells show them, by series."""
    columns = ", ".join(dict.fromkeys(headline_columns(metric)))
    rows = ask.rows(
        "SELECT series_id, result_id, measured_at, provenance, verdict, usable, status, reason, unit_of_work, "  # noqa: S608  (words of ours; values are bound)
        'workload, engine, device, mode, "precision", batch, shape, options, hardware, '
        f"{columns} FROM results WHERE {one_of('series_id', series_ids)} AND {one_of('result_id', result_ids)}",
        [*series_ids, *result_ids],
    )
    return {row["series_id"]: row for row in rows}


def _read_findings(ask: Ask, series_ids: Sequence[str], metric: str) -> dict[str, dict[str, Any]]:
    """What the newest check that judged each series said."""
    rows = ask.rows(
        "SELECT series_id, change, against, created_at FROM findings "  # noqa: S608  (words of ours; values are bound)
        f"WHERE metric = ? AND {one_of('series_id', series_ids)} "
        "QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY created_at DESC, finding_id DESC) = 1",
        [metric, *series_ids],
    )
    return {row["series_id"]: row for row in rows}


def _columns(metric: str, *, has_findings: bool) -> tuple[Column, ...]:
    known = registry.get(metric)
    columns = (
        Column("case", "case", description="Workload, engine, device, precision, batch and settings"),
        Column("hardware", "hardware", description="A series is of one hardware class"),
        Column("n", "results", description="Measured results of the series"),
        Column(
            "value",
            f"newest {metric_title(metric)}",
            known.unit,
            known.direction,
            "The newest result, with its interval",
        ),
        Column(
            "ratio",
            "against before",
            "ratio",
            known.direction,
            f"The newest over the median of up to {_BEFORE} usable results before it; a ratio is no verdict",
        ),
        Column("check", "newest check", description="What the newest check that judged the series said"),
        Column("measured", "measured", description="When the newest was measured"),
    )
    return columns if has_findings else tuple(column for column in columns if column.key != "check")


def _cells(
    newest: Mapping[str, Any], history: Sequence[Mapping[str, Any]], finding: Mapping[str, Any] | None, metric: str
) -> dict[str, Cell]:
    return {
        "case": Cell(case_from_row(newest).label, ref=series_ref(newest["series_id"])),
        "hardware": device_cell(newest["hardware"]),
        "value": headline_cell(newest, metric),
        "ratio": _ratio(history),
        "check": Cell(reason="no check has judged it")
        if finding is None
        else Cell(finding["change"], change=Change(finding["change"]), reason=f"against {finding['against']}"),
        "measured": Cell(reason="it was not recorded")
        if newest["measured_at"] is None
        else Cell(aware(newest["measured_at"])),
    }


def _ratio(history: Sequence[Mapping[str, Any]]) -> Cell:
    before = [row["value"] for row in history[:-1] if row["is_used"]][-_BEFORE:]
    if not before:
        return Cell(reason="there is no usable result before it")
    level = statistics.median(before)
    return Cell(
        history[-1]["value"] / level, Provenance.MEASURED, n=len(before), is_usable=bool(history[-1]["is_used"])
    )


add_page(router, "/trends", build_list, name="trends")
add_page(router, "/series/{series_id}", build_series, name="series", reads=read_state)
