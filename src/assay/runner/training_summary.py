"""From launches that trained to one result: what a median of launches does not say of a training.

Peaks of memory are largest, not typical; shares cannot exceed 1; and of trainings to a target the spread over seeds is
a result of its own. May import: core, stats, runner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from assay.core.records import MetricValue
from assay.runner.modes import merge_launch_metrics
from assay.stats.convergence import share_interval

PEAKS = ("memory_phase_peak_bytes",)
SHARES = ("accuracy", "probe_accuracy", "parts_share", "data_wait_share")
OVER_SEEDS = ("time_to_train_ns", "steps_to_target", "accuracy")
"""Of these the lowest and the highest launch are kept beside the median: statistics ``min`` and ``max``."""
_TARGET = "time_to_train_ns"
_LARGEST_SHARE = {"parts_share": None}


def summarise_training(launches: Sequence[Sequence[MetricValue]]) -> tuple[MetricValue, ...]:
    """Merge the metrics of launches that trained; in trainings to a target every launch is one seed."""
    merged = merge_launch_metrics(launches)
    return tuple(_settle_each(merged, launches))


def _settle_each(merged: Iterable[MetricValue], launches: Sequence[Sequence[MetricValue]]) -> Iterator[MetricValue]:
    has_target = any(metric.name == _TARGET for metrics in launches for metric in metrics)
    for metric in merged:
        values = _values_of(metric, launches)
        if metric.value is None:
            yield metric
        elif metric.name in PEAKS:
            yield replace(metric, value=max(values), stat="max", ci_lo=None, ci_hi=None)
        else:
            yield _bound_share(metric, values) if metric.name in SHARES else metric
            if has_target and metric.name in OVER_SEEDS and metric.stat == "median" and len(values) > 1:
                for stat, value in (("min", min(values)), ("max", max(values))):
                    yield replace(metric, value=value, stat=stat, ci_lo=None, ci_hi=None)


def _bound_share(metric: MetricValue, values: Sequence[float]) -> MetricValue:
    interval = share_interval(values, most=_LARGEST_SHARE.get(metric.name, 1.0))
    return replace(metric, ci_lo=interval.lo if interval else None, ci_hi=interval.hi if interval else None)


def _values_of(like: MetricValue, launches: Sequence[Sequence[MetricValue]]) -> list[float]:
    key = (like.name, like.stat, like.phase)
    return [
        metric.value
        for metrics in launches
        for metric in metrics
        if (metric.name, metric.stat, metric.phase) == key and metric.value is not None
    ]
