"""Curves in the store: results that differ in one size and in nothing else, whoever measured them.

A sweep makes such results on purpose; any others that differ in one axis make a curve too. May import: core, store,
stats, runner, analysis, report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.analysis.ranking_values import LATENCIES, RATES
from assay.analysis.usable_numbers import TABLES_READ
from assay.core.case import Case
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Provenance, Verdict
from assay.report.cells import choose_metric
from assay.runner.sweep import BATCH, Axis, Curve, read_curves
from assay.stats.scaling import Point
from assay.store.query import fetch_rows
from assay.store.view_sql import quote

if TYPE_CHECKING:
    from assay.store import Store
    from assay.store.selection import Selection

USUAL_AXES = (BATCH, "threads", "seq", "image", "window")
_FEWEST_SIZES = 3
_SIDES = ("image", "height", "width")
_UNIT_COLUMNS = ("workload", "engine", "device", "mode", "precision", "hardware", "provenance", "unit_of_work")
"""What else a curve has in common; each axis adds batch, shape and options without itself."""


@dataclass(frozen=True, slots=True)
class FoundCurve:
    """The results of one curve, by id, and how many sizes it has."""

    axis: Axis
    provenance: Provenance
    sizes: int
    result_ids: tuple[str, ...]


def find_curves(
    store: Store, selection: Selection, axes: Sequence[str], *, fewest: int = _FEWEST_SIZES
) -> list[FoundCurve]:
    """Find every curve over some axes: measured before imported, those with most sizes first, then the newest.

    Of each size the newest result counts that may be ranked, or how it failed. An axis is ``batch``, a dimension of the
    inputs or an option. Raises StoreError.
    """
    where, parameters = selection.where()
    parts = " UNION ALL ".join(_axis_sql(axis) for axis in axes)
    rows = fetch_rows(
        store.location,
        f"""
        WITH newest AS MATERIALIZED (
          SELECT series_id, max_by(result_id, {{'at': coalesce(measured_at, '-infinity'::TIMESTAMP), 'id': result_id}})
                   AS result_id, max(measured_at) AS last_at, max(usable::INTEGER) AS usable,
                 {", ".join(f"any_value({name}) AS {name}" for name in (*_UNIT_COLUMNS, "batch", "shape", "options"))}
          FROM results WHERE {where} AND (usable OR status IN ('oom', 'timeout', 'failed', 'skipped'))
            AND verdict IS DISTINCT FROM {quote(Verdict.CONTAMINATED.value)} GROUP BY series_id
        ), sized AS ({parts})
        SELECT axis, provenance, count(DISTINCT size) AS sizes, list(result_id ORDER BY size, result_id) AS result_ids,
               max(last_at) AS last_at
        FROM sized WHERE size IS NOT NULL GROUP BY axis, {", ".join(_UNIT_COLUMNS)}, rest
        HAVING count(DISTINCT size) >= ? AND count(DISTINCT size) FILTER (usable > 0) >= 2
        ORDER BY provenance <> 'measured', sizes DESC, last_at DESC NULLS LAST, axis, any_value(workload), result_ids[1]
        """,  # noqa: S608  (words of ours; what is asked is bound or quoted)
        [*parameters, fewest],
        tables=TABLES_READ,
        versions=store.versions,
    )
    return [
        FoundCurve(Axis(row["axis"]), Provenance(row["provenance"]), row["sizes"], tuple(row["result_ids"]))
        for row in rows
    ]


def load_curves(store: Store, found: Sequence[FoundCurve]) -> list[Curve]:
    """Read the records of some curves. Raises StoreError."""
    ids = [identity for one in found for identity in one.result_ids]
    records = {one.result_id: one for one in store.results(result_id=ids)} if ids else {}
    curves: list[Curve] = []
    for one in found:
        results = [records[identity] for identity in one.result_ids]
        if all(isinstance(result.case, Case) for result in results):
            curves += read_curves(one.axis, results)
        else:
            curves.append(_foreign_curve(one.axis, results))
    return curves


def size_of(axis: Axis, result: ResultRecord) -> int:
    """The size of a result on an axis that it has. Raises ValueError where it has none."""
    case = result.case
    options: Mapping[str, Any] = dict(case.options)
    shape: Mapping[str, Any] = dict(case.shape)
    value = case.batch if axis.name == BATCH else shape.get(axis.name, options.get(axis.name))
    if value is None:
        raise ValueError(f"{case.label} has no {axis.name}")
    return int(value)


def label_curve(curve: Curve) -> str:
    """The case of a curve in words, without its size."""
    case = curve.results[0].case
    words = [case.workload, case.engine, case.device, None if case.precision is None else str(case.precision)]
    words += [None if curve.axis.name == BATCH or case.batch is None else f"batch {case.batch}"]
    words += [f"{name} {size}" for name, size in case.shape if name != curve.axis.name]
    words += [f"{name} {value}" for name, value in case.options if name != curve.axis.name]
    return " · ".join(word for word in words if word)


def _axis_sql(axis: str) -> str:
    """Rows of ``newest`` with their size on an axis, and in ``rest`` what else of the case has to be equal."""
    name = quote(axis)
    columns = ", ".join(_UNIT_COLUMNS)
    if axis == BATCH:
        size, rest = "batch", "{'batch': NULL::BIGINT, 'shape': shape::VARCHAR, 'options': options}"
    else:
        without_shape = f"map_from_entries(list_filter(map_entries(shape), lambda one: one.key <> {name}))::VARCHAR"
        patch = quote('{"' + axis.replace("\\", "\\\\").replace('"', '\\"') + '": null}')
        pointer = quote('$."' + axis.replace('"', '""') + '"')
        size = f"coalesce(shape[{name}], TRY_CAST(json_extract_string(options, {pointer}) AS BIGINT))"
        rest = f"{{'batch': batch, 'shape': {without_shape}, 'options': json_merge_patch(options, {patch})::VARCHAR}}"
    return f"SELECT {name} AS axis, {columns}, result_id, usable, last_at, {size} AS size, {rest} AS rest FROM newest"  # noqa: S608  (words of ours; what is asked is bound or quoted)


def _foreign_curve(axis: Axis, results: Sequence[ResultRecord]) -> Curve:
    """A curve of results that somebody else measured, whose numbers are of whatever statistic they took.

    As in a sweep of assay's own, a rate over the size of a sample counts positions, or pixels: samples a second would
    only say that more takes longer.
    """
    ordered = sorted(results, key=lambda one: size_of(axis, one))
    unit, power = ordered[0].unit_of_work or "unit", 0
    if axis.name in dict(ordered[0].case.shape) and unit == "sample":
        unit, power = ("pixel", 2) if axis.name in _SIDES else (f"{axis.name} position", 1)
    points = []
    for result in ordered:
        latency, rate = _first(result, LATENCIES), _first(result, RATES)
        memory = choose_metric(result, "memory_peak_bytes")
        work = size_of(axis, result) ** power
        points.append(
            Point(
                x=size_of(axis, result),
                status=result.status,
                latency_ns=latency.value if latency else None,
                latency_lo_ns=latency.ci_lo if latency else None,
                latency_hi_ns=latency.ci_hi if latency else None,
                rate=_scale(rate.value if rate else None, work),
                rate_lo=_scale(rate.ci_lo if rate else None, work),
                rate_hi=_scale(rate.ci_hi if rate else None, work),
                memory_bytes=memory.value if memory else None,
                reason=result.reason,
            )
        )
    return Curve(axis, tuple(ordered), tuple(points), unit)


def _scale(value: float | None, factor: int) -> float | None:
    return None if value is None else value * factor


def _first(result: ResultRecord, names: Sequence[str]) -> MetricValue | None:
    """The first of some metrics that a result has a number for."""
    found = (choose_metric(result, name) for name in names)
    return next((one for one in found if one is not None and one.value is not None), None)
