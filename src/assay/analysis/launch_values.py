"""One value a launch, for every result of many runs at once: what comparing, checking and calibrating work on.

Iterations inside a launch are correlated (METHOD 1), so nothing above this reads samples: it reads launches.
May import: core, catalog, stats, store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from assay.catalog.launch_metrics import ONE_A_CASE, LaunchPlace, Place, find_place, known_stats, usual_stat
from assay.catalog.metrics import metrics as registry
from assay.core.errors import UnknownNameError
from assay.core.words import Mode, Provenance, Status, Verdict
from assay.stats.summary import PERCENTILE_MINIMUM_N
from assay.store.query import METRICS_VIEW, fetch_rows
from assay.store.rows import optional_aware
from assay.store.schema import HEADLINE_PHASE, LAUNCHES, RESULTS, SAMPLES

if TYPE_CHECKING:
    from assay.store import Store

_NS_PER_S = 1e9
_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LaunchValues:
    """The launches of one result: a value of each, in the registry's unit, in the order they were made.

    Only launches that ended ok and have the value are in ``values``; ``launch_ids`` and ``started_at`` stand beside
    them. ``contaminated`` of them were disturbed (METHOD 5) and are kept. ``without`` counts launches that ended ok and
    lack the value. ``reason`` says why values are absent, all of them or some.
    """

    result_id: str
    unit: str
    values: tuple[float, ...] = ()
    launch_ids: tuple[str, ...] = ()
    started_at: tuple[datetime | None, ...] = ()
    contaminated: int = 0
    without: int = 0
    reason: str | None = None


def read_launch_values(
    store: Store,
    run_ids: Sequence[str],
    metric: str = "latency_ns",
    stat: str | None = None,
    *,
    phase: str | None = None,
) -> dict[str, LaunchValues]:
    """Return the launches of every result of these runs, by result id; a result without values is there with a reason.

    ``stat`` None is the statistic that results are summed up by (median; of memory the maximum). ``phase`` is needed
    only where a launch has a metric in several, as a probe has. A launch that a resumed run took over counts in the
    newest of these runs that holds it, and in no other. Two or three queries, however many runs.
    Raises UnknownNameError for a metric that nobody knows, or a statistic that launches have no value of.
    """
    stat = settle_stat(metric, stat)
    unit = registry.get(metric).unit
    results = _read_results(store, run_ids)
    if metric in ONE_A_CASE:
        reason = f"no launch has a value of its own: {ONE_A_CASE[metric]}"
        return {result_id: LaunchValues(result_id, unit, reason=reason) for result_id in results}
    place = find_place(metric, stat)
    by_result: dict[str, list[_Row]] = defaultdict(list)
    for row in _read_rows(store, run_ids, metric, stat, place, phase):
        by_result[row["result_id"]].append(row)
    works = _read_works(store, results, metric, place)
    return {
        result_id: _collect(result, by_result[result_id], unit, works.get(result_id), stat)
        for result_id, result in results.items()
    }


def settle_stat(metric: str, stat: str | None) -> str:
    """Return the statistic meant; None is the usual one of the metric. Raises UnknownNameError for either unknown."""
    registry.get(metric)
    if stat is None:
        return usual_stat(metric)
    valid = known_stats(metric)
    if valid is not None and stat not in valid:
        raise UnknownNameError(f"statistic of {metric}", stat, valid)
    return stat


# -- from rows to values ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Work:
    """What a rate counts in the time that it is over; None with the reason where that is not known."""

    units: float | None
    reason: str | None = None


def _collect(result: _Row, rows: Sequence[_Row], unit: str, work: _Work | None, stat: str) -> LaunchValues:
    result_id = result["result_id"]
    if not rows:
        return LaunchValues(result_id, unit, reason=_why_no_launches(result))
    if work is not None and work.units is None:
        return LaunchValues(result_id, unit, without=len(rows), reason=work.reason)
    phases = {row["phase"] for row in rows if row["phase"] is not None}
    if len(phases) > 1:
        if HEADLINE_PHASE not in phases:
            reason = f"every launch has it in several phases: {', '.join(sorted(phases))}; one has to be named"
            return LaunchValues(result_id, unit, without=len(rows), reason=reason)
        rows = [row for row in rows if row["phase"] == HEADLINE_PHASE]
    good = [row for row in rows if row["value"] is not None]
    return LaunchValues(
        result_id,
        unit,
        values=tuple(_value(row["value"], work) for row in good),
        launch_ids=tuple(row["launch_id"] for row in good),
        started_at=tuple(optional_aware(row["started_at"]) for row in good),
        contaminated=sum(row["verdict"] == Verdict.CONTAMINATED for row in good),
        without=len(rows) - len(good),
        reason=_why_absent(rows, stat),
    )


def _value(stored: float, work: _Work | None) -> float:
    return float(stored) if work is None or work.units is None else work.units * _NS_PER_S / stored


def _why_no_launches(result: Mapping[str, Any]) -> str:
    if result["provenance"] != Provenance.MEASURED:
        return f"{result['provenance']} results have no launches"
    if result["status"] != Status.OK:
        return f"{Status(result['status']).text}: {result['reason'] or 'no reason recorded'}"
    return "its launches count in a later run that took them over"


def _why_absent(rows: Sequence[_Row], stat: str) -> str | None:
    absent = [row for row in rows if row["value"] is None]
    if not absent:
        return None
    why = next((row["reason"] for row in absent if row["reason"]), None) or _why_no_sample(absent[0], stat)
    return why if len(absent) == len(rows) else f"{len(absent)} of {len(rows)} launches have no value: {why}"


def _why_no_sample(row: _Row, stat: str) -> str:
    if row["readings"] is None:
        return "the launch did not record it"
    fewest = PERCENTILE_MINIMUM_N.get(int(stat[1:])) if stat[1:].isdecimal() else None
    if fewest is not None and row["calls_per_sample"] > 1:
        return "calls are timed in blocks, and a percentile of means is not one of calls"
    if fewest is not None and row["readings"] < fewest:
        return f"needs {fewest} samples a launch, has {row['readings']}"
    return "a generation of one token has no second"


# -- queries ---------------------------------------------------------------------------------------------------


def _read_results(store: Store, run_ids: Sequence[str]) -> dict[str, _Row]:
    sql = """
    SELECT result_id, status, reason, provenance, mode, units_per_call
    FROM results WHERE run_id IN (SELECT unnest(?::VARCHAR[]))
    """
    rows = fetch_rows(store.location, sql, [list(run_ids)], tables=[RESULTS], versions=store.versions)
    return {row["result_id"]: row for row in rows}


_LAUNCHES = """
WITH good AS (
  SELECT launches.* FROM launches JOIN runs USING (run_id)
  WHERE run_id IN (SELECT unnest($1::VARCHAR[])) AND launches.status = 'ok'
  QUALIFY row_number() OVER (PARTITION BY launch_id ORDER BY runs.started_at DESC, run_id DESC) = 1
)
SELECT good.result_id, good.launch_id, good.started_at, good.verdict, %s
FROM good %s ORDER BY good.result_id, good.ordinal, good.launch_id
"""
_OF_LAUNCH = "{value} AS value, NULL AS reason, NULL AS phase, NULL AS readings, NULL AS calls_per_sample"
_OF_METRICS = "kept.value, kept.reason, kept.phase, NULL AS readings, NULL AS calls_per_sample"
_METRICS_JOIN = """
LEFT JOIN (SELECT launch_id, unnest(metrics, recursive := true) FROM good) AS kept
  ON kept.launch_id = good.launch_id AND kept.name = $2 AND kept.stat = $3
  AND kept.phase = coalesce($4, kept.phase)
"""
_OF_SAMPLES = """
{value} AS value, NULL AS reason, NULL AS phase, len(series.values) AS readings, series.calls_per_sample
"""
_SAMPLES_JOIN = """
LEFT JOIN samples AS series ON series.run_id = good.run_id AND series.launch_id = good.launch_id
  AND series.name = $2 AND series.rank = 0
"""
_STEPS_JOIN = """
LEFT JOIN (
  SELECT result_id, (units_per_call / batch)::BIGINT - 1 AS steps FROM results
  WHERE run_id IN (SELECT unnest($1::VARCHAR[]))
) AS generation ON generation.result_id = good.result_id
"""
"""A generation's units of work are its tokens: of all texts of the batch, the first of each included."""
_MEAN_STEP = """
list_median([
  list_sum(series.values[i * generation.steps + 1 : (i + 1) * generation.steps]) / generation.steps
  for i in range(len(series.values) // generation.steps)
])
"""
_PERCENTILE = """
CASE WHEN len(series.values) >= $3 AND series.calls_per_sample = 1
THEN list_sort(series.values)[1 + ceil((len(series.values) - 1) * $4::DOUBLE)::BIGINT] END
"""


def _read_rows(
    store: Store, run_ids: Sequence[str], metric: str, stat: str, place: LaunchPlace, phase: str | None
) -> list[_Row]:
    """Read launch_id, result_id, verdict, started_at and the value of each launch that ended ok, in their order."""
    columns, join, more = _sql_of(place, metric, stat, phase)
    tables = [RESULTS, LAUNCHES, SAMPLES] if place.place is Place.SAMPLES else [LAUNCHES]
    sql = _LAUNCHES % (columns, join)
    return fetch_rows(store.location, sql, [list(run_ids), *more], tables=tables, versions=store.versions)


def _sql_of(place: LaunchPlace, metric: str, stat: str, phase: str | None) -> tuple[str, str, list[object]]:
    """Return columns, a join, and the parameters from $2 on. Names of columns are this module's own."""
    if place.place is Place.MEDIAN:
        return _OF_LAUNCH.format(value="good.median_ns"), "", []
    if place.place is Place.METRICS:
        return _OF_METRICS, _METRICS_JOIN, [metric, stat, phase]
    if place.place is not Place.SAMPLES:
        value = f"map_extract(good.{place.place.value}, $2)[1]"
        return _OF_LAUNCH.format(value=value), "", [place.key]
    if place.is_mean_of_steps:
        return _OF_SAMPLES.format(value=_MEAN_STEP), _SAMPLES_JOIN + _STEPS_JOIN, [place.key]
    if stat.startswith("p"):
        rank = int(stat[1:])
        return _OF_SAMPLES.format(value=_PERCENTILE), _SAMPLES_JOIN, [place.key, PERCENTILE_MINIMUM_N[rank], rank / 100]
    reduce = {"median": "list_median", "best": "list_min"}[stat]
    value = f"{reduce}(series.values) / series.calls_per_sample"
    return _OF_SAMPLES.format(value=value), _SAMPLES_JOIN, [place.key]


def _read_works(store: Store, results: Mapping[str, _Row], metric: str, place: LaunchPlace) -> dict[str, _Work]:
    """Return what is done in the time that a rate is over, by result; nothing where the metric is no rate."""
    if place.over_time is None:
        return {}
    if metric == "throughput_per_s":
        return {result_id: _work_of_call(result) for result_id, result in results.items()}
    # The result has the rate and the time; their product is the work, of tokens that only its workload could count.
    sql = f"""
    SELECT result_id, max(value) FILTER (name = $2) * max(value) FILTER (name = $3) AS work,
           any_value(reason) FILTER (name = $2) AS reason
    FROM {METRICS_VIEW} WHERE result_id IN (SELECT unnest($1::VARCHAR[])) AND stat = 'median'
      AND name IN ($2, $3) GROUP BY result_id
    """  # noqa: S608  (a view of ours)
    given = [list(results), metric, place.over_time]
    rows = fetch_rows(store.location, sql, given, tables=[RESULTS], versions=store.versions)
    found = {row["result_id"]: _Work(_per_second(row["work"]), row["reason"]) for row in rows}
    return {result_id: found.get(result_id, _Work(None, "the result has no such rate")) for result_id in results}


def _per_second(work: float | None) -> float | None:
    return None if work is None else work / _NS_PER_S


def _work_of_call(result: _Row) -> _Work:
    if result["mode"] == Mode.SERVING:
        return _Work(None, "where queries wait, the latency of one says nothing of how many are answered")
    return _Work(result["units_per_call"], "its source does not say what one call does")
