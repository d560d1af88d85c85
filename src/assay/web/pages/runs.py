"""Runs: the list of them, and one. What a run's page says is the report `assay report` makes of it.

May import: core, report, store, web.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from assay.core.units import format_elapsed
from assay.core.words import Provenance, RunStatus
from assay.report.advice import PROBE_SUITE
from assay.report.base import ReportRequest
from assay.report.build import build_report
from assay.report.cells import device_cell, run_cell
from assay.report.values import Cell, Column
from assay.report.wording import count_words
from assay.store.find import is_full_id
from assay.store.rows import aware
from assay.store.schema import ANNOTATIONS, BASELINES, ENVIRONMENTS, IMPORTS, VISIBLE
from assay.web.forms import Control, Field, Form, boxes, hidden, search, select
from assay.web.lists import (
    Conditions,
    ListColumn,
    SortKey,
    choose_columns,
    column_choices,
    counted_choices,
    cut_sql,
    one_of,
    read_pager,
    read_sorting,
    table_of,
    usual_columns,
)
from assay.web.navigation import Place
from assay.web.page import Ask, Page
from assay.web.pages import results
from assay.web.reading import State, versions_of
from assay.web.reports import Lesson, page_report, section
from assay.web.views import add_page

router = APIRouter()
router.include_router(results.router)

_FROM = "runs LEFT JOIN environments USING (env_id)"
_SEARCHED = ("suite", "note", "array_to_string(tags, ' ')", "run_id", "hardware_class", "git_branch", "git_commit")
_COLUMNS = (
    ListColumn(Column("run", "run", description="The end of its id, which is enough to name it"), is_fixed=True),
    ListColumn(Column("started", "started", description="When it began")),
    ListColumn(Column("suite", "suite", description="What was measured or imported")),
    ListColumn(Column("status", "status", description="How it ended")),
    ListColumn(Column("results", "results", unit="count", description="Cases with a result, failures among them")),
    ListColumn(Column("went", "how they went", description="Results by status and verdict")),
    ListColumn(Column("hardware", "hardware", description="The hardware class of its machine")),
    ListColumn(Column("took", "took", unit="s", description="From its beginning to its end"), is_usual=False),
    ListColumn(Column("commit", "code", is_code=True, description="Commit of the folder it ran in; * has changes")),
    ListColumn(Column("note", "note", description="What was said of it when it was made")),
    ListColumn(Column("tags", "tags", description="Words that it was given"), is_usual=False),
    ListColumn(Column("provenance", "provenance", description="Measured here, or imported"), is_usual=False),
    ListColumn(Column("host", "host", is_code=True, description="A hash of the machine's identity"), is_usual=False),
    ListColumn(Column("version", "assay", is_code=True, description="Version of assay"), is_usual=False),
)
_SORTS = {
    "run": SortKey("run_id", is_descending=True),
    "started": SortKey("started_at", is_descending=True),
    "suite": SortKey("suite"),
    "status": SortKey("status"),
    "results": SortKey("results_written", is_descending=True),
    "hardware": SortKey("hardware_class"),
    "took": SortKey("finished_at - started_at", is_descending=True),
    "provenance": SortKey("runs.provenance"),
}
_START = (
    Lesson(
        "Nothing has been measured yet. The quick suite takes about three minutes on two cores:",
        ("assay run --suite quick",),
    ),
    Lesson(
        "Results of other tools can be imported, each file with its own words kept beside what they became:",
        ("assay import PATH",),
    ),
)


def build_list(ask: Ask) -> Page:
    """List runs that fit the filters."""
    conditions = _conditions(ask)
    sorting, order = read_sorting(ask, _SORTS, "-started")
    total = ask.rows(f"SELECT count(*) AS n FROM {_FROM} WHERE {conditions.where}", conditions.parameters)[0]["n"]  # noqa: S608  (words of ours; values are bound)
    pager = read_pager(ask, total, "run" if total == 1 else "runs")
    rows = ask.rows(
        "SELECT run_id, suite, status, started_at, finished_at, git_commit, git_branch, git_dirty, tags, note, "  # noqa: S608  (words of ours; values are bound)
        f"provenance, results_written, assay_version, hardware_class, host_id FROM {_FROM} "
        f"WHERE {conditions.where} ORDER BY {order}, run_id DESC {cut_sql(pager)}",
        conditions.parameters,
    )
    went = _count_results(ask, [row["run_id"] for row in rows])
    is_empty = total == 0 and not conditions.clauses
    table = table_of(
        "runs",
        "Runs",
        choose_columns(ask, _COLUMNS),
        (_cells(row, went.get(row["run_id"], {})) for row in rows),
        pager=pager,
        when_empty="There are no runs yet." if is_empty else "No run fits these filters.",
    )
    scope = tuple((name, ", ".join(ask.query.texts(name))) for name in _FILTERS if ask.query.text(name))
    report = page_report("runs", "Runs", [section("runs", "Runs", table)], scope=scope)
    return Page(
        report,
        Place.RUNS,
        template="runs.html",
        main="runs",
        form=_form(ask),
        pager=pager,
        sorting=sorting,
        parts={"teach": _START if is_empty else (), "run_ids": [row["run_id"] for row in rows]},
    )


def build_run(ask: Ask) -> Page:
    """Show one run. Raises NotFoundError, UsageError where a short id fits several."""
    report = build_report(ask.store, "run", ReportRequest(run_ids=(ask.ids["run_id"],), limit=ask.size))
    run_id = report.ref.id if report.ref is not None else ask.ids["run_id"]
    return Page(
        report,
        Place.RUNS,
        main="results",
        parts={"kicker": "Run", "ways": _ways(ask, run_id)},
    )


_TOLD_IN = (ENVIRONMENTS, IMPORTS, ANNOTATIONS, BASELINES)
"""Tables that the page of a run depends on, beside its own rows and what advice rests on."""


def read_state(ask: Ask) -> State:
    """What the page of a run depends on.

    That is the run, which never changes, its neighbours, probes, and the results of the same workloads on the same
    hardware, which advice rests on. A short id may come to mean another run.
    """
    run_id = ask.ids["run_id"]
    if not is_full_id(run_id):
        return ask.state
    [row] = ask.rows(
        f"""
        WITH mine AS (SELECT DISTINCT workload, hardware FROM results WHERE run_id = ?)
        SELECT count(*) AS n, coalesce(bit_xor(hash(result_id)), 0)::VARCHAR AS results,
          (SELECT count(*) FROM {VISIBLE} WHERE superseded) AS superseded,
          (SELECT count(*) FROM {VISIBLE} WHERE suite = '{PROBE_SUITE}') AS probes
        FROM results
        WHERE workload IN (SELECT workload FROM mine) AND hardware IN (SELECT hardware FROM mine) OR run_id = ?
        """,  # noqa: S608  (words of ours; values are bound)
        [run_id, run_id],
    )
    return (*versions_of(ask.state, _TOLD_IN), *row.items(), ("ways", " ".join(_ways_key(ask, run_id))))


def _ways_key(ask: Ask, run_id: str) -> list[str]:
    return [address for _, address in _ways(ask, run_id)]


_FILTERS = ("q", "suite", "status", "host", "tag", "provenance", "since", "until")


def _conditions(ask: Ask) -> Conditions:
    query, conditions = ask.query, Conditions()
    conditions.search(query.text("q"), _SEARCHED)
    conditions.equal("suite", query.exact("suite"))
    conditions.equal("status", query.choice_or_none("status", list(RunStatus)))
    conditions.equal("hardware_class", query.exact("host"))
    conditions.equal("provenance", query.choice_or_none("provenance", [Provenance.MEASURED, Provenance.IMPORTED]))
    if (tag := query.exact("tag")) is not None:
        conditions.add("list_contains(tags, ?)", tag)
    if (since := query.day("since")) is not None:
        conditions.add("started_at >= ?", since.replace(tzinfo=None))
    if (until := query.end_of_day("until")) is not None:
        conditions.add("started_at < ?", until.replace(tzinfo=None))
    return conditions


def _form(ask: Ask) -> Form:
    query = ask.query
    tags = counted_choices(ask, "(SELECT unnest(tags) AS tag FROM runs)", "tag")
    fields = (
        search(query.text("q"), hint="suite, note, tag, id, commit"),
        select("suite", "Suite", counted_choices(ask, "runs", "suite"), query.exact("suite")),
        select("status", "Status", [(one.value, one.value) for one in RunStatus], query.text("status")),
        select(
            "provenance", "Provenance", [("measured", "measured"), ("imported", "imported")], query.text("provenance")
        ),
    )
    more = (
        select("host", "Hardware", counted_choices(ask, _FROM, "hardware_class"), query.exact("host")),
        select("tag", "Tag", tags, query.exact("tag")),
        Field(Control.DATE, "since", "From", query.text("since") or ""),
        Field(Control.DATE, "until", "Until", query.text("until") or ""),
        boxes("cols", "Columns", column_choices(_COLUMNS), _shown(ask), usual=usual_columns(_COLUMNS)),
    )
    reset = ask.url_of("/runs") if any(query.text(name) for name in _FILTERS) else None
    return Form(
        ask.url_of("/runs"),
        (*fields, hidden("sort", query.text("sort"))),
        more,
        reset=reset,
        more_title="More filters and columns",
    )


def _shown(ask: Ask) -> list[str]:
    fixed = {one.column.key for one in _COLUMNS if one.is_fixed}
    return [column.key for column in choose_columns(ask, _COLUMNS) if column.key not in fixed]


def _count_results(ask: Ask, run_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How the results of some runs went: by status and, of those that are ok, by verdict."""
    rows = ask.rows(
        f"""
        SELECT run_id, count(*) AS total, count(*) FILTER (status IN ('failed', 'oom', 'timeout')) AS failed,
          count(*) FILTER (status IN ('unsupported', 'skipped')) AS "not run",
          count(*) FILTER (status = 'ok' AND verdict = 'trusted') AS trusted,
          count(*) FILTER (status = 'ok' AND verdict = 'noisy') AS noisy,
          count(*) FILTER (status = 'ok' AND verdict = 'contaminated') AS contaminated,
          count(*) FILTER (status = 'ok' AND NOT usable) AS "left out"
        FROM results WHERE {one_of("run_id", run_ids)} GROUP BY run_id
        """,  # noqa: S608  (words of ours; values are bound)
        run_ids,
    )
    return {row.pop("run_id"): row for row in rows}


_WENT = ("failed", "not run", "trusted", "noisy", "contaminated", "left out")


def _cells(row: Mapping[str, Any], went: Mapping[str, int]) -> dict[str, Cell]:
    is_imported = row["provenance"] == Provenance.IMPORTED.value
    counts = count_words({word: went.get(word) or 0 for word in _WENT})
    took = (row["finished_at"] - row["started_at"]).total_seconds()
    return {
        "run": run_cell(row["run_id"]),
        "started": Cell(aware(row["started_at"])),
        "suite": Cell(row["suite"]),
        "status": Cell(row["status"], is_usable=True),
        "results": Cell(went.get("total") or 0),
        "went": Cell(counts or None, reason=None if counts else "nobody said" if is_imported else "no results"),
        "hardware": device_cell(None if is_imported else row["hardware_class"]),
        "took": Cell(None, reason="it was imported") if is_imported else Cell(took, reason=format_elapsed(took)),
        "commit": _commit(row),
        "note": _optional(row["note"], "nobody said anything"),
        "tags": _optional(", ".join(row["tags"]), "it has none"),
        "provenance": Cell(row["provenance"]),
        "host": _optional(None if is_imported else row["host_id"], "it was imported"),
        "version": Cell(row["assay_version"]),
    }


def _commit(row: Mapping[str, Any]) -> Cell:
    if row["git_commit"] is None:
        return Cell(reason="it ran outside a repository")
    return Cell(f"{row['git_commit'][:8]}{'*' if row['git_dirty'] else ''}")


def _optional(text: str | None, reason: str) -> Cell:
    return Cell(text or None, reason=None if text else reason)


def _ways(ask: Ask, run_id: str) -> list[tuple[str, str]]:
    """Where to go from a run: all its results, and runs of the same suite just before and after it to compare with."""
    rows = ask.rows(
        f"""
        WITH mine AS (SELECT suite, started_at FROM {VISIBLE} WHERE run_id = ?)
        SELECT run_id, started_at < (SELECT started_at FROM mine) AS is_before FROM {VISIBLE}
        WHERE suite = (SELECT suite FROM mine) AND run_id <> ? AND provenance = 'measured'
        ORDER BY abs(epoch(started_at) - epoch((SELECT started_at FROM mine))) LIMIT 40
        """,  # noqa: S608  (a name of ours; values are bound)
        [run_id, run_id],
    )
    before = next((row["run_id"] for row in rows if row["is_before"]), None)
    after = next((row["run_id"] for row in rows if not row["is_before"]), None)
    ways = [("All its results", ask.url_of("/results", run=run_id))]
    ways += [("Compare with the run before", ask.url_of("/compare", a=before, b=run_id))] if before else []
    ways += [("Compare with the run after", ask.url_of("/compare", a=run_id, b=after))] if after else []
    return ways


add_page(router, "/runs", build_list, name="runs")
add_page(router, "/runs/{run_id}", build_run, name="run", reads=read_state)
