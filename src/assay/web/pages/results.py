"""Results: all of them behind filters, and one with its launches, samples and where it is from.

May import: core, catalog, report, store, web.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fastapi import APIRouter

from assay.catalog.metrics import metrics as registry
from assay.core.errors import NotFoundError
from assay.core.records import ResultRecord
from assay.core.words import Fidelity, Mode, Provenance, Status, Verdict
from assay.report.cells import metric_title, result_ref
from assay.report.results_table import NumberColumn, choose_metrics, results_table
from assay.report.values import Cell, Column, Table
from assay.store.rows import result_from_row
from assay.store.schema import HEADLINES
from assay.web.forms import Control, Field, Form, hidden, search, select
from assay.web.inventory import count_choices, read_metrics
from assay.web.lists import Conditions, SortKey, cut_sql, one_of, read_pager, read_sorting
from assay.web.navigation import Place
from assay.web.page import Ask, Page, Pager
from assay.web.reports import Lesson, page_report, section
from assay.web.result_report import report_result
from assay.web.views import add_page

router = APIRouter()

ANY = "any"
_MOST_AT_ONCE = 50
"""Rows up to which DuckDB finds the places of what is first before it reads it (late_materialization_max_rows)."""
_WORDS: Mapping[str, Sequence[str]] = {
    "status": [*Status],
    "verdict": [*Verdict],
    "fidelity": [*Fidelity],
    "mode": [*Mode],
}
_NAMES = ("workload", "family", "engine", "device", "precision", "hardware")
_FILTERS = ("q", *_NAMES, *_WORDS, "batch", "run", "import", "series", "metric", "usable", "since", "until")
_SEARCHED = ("workload", "engine", "device", "precision", "hardware", "result_id")
_COLUMN_SORTS = {
    "workload": SortKey("workload"),
    "engine": SortKey("engine"),
    "device": SortKey("device"),
    "precision": SortKey('"precision"'),
    "batch": SortKey("batch"),
    "hardware": SortKey("hardware"),
    "measured": SortKey("measured_at", is_descending=True),
}
_MORE_SORTS = {"id": SortKey("result_id", is_descending=True)}
_TEACH = (
    Lesson(
        "There are no measured results yet. The quick suite takes about three minutes on two cores:",
        ("assay run --suite quick",),
    ),
    Lesson("Results of other tools can be imported:", ("assay import PATH",)),
)


def build_list(ask: Ask) -> Page:
    """List results that fit the filters; measured ones unless others are asked for."""
    conditions = result_conditions(ask)
    metric = _metric(ask)
    keys = {**_COLUMN_SORTS, **_MORE_SORTS, **{name: SortKey(name, is_descending=True) for name in HEADLINES}}
    if metric is not None and metric not in HEADLINES:
        keys[metric] = SortKey(metric_sql(metric), is_descending=True)
    sorting, order = read_sorting(ask, keys, "-measured")
    total = ask.rows(f"SELECT count(*) AS n FROM results WHERE {conditions.where}", conditions.parameters)[0]["n"]  # noqa: S608  (words of ours; values are bound)
    pager = read_pager(ask, total, "result" if total == 1 else "results")
    records = _read(ask, conditions, order, pager)
    table = _table(records, metric, total - len(records), _when_empty(ask))
    scope = [
        (_FILTER_WORDS.get(name, name), ", ".join(ask.query.texts(name))) for name in _FILTERS if ask.query.text(name)
    ]
    report = page_report("results", "Results", [section("results", "Results", table)], scope=[_shown(ask), *scope])
    is_empty = total == 0 and ask.rows("SELECT count(*) AS n FROM runs")[0]["n"] == 0
    return Page(
        report,
        Place.RESULTS,
        template="list.html",
        main="results",
        form=_form(ask),
        pager=pager,
        sorting=sorting,
        parts={"teach": _TEACH if is_empty else ()},
    )


def build_result(ask: Ask) -> Page:
    """Show one result. Raises NotFoundError."""
    result_id = ask.ids["result_id"]
    rows = ask.rows("SELECT * FROM results WHERE result_id = ? LIMIT 1", [result_id])
    if not rows:
        raise NotFoundError(
            f"There is no result {result_id[:60]!r} in this store.", hint="It may have been removed with its run."
        )
    result = result_from_row(rows[0])
    return Page(
        report_result(ask.store, result),
        Place.RESULTS,
        main="numbers",
        parts={"kicker": "Result", "ways": _ways(ask, result)},
    )


def result_conditions(ask: Ask) -> Conditions:
    """What the filters of an address say of results. Raises UsageError for a word that nobody knows."""
    query, conditions = ask.query, Conditions()
    names_its_rows = any(query.text(name) for name in ("run", "import", "series"))
    provenance = query.choice("provenance", [*Provenance, ANY], ANY if names_its_rows else Provenance.MEASURED)
    conditions.equal("provenance", None if provenance == ANY else provenance)
    conditions.search(query.text("q"), _SEARCHED)
    for name in _NAMES:
        conditions.equal(f'"{name}"', query.exact(name))
    for name, known in _WORDS.items():
        conditions.equal(name, query.choice_or_none(name, known))
    if query.text("batch") is not None:
        conditions.equal("batch", query.whole("batch", 1, high=10**9))
    conditions.equal("run_id", query.text("run"))
    conditions.equal("series_id", query.text("series"))
    if (import_id := query.text("import")) is not None:
        conditions.add("run_id IN (SELECT run_id FROM runs WHERE import_id = ?)", import_id)
    if (metric := _metric(ask)) is not None:
        conditions.add(f"({metric_sql(metric)}) IS NOT NULL")
    if query.choice_or_none("usable", ("yes", "no")) is not None:
        conditions.add("usable" if query.text("usable") == "yes" else "NOT usable")
    if (since := query.day("since")) is not None:
        conditions.add("measured_at >= ?", since.replace(tzinfo=None))
    if (until := query.end_of_day("until")) is not None:
        conditions.add("measured_at < ?", until.replace(tzinfo=None))
    return conditions


def metric_sql(metric: str) -> str:
    """Return SQL for the value of a metric in a row of ``results``, of whichever statistic there is first.

    The name is one of the registry, so that nothing of a stranger stands in the text.
    """
    entry = f"list_filter(metrics, lambda one: one.name = '{metric}' AND one.value IS NOT NULL)[1].value"
    return f"coalesce({metric}, {entry})" if metric in HEADLINES else entry


def _read(ask: Ask, conditions: Conditions, order: str, pager: Pager) -> list[ResultRecord]:
    """Read the rows that a page shows; their metrics are wide, so no others are to be decoded.

    DuckDB sees to that for few of the first rows. Of others, which they are is found by few columns, then those alone
    are read. Their series stand in the condition too, since files are sorted by series: most are then never opened.
    """
    cut = cut_sql(pager)
    if pager.page * pager.size <= _MOST_AT_ONCE:
        sql = f"SELECT * FROM results WHERE {conditions.where} ORDER BY {order}, result_id DESC {cut}"  # noqa: S608  (words of ours; values are bound)
        return [result_from_row(row) for row in ask.rows(sql, conditions.parameters)]
    rows = ask.rows(
        f"SELECT result_id, series_id FROM results WHERE {conditions.where} ORDER BY {order}, result_id DESC {cut}",  # noqa: S608  (words of ours; values are bound)
        conditions.parameters,
    )
    ids = [row["result_id"] for row in rows]
    series = list({row["series_id"] for row in rows})
    found = ask.rows(
        f"SELECT * FROM results WHERE {one_of('series_id', series)} AND {one_of('result_id', ids)}",  # noqa: S608  (words of ours; values are bound)
        [*series, *ids],
    )
    by_id = {row["result_id"]: result_from_row(row) for row in found}
    return [by_id[result_id] for result_id in ids if result_id in by_id]


def _table(records: Sequence[ResultRecord], metric: str | None, left_out: int, when_empty: str) -> Table:
    """The reports' table of results, each leading to its page, with when it was measured and the metric asked for."""
    metrics = list(choose_metrics(records, most=3))
    if metric is not None and not any(one.name == metric for one in metrics):
        metrics.insert(0, NumberColumn(metric))
    base = results_table(records, metrics=metrics, with_hardware=True)
    column = Column(
        "measured", "measured", description="When it was computed; of an imported one, when its source says"
    )
    rows = tuple(
        (replace(row[0], ref=result_ref(record)), *row[1:], _when(record))
        for row, record in zip(base.rows, records, strict=True)
    )
    return Table(
        "results",
        "Results",
        (*base.columns, column) if records else base.columns,
        rows,
        rows_left_out=left_out,
        when_empty=when_empty,
    )


def _when(record: ResultRecord) -> Cell:
    if record.measured_at is None:
        return Cell(reason="its source does not say when")
    return Cell(record.measured_at)


def _metric(ask: Ask) -> str | None:
    return ask.query.choice_or_none("metric", registry.names())


def _when_empty(ask: Ask) -> str:
    if ask.query.text("provenance") is None and not any(ask.query.text(name) for name in ("run", "import", "series")):
        return "No measured result fits. Imported ones are shown where provenance says so."
    return "No result fits these filters."


_FILTER_WORDS = {"q": "search", "run": "run", "import": "import", "usable": "usable in rankings", "since": "from"}


def _shown(ask: Ask) -> tuple[str, str]:
    names_its_rows = any(ask.query.text(name) for name in ("run", "import", "series"))
    word = ask.query.text("provenance") or (ANY if names_its_rows else Provenance.MEASURED)
    return "provenance", "measured, imported and predicted" if word == ANY else f"{word} only"


def _form(ask: Ask) -> Form:
    query = ask.query
    names_its_rows = any(query.text(name) for name in ("run", "import", "series"))
    provenance = query.text("provenance") or (ANY if names_its_rows else Provenance.MEASURED.value)
    fields = (
        search(query.text("q"), hint="workload, engine, device"),
        select(
            "provenance",
            "Provenance",
            [("measured", "measured"), ("imported", "imported"), ("predicted", "predicted"), (ANY, "all, each marked")],
            provenance,
            any_label=None,
        ),
        select("family", "Family", _choices(ask, "family"), query.exact("family")),
        select("engine", "Engine", _choices(ask, "engine"), query.exact("engine")),
        select("hardware", "Hardware", _choices(ask, "hardware"), query.exact("hardware")),
    )
    more = (
        select("precision", "Precision", _choices(ask, "precision"), query.exact("precision")),
        select("mode", "Mode", [(one.value, one.value) for one in Mode], query.text("mode")),
        select("status", "Status", [(one.value, one.text) for one in Status], query.text("status")),
        select("verdict", "Verdict", [(one.value, one.value) for one in Verdict], query.text("verdict")),
        select("usable", "Usable in rankings", [("yes", "yes"), ("no", "no")], query.text("usable")),
        select("metric", "Has the number", _metric_choices(ask), query.text("metric")),
        Field(Control.NUMBER, "batch", "Batch", query.text("batch") or ""),
        Field(Control.DATE, "since", "From", query.text("since") or ""),
        Field(Control.DATE, "until", "Until", query.text("until") or ""),
        *(hidden(name, query.text(name)) for name in ("workload", "device", "run", "import", "series", "sort")),
    )
    is_narrowed = any(query.text(name) for name in (*_FILTERS, "provenance"))
    return Form(ask.url_of("/results"), fields, more, reset=ask.url_of("/results") if is_narrowed else None)


def _choices(ask: Ask, column: str) -> list[tuple[str, str, int]]:
    return count_choices(ask, column)


def _metric_choices(ask: Ask) -> list[tuple[str, str]]:
    """Metrics that results have, by their words."""
    return [(name, metric_title(name)) for name in read_metrics(ask)]


def _ways(ask: Ask, result: ResultRecord) -> list[tuple[str, str]]:
    """Where to go from a result."""
    ways = [("Its run", ask.url_of(f"/runs/{result.run_id}"))]
    if result.provenance is Provenance.MEASURED:
        ways.append(("Its history", ask.url_of(f"/series/{result.series_id}")))
    elif result.provenance is Provenance.IMPORTED:
        ways.append(("All of its import", ask.url_of("/results", run=result.run_id)))
    return ways


add_page(router, "/results", build_list, name="results")
add_page(router, "/results/{result_id}", build_result, name="result")
