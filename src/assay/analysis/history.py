"""The histories that a run is judged by: of every series of it at once, in one query.

A history holds usable, measured, undisturbed results of the same series in the same environment (see ``segments``)
since the level was last accepted (see ``levels``), the newest 30 at most. Left out are launches made for a trial, since
those may be of another state of the code, and results that a check against history called suspect or regressed and that
nobody has accepted since: they would pull the level towards what they were an alarm of. May import: core, store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assay.analysis.environments import TABLES_READ
from assay.analysis.levels import Level
from assay.core.records import RunRecord
from assay.core.words import Change, Provenance, Verdict
from assay.store.query import fetch_rows
from assay.store.rows import aware, run_from_row, utc
from assay.store.schema import HEADLINE_PHASE, HEADLINES

if TYPE_CHECKING:
    from assay.store import Store

HISTORY = "history"
"""What findings of a check against history say that they are against."""
FEWEST_RESULTS = 8
MOST_RESULTS = 30
TRIAL_TAG = "trial"
"""Runs with this tag, or one that begins ``trial:``, answer a question of their own, perhaps of another code."""
NOT_A_TRIAL = f"len(list_filter(tags, lambda tag: tag = '{TRIAL_TAG}' OR starts_with(tag, '{TRIAL_TAG}:'))) = 0"
"""The same as a condition on ``runs``."""
_LOOKED_AT_FIRST = 100
_ANY_TIME = datetime(1, 1, 1)  # noqa: DTZ001  (as the views hold it)
_ALARMS = (Change.REGRESSED, Change.SUSPECT)


@dataclass(frozen=True, slots=True)
class History:
    """What came before the judged result of one series, oldest first, in the metric's unit.

    ``newest_run_id`` and ``newest_commit`` are of the newest of ``values``. ``others`` counts accepted results in other
    environments; ``other_env_id`` is that of the newest of those, measured at ``other_at``.
    """

    series_id: str
    values: tuple[float, ...] = ()
    since: datetime | None = None
    newest_run_id: str | None = None
    newest_commit: str | None = None
    others: int = 0
    other_env_id: str | None = None
    other_at: datetime | None = None


def read_histories(
    store: Store,
    run: RunRecord,
    metric: str,
    stat: str,
    *,
    env_ids: Collection[str],
    levels: Mapping[str, Level],
    leave_out: Collection[str] = (),
) -> dict[str, History]:
    """Return the history of each series of a run that has one, by series; ``env_ids`` count as its environment.

    ``leave_out`` names more runs that do not belong in it. The last runs of the suite are looked at first, and all of
    the store only for series that they do not settle: so it takes as long for a year of results as for ten. Raises
    StoreError.
    """
    question = _Question(run, metric, stat, tuple(env_ids), levels, tuple(leave_out))
    begin = _find_window(store, question)
    histories = _read(store, question, begin)
    if begin is None or not begin.is_all_of_environment:
        open_series = _find_open(store, question, histories, begin)
        if open_series:
            histories |= _read(store, question, None, open_series)
    return histories


@dataclass(frozen=True, slots=True)
class _Question:
    run: RunRecord
    metric: str
    stat: str
    env_ids: tuple[str, ...]
    levels: Mapping[str, Level]
    leave_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Window:
    """When the last runs began that are looked at first, and whether the environment had no run before."""

    since: datetime
    is_all_of_environment: bool


def _find_window(store: Store, question: _Question) -> _Window | None:
    """Return the window; None where the suite has too few runs to need one."""
    started = naive(question.run.started_at)
    rows = fetch_rows(
        store.location,
        """
        WITH recent AS (
          SELECT started_at FROM runs WHERE suite = ? AND started_at < ? ORDER BY started_at DESC LIMIT 1 OFFSET ?
        )
        SELECT started_at, started_at <= (
          SELECT min(started_at) FROM runs WHERE env_id IN (SELECT unnest(?::VARCHAR[]))
        ) AS is_all FROM recent
        """,
        [question.run.suite, started, _LOOKED_AT_FIRST - 1, list(question.env_ids)],
        tables=TABLES_READ,
        versions=store.versions,
    )
    return _Window(aware(rows[0]["started_at"]), bool(rows[0]["is_all"])) if rows else None


def _find_open(
    store: Store, question: _Question, histories: Mapping[str, History], window: _Window | None
) -> list[str]:
    """Return the series of the run that older results could add to: those that are short, and were not cut off."""
    if window is None:
        return []
    rows = fetch_rows(
        store.location,
        "SELECT DISTINCT series_id FROM results WHERE run_id = ?",
        [question.run.run_id],
        tables=TABLES_READ,
        versions=store.versions,
    )
    found = []
    for row in rows:
        series_id = row["series_id"]
        history, level = histories.get(series_id), question.levels.get(series_id)
        is_full = history is not None and len(history.values) >= MOST_RESULTS
        if not is_full and (level is None or level.since < window.since):
            found.append(series_id)
    return found


def _read(
    store: Store, question: _Question, window: _Window | None, series_ids: Sequence[str] | None = None
) -> dict[str, History]:
    """Read the histories in a window of time, or all; of all series of the run, or some."""
    value, asked = _value_column(question.metric, question.stat)
    alarms = ", ".join(f"'{change.value}'" for change in _ALARMS)
    rows = fetch_rows(
        store.location,
        f"""
        WITH judged AS (
          SELECT series_id, min(measured_at) AS at FROM results
          WHERE run_id = ? AND (?::VARCHAR[] IS NULL OR series_id IN (SELECT unnest(?::VARCHAR[]))) GROUP BY series_id
        ), levels AS (
          SELECT unnest(?::VARCHAR[]) AS series_id, unnest(?::TIMESTAMP[]) AS since, unnest(?::TIMESTAMP[]) AS said_at
        ), eligible AS (
          SELECT run_id, env_id, env_id IN (SELECT unnest(?::VARCHAR[])) AS is_own FROM runs
          WHERE provenance = ? AND NOT superseded AND {NOT_A_TRIAL} AND run_id <> ?
            AND run_id NOT IN (SELECT unnest(?::VARCHAR[]))
        ), said AS (
          SELECT result_id, max({{'at': created_at, 'id': finding_id, 'change': change}}) AS newest
          FROM findings WHERE metric = ? AND stat = ? AND against = ? AND result_id IS NOT NULL GROUP BY result_id
        ), flagged AS (
          SELECT result_id, newest.at AS flagged_at FROM said WHERE newest.change IN ({alarms})
        ), chosen AS (
          SELECT results.series_id, results.measured_at, results.run_id, {value} AS value, env_id, is_own
          FROM results
          JOIN judged USING (series_id)
          JOIN eligible USING (run_id)
          LEFT JOIN levels USING (series_id)
          LEFT JOIN flagged USING (result_id)
          WHERE usable AND verdict IS DISTINCT FROM ? AND launches_ok >= launches_planned
            AND results.measured_at < judged.at AND results.measured_at >= ?::TIMESTAMP
            AND (levels.since IS NULL OR results.measured_at >= levels.since)
            AND (flagged_at IS NULL OR flagged_at < levels.said_at)
        ), histories AS (
          SELECT series_id,
                 max({{'at': measured_at, 'value': value}}, {MOST_RESULTS}) FILTER (is_own) AS newest,
                 arg_max(run_id, measured_at) FILTER (is_own) AS run_id,
                 count(*) FILTER (NOT is_own) AS others,
                 max(measured_at) FILTER (NOT is_own) AS other_at,
                 arg_max(env_id, measured_at) FILTER (NOT is_own) AS other_env_id
          FROM chosen WHERE value > 0 AND isfinite(value) GROUP BY series_id
        )
        SELECT histories.*, git_commit FROM histories LEFT JOIN runs USING (run_id)
        """,  # noqa: S608  (words and numbers of ours)
        [
            question.run.run_id,
            series_ids if series_ids is None else list(series_ids),
            [] if series_ids is None else list(series_ids),
            list(question.levels),
            [naive(level.since) for level in question.levels.values()],
            [naive(level.said_at) for level in question.levels.values()],
            list(question.env_ids),
            Provenance.MEASURED.value,
            question.run.run_id,
            list(question.leave_out),
            question.metric,
            question.stat,
            HISTORY,
            *asked,
            Verdict.CONTAMINATED.value,
            _ANY_TIME if window is None else naive(window.since),
        ],
        tables=TABLES_READ,
        versions=store.versions,
    )
    return {row["series_id"]: _history(row) for row in rows}


def find_newest_run(store: Store) -> RunRecord | None:
    """Return the newest measured run that is neither a trial nor a probe; None where there is none."""
    rows = fetch_rows(
        store.location,
        f"SELECT * FROM runs WHERE provenance = ? AND suite <> ? AND NOT superseded AND {NOT_A_TRIAL} "  # noqa: S608
        "ORDER BY started_at DESC, run_id DESC LIMIT 1",
        [Provenance.MEASURED.value, "probe"],
        tables=TABLES_READ,
        versions=store.versions,
    )
    return run_from_row(rows[0]) if rows else None


def naive(time: datetime) -> datetime:
    """Return an instant as the views hold it: UTC without a zone."""
    return utc(time).replace(tzinfo=None)


def _history(row: Mapping[str, Any]) -> History:
    newest: Sequence[Mapping[str, Any]] = row["newest"] or ()
    return History(
        series_id=row["series_id"],
        values=tuple(one["value"] for one in reversed(newest)),
        since=aware(newest[-1]["at"]) if newest else None,
        newest_run_id=row["run_id"],
        newest_commit=row["git_commit"],
        others=row["others"],
        other_env_id=row["other_env_id"],
        other_at=None if row["other_at"] is None else aware(row["other_at"]),
    )


def _value_column(metric: str, stat: str) -> tuple[str, list[object]]:
    """Return SQL for a number of a result in the steady phase, and its parameters: a column, or an entry of a list."""
    if HEADLINES.get(metric, ("", ""))[0] == stat:
        return f"results.{metric}", []
    entry = "list_filter(metrics, lambda one: one.name = ? AND one.stat = ? AND one.phase = ?)[1].value"
    return entry, [metric, stat, HEADLINE_PHASE]
