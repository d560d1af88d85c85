"""Mean power in a window, from an energy counter or from power samples.

Pure functions: a trace and a window in, a meter's reading or the reason against it out. May import: standard
library and core.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from assay.probes.telemetry.base import Trace, Window

_COVERAGE: Final = 0.9
"""Share of a window that readings must span; a source that died inside it does not."""
_PEAK_NS: Final = 1_000_000_000
_MAX_GAP_SHARE: Final = 0.25
"""Between two power samples anything may happen: no gap may be a quarter of the window."""

Point = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Meter:
    """What one meter says of one window. ``n_periods`` counts whole updates, ``period_s`` is their median length."""

    kind: str
    average_w: float
    peak_w: float
    n_periods: int
    period_s: float


def read_counter(trace: Trace, window: Window, least_periods: int) -> Meter | str:
    """Mean power between the first and the last update of an energy counter (J) inside ``window``."""
    points = trace.points(window)
    if not _covers(points, window):
        return _explain_gap(points, window)
    steps = [after for before, after in pairwise(points) if after[1] > before[1]]
    if not steps:
        return f"the energy counter did not move in {window.seconds:.1f} s"
    n_periods = len(steps) - 1
    if n_periods < max(1, least_periods):
        return f"the window holds {n_periods} whole periods of the energy counter; {least_periods} are needed"
    (t0_ns, first_j), (t1_ns, last_j) = steps[0], steps[-1]
    average_w = (last_j - first_j) / ((t1_ns - t0_ns) / 1e9)
    period_s = statistics.median(after[0] - before[0] for before, after in pairwise(steps)) / 1e9
    return Meter("energy counter", average_w, max(average_w, _find_peak_w(steps)), n_periods, period_s)


def read_power(trace: Trace, window: Window, least_periods: int) -> Meter | str:
    """Mean power in ``window`` by the trapezoid rule over power samples (W)."""
    points = trace.points(window)
    if not _covers(points, window):
        return _explain_gap(points, window)
    n_periods = len(points) - 1
    if n_periods < max(1, least_periods):
        return f"the window holds {n_periods} periods of power samples; {least_periods} are needed"
    gaps = [after[0] - before[0] for before, after in pairwise(points)]
    if max(gaps) > _MAX_GAP_SHARE * (window.end_ns - window.begin_ns):
        return f"power was not read for {max(gaps) / 1e9:.1f} s"
    peak_w = max(value for _, value in points)
    if peak_w <= 0:
        return "the power sensor reads 0 W throughout"
    energy_j = sum((before[1] + after[1]) / 2 * (after[0] - before[0]) / 1e9 for before, after in pairwise(points))
    average_w = energy_j / ((points[-1][0] - points[0][0]) / 1e9)
    return Meter("power samples", average_w, peak_w, n_periods, statistics.median(gaps) / 1e9)


def estimate_period_s(trace: Trace, window: Window | None = None) -> float | None:
    """Return how often a counter is seen to move (median, in seconds); None where it moves less than twice.

    A counter that moves faster than it is read is seen to move at the pace of reading.
    """
    points = trace.points(window)
    times = [after[0] for before, after in pairwise(points) if after[1] > before[1]]
    gaps = [after - before for before, after in pairwise(times)]
    return statistics.median(gaps) / 1e9 if gaps else None


def _covers(points: Sequence[Point], window: Window) -> bool:
    spanned_ns = points[-1][0] - points[0][0] if points else 0
    return spanned_ns > 0 and spanned_ns >= _COVERAGE * (window.end_ns - window.begin_ns)


def _explain_gap(points: Sequence[Point], window: Window) -> str:
    spanned_s = (points[-1][0] - points[0][0]) / 1e9 if points else 0.0
    return f"readings span {spanned_s:.1f} s of the {window.seconds:.1f} s window"


def _find_peak_w(steps: Sequence[Point]) -> float:
    """Highest mean power over at least a second; 0 where the steps span less."""
    peak_w, start = 0.0, 0
    for end in range(1, len(steps)):
        while start + 1 < end and steps[end][0] - steps[start + 1][0] >= _PEAK_NS:
            start += 1
        length_ns = steps[end][0] - steps[start][0]
        if length_ns >= _PEAK_NS:
            peak_w = max(peak_w, (steps[end][1] - steps[start][1]) / (length_ns / 1e9))
    return peak_w
