"""The bounds and counts of a trend's points, which ``Trend`` leaves in the store: the one module here that reads it.

May import: core, analysis, store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from assay.analysis.trend import Trend
from assay.core.records import MetricValue
from assay.store.query import METRICS_VIEW, fetch_rows
from assay.store.schema import HEADLINE_PHASE, HEADLINES, RESULTS, headline_columns

if TYPE_CHECKING:
    from assay.store import Store


def read_intervals(store: Store, trends: Iterable[Trend]) -> dict[str, MetricValue]:
    """Return, by result, the number of each point with its 95 % interval and count, for ``draw_trend(intervals=...)``.

    Trends of one metric and statistic take one query, however many points they have. A result that has the metric in
    other phases only is left out, and so is one without bounds and count. Raises StoreError.
    """
    asked: dict[tuple[str, str, str], list[str]] = {}
    for trend in trends:
        asked.setdefault((trend.metric, trend.stat, trend.unit), []).append(trend.series_id)
    found: dict[str, MetricValue] = {}
    for (metric, stat, unit), series in asked.items():
        for row in _read(store, metric, stat, unit, series):
            found[row["result_id"]] = MetricValue(
                metric, row["value"], unit, stat, ci_lo=row["low"], ci_hi=row["high"], n=row["count"]
            )
    return found


def _read(store: Store, metric: str, stat: str, unit: str, series: Sequence[str]) -> list[dict[str, Any]]:
    of_series = "series_id IN (SELECT unnest(?::VARCHAR[]))"
    if HEADLINES.get(metric) == (stat, unit):
        value, low, high, count = headline_columns(metric)
        sql = f"""
        SELECT result_id, {value} AS value, {low} AS low, {high} AS high, {count} AS count FROM results
        WHERE {of_series} AND {value} IS NOT NULL AND ({low} IS NOT NULL OR {count} IS NOT NULL)
        """  # noqa: S608  (columns of ours)
        parameters: list[object] = [list(series)]
    else:
        sql = f"""
        SELECT result_id, value, ci_lo AS low, ci_hi AS high, n AS count FROM {METRICS_VIEW}
        WHERE {of_series} AND name = ? AND stat = ? AND unit = ? AND phase = '{HEADLINE_PHASE}'
          AND value IS NOT NULL AND (ci_lo IS NOT NULL OR n IS NOT NULL)
        """  # noqa: S608  (names of ours)
        parameters = [list(series), metric, stat, unit]
    return fetch_rows(store.location, sql, parameters, tables=[RESULTS], versions=store.versions)
