"""What a mode beside plain inference reads in one launch, and how launches become one result.

Generation and serving are measured by functions of their own; what they hand to the worker has one form, so that
worker, protocol and journal know nothing of tokens or queries. May import: core, stats.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assay.core.records import MetricValue, SampleSeries
from assay.stats.summary import launch_interval


@dataclass(frozen=True, slots=True)
class ModeMeasured:
    """The readings of one launch.

    ``series`` are raw, ``median_ns`` is that by which launches are compared (of a generation, of a query).
    ``metrics`` are numbers of this launch that no series holds (a rate that was searched for); ``facts`` are texts
    (LoadGen's verdict). ``warmup_converged`` is None where there were too few calls to tell.
    """

    series: tuple[SampleSeries, ...]
    median_ns: float
    stop_reason: str
    wall_ns: int
    warmup_calls: int
    warmup_converged: bool | None
    warmup_ns: int
    metrics: tuple[MetricValue, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def merge_launch_metrics(launches: Sequence[Sequence[MetricValue]]) -> tuple[MetricValue, ...]:
    """Median over launches of each metric, statistic and phase, with its 95 % interval from 3 launches on.

    Where a launch lacks a value, so does the result, with that launch's reason: a rate that held in one launch and
    in none of the others is no rate. ``n`` counts launches.
    """
    grouped: dict[tuple[str, str, str], list[MetricValue]] = {}
    for metrics in launches:
        for metric in metrics:
            grouped.setdefault((metric.name, metric.stat, metric.phase), []).append(metric)
    return tuple(_merge_one(values, len(launches)) for values in grouped.values())


def _merge_one(values: Sequence[MetricValue], launches: int) -> MetricValue:
    like = values[0]
    known = [metric.value for metric in values if metric.value is not None]
    if len(known) < launches:
        reasons = [metric.reason for metric in values if metric.value is None]
        reason = (reasons[0] if reasons else None) or "not every launch has it"
        prefix = f"{launches - len(known)} of {launches} launches: " if launches > 1 else ""
        return MetricValue(like.name, None, like.unit, like.stat, like.phase, n=len(known), reason=prefix + reason)
    interval = launch_interval(known) if min(known) > 0 else None
    lo, hi = (interval.lo, interval.hi) if interval else (None, None)
    return MetricValue(like.name, statistics.median(known), like.unit, like.stat, like.phase, lo, hi, launches)
