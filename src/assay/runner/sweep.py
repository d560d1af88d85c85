"""Sweeps: one axis of a case grown step by step, until its range ends or something gives way.

A sweep is an ordinary run: every point is a case, and its results are kept like any other's. What differs is the
order of the first round, from small to large, and that a point is not tried once a smaller one of its curve has
failed. May import: core, stats, runner.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay.core.case import Case
from assay.core.errors import UsageError
from assay.core.records import MetricValue, ResultRecord
from assay.core.units import format_elapsed
from assay.core.words import Status
from assay.runner.plan import Obstacle, PlannedCase
from assay.runner.schedule import ScheduledLaunch
from assay.stats.scaling import Point

BATCH, THREADS = "batch", "threads"
_MOST_POINTS = 64
_SIDES = ("image", "height", "width")
_RANGES = {BATCH: (1, 256), "seq": (32, 1024), "image": (64, 512), "window": (256, 8192)}
"""Where a sweep goes when it is not told; sizes of other dimensions have to be given."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What is varied: ``batch``, ``threads``, or a dimension of the inputs (``seq``, ``image``)."""

    name: str

    def of(self, case: Case) -> int | None:
        """The size of a case on this axis; None where it has none."""
        if self.name == BATCH:
            return case.batch
        value = dict(case.options).get(THREADS) if self.name == THREADS else dict(case.shape).get(self.name)
        return int(value) if isinstance(value, (int, float)) else None

    def curve_of(self, case: Case) -> str:
        """The identity of the curve that a case lies on: the case without its size."""
        content = case.to_dict()
        if self.name == BATCH:
            content["batch"] = 1
        else:
            content["options" if self.name == THREADS else "shape"].pop(self.name, None)
        return Case.from_dict(content).case_id

    @property
    def is_chosen(self) -> bool:
        """True for what one is free to choose for speed; the length of a text is not."""
        return self.name in {BATCH, THREADS}

    def suite_keys(self, sizes: Sequence[int]) -> dict[str, Any]:
        """The sizes as keys of a suite's entry."""
        if self.name in {BATCH, THREADS}:
            return {self.name: list(sizes)}
        return {"shape": {self.name: list(sizes)}}


def grow_sizes(axis: Axis, first: int | None, last: int | None, factor: int, *, cpus: int) -> tuple[int, ...]:
    """Return the sizes of a sweep: from ``first``, each ``factor`` times the one before, and ``last`` itself.

    Raises UsageError.
    """
    low, high = (1, cpus) if axis.name == THREADS else _RANGES.get(axis.name, (None, None))
    low, high = first if first is not None else low, last if last is not None else high
    if low is None or high is None:
        raise UsageError(f"--over {axis.name} needs --from and --to: there is no usual range for it.")
    if low > high:
        raise UsageError(f"--from got {low} and --to {high}; expected --from to be at most --to.")
    sizes = [low]
    while sizes[-1] * factor < high:
        sizes.append(sizes[-1] * factor)
    if len(sizes) >= _MOST_POINTS:
        raise UsageError(f"--from {low} --to {high} makes {len(sizes)} points, expected at most {_MOST_POINTS}.")
    return tuple(dict.fromkeys((*sizes, high)))


def schedule_growing(
    cases: Sequence[PlannedCase], *, launches: int, seed: int, done: Mapping[str, int] | None = None
) -> Iterator[ScheduledLaunch]:
    """Yield every launch once: the first round in the order of the plan, later rounds shuffled as in any run."""
    already = done or {}
    shuffler = random.Random(seed)  # noqa: S311  (an order, not a secret)
    for ordinal in range(launches):
        order = list(cases)
        if ordinal:
            shuffler.shuffle(order)
        for planned in order:
            if ordinal >= already.get(planned.case.case_id, 0):
                yield ScheduledLaunch(planned, ordinal)


def stop_when_failed(
    axis: Axis, *, time_limit_s: float | None = None, clock: Callable[[], float] = time.monotonic
) -> Callable[[PlannedCase, Sequence[ResultRecord]], Obstacle | None]:
    """Return the rule by which points are left out: a smaller one of the curve failed, or the time is over."""
    begin = clock()

    def find_obstacle(planned: PlannedCase, results: Sequence[ResultRecord]) -> Obstacle | None:
        size, curve = axis.of(planned.case), axis.curve_of(planned.case)
        for result in results:
            other = axis.of(result.own_case)
            if size is None or other is None or other >= size or not result.status.is_failure:
                continue
            if axis.curve_of(result.own_case) == curve:
                why = result.status.text.removeprefix("failed: ") if result.status is not Status.FAILED else "it failed"
                return Obstacle(Status.SKIPPED, f"not run: {axis.name} {other} already failed: {why}")
        if time_limit_s is not None and clock() - begin > time_limit_s:
            limit = format_elapsed(time_limit_s)
            return Obstacle(Status.SKIPPED, f"not run: the sweep's time limit of {limit} was over")
        return None

    return find_obstacle


@dataclass(frozen=True, slots=True)
class Curve:
    """The results of one curve, from small to large, and its points. ``unit`` is what the rate counts, in a second."""

    axis: Axis
    results: tuple[ResultRecord, ...]
    points: tuple[Point, ...]
    unit: str


def read_curves(axis: Axis, results: Sequence[ResultRecord]) -> tuple[Curve, ...]:
    """Sort results into curves, in the order in which they were planned."""
    groups: dict[str, list[tuple[int, ResultRecord]]] = {}
    for result in results:
        size = axis.of(result.own_case)
        if size is not None:
            groups.setdefault(axis.curve_of(result.own_case), []).append((size, result))
    curves = []
    for group in groups.values():
        ordered = sorted(group, key=lambda one: one[0])
        unit, power = _rate_unit(axis, ordered[0][1])
        points = tuple(_point(size, result, power) for size, result in ordered)
        curves.append(Curve(axis, tuple(result for _, result in ordered), points, unit))
    return tuple(curves)


def _rate_unit(axis: Axis, result: ResultRecord) -> tuple[str, int]:
    """What a curve's rate counts, and the power of the size to multiply throughput by.

    Over batch and threads it is throughput as it is. Over a dimension that throughput does not count (samples of
    any length are one sample each) it is positions, or pixels, since samples a second only say that more takes longer.
    """
    unit = result.unit_of_work or "unit"
    if axis.is_chosen or unit != "sample":
        return unit, 0
    return ("pixel", 2) if axis.name in _SIDES else (f"{axis.name} position", 1)


def _point(size: int, result: ResultRecord, power: int) -> Point:
    latency, throughput = result.metric("latency_ns"), result.metric("throughput_per_s")
    memory = result.metric("device_memory_peak_bytes", "max") or result.metric("memory_peak_bytes", "max")
    scaled = _scale(throughput, size**power)
    return Point(
        x=size,
        status=result.status,
        latency_ns=latency.value if latency else None,
        latency_lo_ns=latency.ci_lo if latency else None,
        latency_hi_ns=latency.ci_hi if latency else None,
        rate=scaled.value if scaled else None,
        rate_lo=scaled.ci_lo if scaled else None,
        rate_hi=scaled.ci_hi if scaled else None,
        memory_bytes=memory.value if memory else None,
        reason=result.reason,
    )


def _scale(metric: MetricValue | None, factor: int) -> MetricValue | None:
    if metric is None or factor == 1:
        return metric
    value, lo, hi = (None if one is None else one * factor for one in (metric.value, metric.ci_lo, metric.ci_hi))
    return replace(metric, value=value, ci_lo=lo, ci_hi=hi)
