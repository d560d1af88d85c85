"""A result's metrics as columns: headline metrics wide, all others in a list, no number stored twice.

A metric value is wide if it is the first that a headline column can say in full: the metric's headline statistic
in the steady phase, in the registry's unit, with a value. Everything else, such as a percentile, another phase or
a value that is missing for a reason, goes to the ``metrics`` list. May import: core and store.schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.core.records import MetricValue
from assay.store.schema import HEADLINE_PHASE, HEADLINES, METRIC_FIELDS, headline_columns


def metric_columns(values: Sequence[MetricValue]) -> dict[str, Any]:
    """Return the metric columns of a results row."""
    wide: dict[str, int] = {}
    for position, metric in enumerate(values):
        if _fits_wide(metric):
            wide.setdefault(metric.name, position)
    listed = [position for position in range(len(values)) if position not in wide.values()]
    row: dict[str, Any] = {column: None for name in HEADLINES for column in headline_columns(name)}
    for name, position in wide.items():
        metric = values[position]
        parts = (metric.value, metric.ci_lo, metric.ci_hi, metric.n)
        row |= dict(zip(headline_columns(name), parts, strict=True))
    row["metrics"] = [{field: getattr(values[position], field) for field in METRIC_FIELDS} for position in listed]
    # The usual order (headlines first) needs no column; any other is kept, so that reading back is exact.
    stored_order = [wide[name] for name in HEADLINES if name in wide] + listed
    row["metric_order"] = None if stored_order == list(range(len(values))) else stored_order
    return row


def metrics_from_row(row: Mapping[str, Any]) -> tuple[MetricValue, ...]:
    """Read back the metrics of a result, in the order they were given."""
    stored: list[MetricValue] = []
    for name, (stat, unit) in HEADLINES.items():
        value, low, high, count = (row[column] for column in headline_columns(name))
        if value is not None:
            stored.append(MetricValue(name, value, unit, stat, HEADLINE_PHASE, ci_lo=low, ci_hi=high, n=count))
    stored += [MetricValue(**{field: entry[field] for field in METRIC_FIELDS}) for entry in row["metrics"]]
    order = row["metric_order"]
    if order is None:
        return tuple(stored)
    placed = dict(zip(order, stored, strict=True))
    return tuple(placed[position] for position in sorted(placed))


def _fits_wide(metric: MetricValue) -> bool:
    return (
        (metric.stat, metric.unit) == HEADLINES.get(metric.name)
        and metric.phase == HEADLINE_PHASE
        and metric.value is not None
        and metric.reason is None
    )
