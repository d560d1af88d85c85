"""The results of many series over time, as points: five queries, however many series.

May import: core, catalog, store, analysis.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assay.analysis.history import NOT_A_TRIAL
from assay.analysis.launch_values import settle_stat
from assay.catalog.metrics import metrics as registry
from assay.core.errors import NotFoundError
from assay.core.words import Provenance, Status, Verdict
from assay.store.query import METRICS_VIEW, fetch_rows
from assay.store.rows import case_from_row, optional_aware
from assay.store.schema import HEADLINE_PHASE, HEADLINES, RESULTS
from assay.store.selection import Selection

if TYPE_CHECKING:
    from assay.store import Store

_Row = dict[str, Any]
SHORTEST_ID = 4
"""Digits of a series' id that are enough to name it, where they name only one."""


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One result of a series. ``value`` is in the metric's unit; ``left_out`` says why nothing is concluded from it."""

    result_id: str
    run_id: str
    measured_at: datetime | None
    value: float | None
    env_id: str
    verdict: Verdict | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    left_out: str | None = None

    @property
    def is_used(self) -> bool:
        """True where segments and change points rest on it."""
        return self.left_out is None


@dataclass(frozen=True, slots=True)
class SeriesPoints:
    """One series: what it is, and its results, oldest first."""

    series_id: str
    case_label: str
    hardware: str | None
    points: tuple[TrendPoint, ...] = ()


def find_series(store: Store, selection: Selection, words: Sequence[str] = ()) -> tuple[SeriesPoints, ...]:
    """Return the measured series that a selection has results of, by label, without their points.

    ``words`` narrow them: a word is (the beginning of) a series' id, or stands in its label or its hardware, capital or
    not; every word must fit. Raises NotFoundError where there are words and none fits.
    """
    where, parameters = _measured(selection).where()
    rows = fetch_rows(
        store.location,
        f"""
        SELECT series_id, workload, engine, device, mode, "precision", batch, shape, options, hardware, provenance
        FROM results WHERE {where}
        QUALIFY row_number() OVER (PARTITION BY series_id ORDER BY measured_at DESC NULLS LAST, result_id DESC) = 1
        """,  # noqa: S608  (a condition of ours, its values bound)
        parameters,
        tables=[RESULTS],
        versions=store.versions,
    )
    every = [SeriesPoints(row["series_id"], case_from_row(row).label, row["hardware"]) for row in rows]
    found = [one for one in every if all(_fits(one, word) for word in words)]
    if words and every and not found:
        raise NotFoundError(
            f"None of the {len(every)} series fits {' '.join(words)!r}.",
            hint="Each word must be part of a series' id, case or hardware; `assay trend` alone lists them.",
        )
    return tuple(sorted(found, key=lambda one: (one.case_label, one.hardware or "", one.series_id)))


def read_points(
    store: Store, series: Sequence[SeriesPoints], selection: Selection, *, metric: str, stat: str | None
) -> tuple[SeriesPoints, ...]:
    """Return these series with their points, in the order given. Raises UnknownNameError for metric and statistic."""
    stat = settle_stat(metric, stat)
    if not series:
        return ()
    wanted = replace(_measured(selection), series_id=[one.series_id for one in series])
    rows = _read_values(store, wanted, metric, stat)
    runs = _read_runs(store, {row["run_id"] for row in rows})
    by_series: dict[str, list[TrendPoint]] = {one.series_id: [] for one in series}
    for row in rows:
        by_series[row["series_id"]].append(_point(row, runs[row["run_id"]]))
    return tuple(replace(one, points=tuple(by_series[one.series_id])) for one in series)


def _measured(selection: Selection) -> Selection:
    """Only what was measured has a history; imported rows were made by others, at times of their own."""
    return replace(selection, provenance=Provenance.MEASURED.value)


def _fits(series: SeriesPoints, word: str) -> bool:
    folded = word.casefold()
    is_id = len(word) >= SHORTEST_ID and series.series_id.startswith(folded)
    return is_id or folded in series.case_label.casefold() or folded in (series.hardware or "").casefold()


def _read_runs(store: Store, run_ids: Iterable[str]) -> dict[str, _Row]:
    rows = fetch_rows(
        store.location,
        f"""
        SELECT run_id, env_id, git_commit, git_dirty, NOT ({NOT_A_TRIAL}) AS is_trial FROM runs
        WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
        """,  # noqa: S608  (a condition of ours)
        [list(run_ids)],
        tables=(),
        versions=store.versions,
    )
    return {row["run_id"]: row for row in rows}


def _read_values(store: Store, selection: Selection, metric: str, stat: str) -> list[_Row]:
    """Read a row a result, oldest first, with its value in the steady phase, or in the only one that it has."""
    where, parameters = selection.where()
    columns = (
        "results.result_id, run_id, results.series_id, results.measured_at, status, results.reason, verdict, usable, "
        "fidelity_reason, marks, launches_ok, launches_planned"
    )
    order = "ORDER BY results.measured_at NULLS FIRST, results.result_id"
    if HEADLINES.get(metric, ("", ""))[0] == stat:
        sql = f"SELECT {columns}, {metric} AS value, NULL AS why, 1 AS phases FROM results WHERE {where} {order}"  # noqa: S608
        return fetch_rows(store.location, sql, parameters, tables=[RESULTS], versions=store.versions)
    sql = f"""
    WITH chosen AS (SELECT * FROM results WHERE {where}), numbers AS (
      SELECT result_id, count(DISTINCT phase) AS phases, bool_or(phase = '{HEADLINE_PHASE}') AS is_steady,
             arg_min({{'value': value, 'why': reason, 'unit': unit}}, (phase <> '{HEADLINE_PHASE}')) AS number
      FROM {METRICS_VIEW} WHERE name = ? AND stat = ? AND result_id IN (SELECT result_id FROM chosen) GROUP BY result_id
    )
    SELECT {columns.replace("results.", "chosen.")}, number.why AS why, if(is_steady, 1, phases) AS phases,
           CASE WHEN number.unit = ? THEN number.value END AS value
    FROM chosen LEFT JOIN numbers USING (result_id) {order.replace("results.", "chosen.")}
    """  # noqa: S608  (names of ours, and a condition whose values are bound)
    given = [*parameters, metric, stat, registry.get(metric).unit]
    return fetch_rows(store.location, sql, given, tables=[RESULTS], versions=store.versions)


def _point(row: _Row, run: _Row) -> TrendPoint:
    return TrendPoint(
        result_id=row["result_id"],
        run_id=row["run_id"],
        measured_at=optional_aware(row["measured_at"]),
        value=row["value"],
        env_id=run["env_id"],
        verdict=None if row["verdict"] is None else Verdict(row["verdict"]),
        git_commit=run["git_commit"],
        git_dirty=run["git_dirty"],
        left_out=next(_reasons_against(row, run), None),
    )


def _reasons_against(row: Mapping[str, Any], run: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a result is no part of the history, as `assay check` sees it; nothing where it is."""
    status, value = Status(row["status"]), row["value"]
    if status is not Status.OK:
        yield f"{status.text}: {row['reason'] or 'no reason recorded'}"
    if not row["usable"]:
        marked = next(iter((row["marks"] or {}).values()), None)
        yield f"not usable: {row['fidelity_reason'] or marked or 'no reason recorded'}"
    if row["verdict"] == Verdict.CONTAMINATED:
        yield "contaminated"
    if run["is_trial"]:
        yield "launches of a trial, perhaps of another state of the code"
    if row["launches_ok"] < row["launches_planned"]:
        yield f"{row['launches_ok']} of {row['launches_planned']} launches"
    if (row["phases"] or 0) > 1:
        yield "it has this metric in several phases"
    if value is None:
        yield row["why"] or "it has no such number"
    elif not 0 < value < math.inf:
        yield f"{value} has no logarithm"
