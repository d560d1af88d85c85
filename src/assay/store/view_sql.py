"""The SQL of the views: which rows of the tables are visible, the newest of each series, and every number by name.

Text only: nothing here connects. May import: core and store.schema.
"""

from __future__ import annotations

from assay.core.words import Fidelity, Mark, Status
from assay.store.schema import HEADLINE_PHASE, HEADLINES, VISIBLE, headline_columns

OF_RUNS = "run_id, write_id, superseded, suite, provenance, started_at, tags"
"""What is kept in memory of each visible run."""

# Should one run ever be appended twice, the earliest attempt counts (write ids sort by time). A run is superseded
# once a run that resumed it is visible.
RUNS_VIEW = """
CREATE VIEW runs AS
WITH counted AS (
  SELECT *, row_number() OVER (PARTITION BY run_id ORDER BY write_id) AS attempt FROM raw.runs
), visible AS (
  SELECT * EXCLUDE (attempt) FROM counted WHERE attempt = 1
)
SELECT *, run_id IN (SELECT parent_id FROM visible WHERE parent_id IS NOT NULL) AS superseded FROM visible
"""

ENVIRONMENTS_VIEW = """
CREATE VIEW environments AS
SELECT * FROM raw.environments QUALIFY row_number() OVER (PARTITION BY env_id ORDER BY first_seen_at) = 1
"""


def quote(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def visible_view(table: str) -> str:
    """Return SQL that makes the view of a table whose rows belong to runs."""
    return f"CREATE VIEW {table} AS SELECT * FROM raw.{table} WHERE write_id IN (SELECT write_id FROM {VISIBLE})"  # noqa: S608


def catalogue_view(table: str) -> str:
    """Return SQL that makes the view of a table of imported statements: of each file, what its last import brought.

    Ids of imports sort by time. So a file that was read again, by an assay that knows more names say, replaces what it
    brought before, and two processes that import it at the same moment do not double it.
    """
    newest = f"SELECT max(import_id) FROM raw.{table} GROUP BY content_id"  # noqa: S608  (a name of ours)
    return f"CREATE VIEW {table} AS SELECT * FROM raw.{table} WHERE import_id IN ({newest})"  # noqa: S608


def visible_results(source: str, *, is_whole: bool = False) -> str:
    """Return SQL for the visible rows of results; of a source that is whole that is every row.

    ``usable`` is ``ResultRecord.is_usable``.
    """
    visible = "TRUE" if is_whole else f"write_id IN (SELECT write_id FROM {VISIBLE})"  # noqa: S608  (a name of ours)
    excluding = ", ".join(quote(mark.value) for mark in Mark if mark.excludes)
    return f"""
    SELECT *, status = {quote(Status.OK.value)} AND fidelity IS DISTINCT FROM {quote(Fidelity.FAILED.value)}
              AND NOT list_has_any(map_keys(marks), [{excluding}]) AS usable
    FROM {source} WHERE {visible}
    """  # noqa: S608  (words of ours)


def metrics_view() -> str:
    """Return SQL that makes the view ``metrics``: a row for each number of each result, wide ones among them."""
    keys = "run_id, result_id, series_id, case_id, measured_at, provenance"
    parts = []
    for name, (stat, unit) in HEADLINES.items():
        value, low, high, count = headline_columns(name)
        parts.append(
            f"SELECT {keys}, {quote(name)} AS name, {quote(HEADLINE_PHASE)} AS phase, {quote(stat)} AS stat, "  # noqa: S608
            f"{value} AS value, {quote(unit)} AS unit, {low} AS ci_lo, {high} AS ci_hi, {count} AS n, "
            f"NULL::VARCHAR AS reason FROM results WHERE {value} IS NOT NULL"
        )
    parts.append(f"SELECT {keys}, unnest(metrics, recursive := true) FROM results")  # noqa: S608
    return f"CREATE VIEW metrics AS {' UNION ALL BY NAME '.join(parts)}"


def latest_of(source: str, *, is_distinct: bool = False) -> str:
    """Return SQL for the newest row of each series: by ``measured_at`` (nulls are oldest), then by ``result_id``.

    Which rows those are is found on three columns, so that of the others the wide rest is never decoded: over 10M rows
    3 s of a processor, where a join by two keys, or the source in a WITH (which DuckDB writes out whole), takes 40 s.
    The window then only meets what is there twice; where no result is (``is_distinct``) it is left out, since putting
    wide rows in order takes five times as long as finding them.
    """
    newest = f"""
    SELECT * FROM {source} WHERE result_id IN (
      SELECT max({{'at': coalesce(measured_at, '-infinity'::TIMESTAMP), 'id': result_id}}).id
      FROM {source} GROUP BY series_id
    )
    """  # noqa: S608  (names of ours)
    if is_distinct:
        return newest
    return f"""
    SELECT * FROM ({newest})
    QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY measured_at DESC NULLS LAST, result_id DESC) = 1
    """  # noqa: S608  (names of ours)
