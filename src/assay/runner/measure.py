"""Time one loaded session: warm up, take samples, know when to stop (METHOD 2).

Runs inside the worker. Everything that is not the call itself happens between chunks of samples, outside the
timed regions. May import: core, engines, stats; numpy.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from assay.engines.base import EventTimer, Session
from assay.runner.timing import Timing
from assay.stats.summary import median_interval

Clock = Callable[[], int]
"""Monotonic nanoseconds."""

_BLOCK = 10  # calls a warm-up block
_BLOCK_TOLERANCE = 0.02
_FEWEST_WARMUP_CALLS = 3
_SHORTEST_SAMPLE_NS = 1_000_000
_LONG_CALL_NS = 1_000_000_000
_FEWEST_LONG_SAMPLES = 5
_CHUNK_NS = 250_000_000
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How the warm-up went. ``converged`` is None where there were too few calls to tell."""

    calls: int
    wall_ns: int
    converged: bool | None
    last_call_ns: int


@dataclass(frozen=True, slots=True)
class Timed:
    """The samples of one launch, in ns and in order; each spans ``calls_per_sample`` calls."""

    values: tuple[int, ...]
    calls_per_sample: int
    stop_reason: str
    wall_ns: int
    device_values: tuple[int, ...] = ()

    @property
    def median_call_ns(self) -> float:
        """Median time of one call."""
        return statistics.median(self.values) / self.calls_per_sample


@dataclass(frozen=True, slots=True)
class Progress:
    """What a person watching wants to know while samples are taken."""

    samples: int
    median_call_ns: float
    half_width: float | None
    """Half-width of the median's 95 % interval as a share of the median."""


def time_call(session: Session, clock: Clock = time.perf_counter_ns) -> int:
    """Time one call, device work included, in ns."""
    start = clock()
    session.infer()
    if session.synchronize is not None:
        session.synchronize()
    return clock() - start


def warm_up(session: Session, timing: Timing, clock: Clock = time.perf_counter_ns) -> WarmUp:
    """Call until successive blocks of 10 agree within 2 %, within the limits of ``timing``."""
    begin = clock()
    durations: list[int] = []
    converged: bool | None = None
    while True:
        durations.append(time_call(session, clock))
        wall_ns = clock() - begin
        calls = len(durations)
        if calls < _FEWEST_WARMUP_CALLS or wall_ns < timing.warmup_min_s * _NS:
            if wall_ns >= timing.warmup_max_s * _NS and calls >= 1:
                break
            continue
        if calls >= 2 * _BLOCK and calls % _BLOCK == 0:
            converged = _blocks_agree(durations)
            if converged:
                break
        if calls >= timing.warmup_max_calls or wall_ns >= timing.warmup_max_s * _NS:
            break
    tail = durations[-_BLOCK:]
    return WarmUp(len(durations), clock() - begin, converged, round(statistics.median(tail)))


def take_samples(
    session: Session,
    timing: Timing,
    *,
    call_ns: int,
    clock: Clock = time.perf_counter_ns,
    report: Callable[[Progress], None] = lambda _progress: None,
) -> Timed:
    """Take samples until the median is known well enough or the time is up.

    ``call_ns`` is the warm call's duration, from which blocking and the length of a chunk follow. Garbage
    collection runs between chunks only.
    """
    per_sample = 1 if call_ns >= _SHORTEST_SAMPLE_NS else -(-_SHORTEST_SAMPLE_NS // max(1, call_ns))
    chunk = max(1, min(1000, _CHUNK_NS // max(1, call_ns * per_sample)))
    fewest = _FEWEST_LONG_SAMPLES if call_ns > _LONG_CALL_NS else timing.min_samples
    values: list[int] = []
    device_values: list[int] = []
    gc.collect()
    gc.freeze()
    gc.disable()
    begin = clock()
    try:
        while True:
            _take_chunk(session, chunk, per_sample, clock, values, device_values)
            elapsed_ns = clock() - begin
            gc.collect()
            stop_reason, progress = _judge(values, per_sample, elapsed_ns, fewest, timing)
            report(progress)
            if stop_reason is not None:
                break
    finally:
        gc.enable()
        gc.unfreeze()
    return Timed(tuple(values), per_sample, stop_reason, clock() - begin, tuple(device_values))


def _judge(
    values: list[int], per_sample: int, elapsed_ns: int, fewest: int, timing: Timing
) -> tuple[str | None, Progress]:
    median = statistics.median(values)
    interval = median_interval(values)
    half_width = interval.half_width / median if interval is not None and median else None
    progress = Progress(len(values), median / per_sample, half_width)
    if elapsed_ns >= timing.max_time_s * _NS:
        return "time cap", progress
    if len(values) < fewest or elapsed_ns < timing.min_time_s * _NS:
        return None, progress
    if half_width is not None and half_width <= timing.target_ci:
        return "precise enough", progress
    return None, progress


def _take_chunk(
    session: Session, count: int, per_sample: int, clock: Clock, values: list[int], device_values: list[int]
) -> None:
    """Take ``count`` samples. Four loops instead of one, so that no branch and no empty call is timed."""
    infer, synchronize, timer = session.infer, session.synchronize, session.event_timer
    append = values.append
    if timer is not None and synchronize is not None:
        _take_with_events(session, timer, count, per_sample, clock, values, device_values)
    elif synchronize is not None:
        for _ in range(count):
            start = clock()
            for _ in range(per_sample):
                infer()
            synchronize()
            append(clock() - start)
    elif per_sample == 1:
        for _ in range(count):
            start = clock()
            infer()
            append(clock() - start)
    else:
        calls = range(per_sample)
        for _ in range(count):
            start = clock()
            for _ in calls:
                infer()
            append(clock() - start)


def _take_with_events(
    session: Session,
    timer: EventTimer,
    count: int,
    per_sample: int,
    clock: Clock,
    values: list[int],
    device_values: list[int],
) -> None:
    infer, synchronize = session.infer, session.synchronize
    if synchronize is None:
        return
    for _ in range(count):
        synchronize()
        start = clock()
        timer.start()
        for _ in range(per_sample):
            infer()
        timer.stop()
        synchronize()
        values.append(clock() - start)
        device_values.append(timer.elapsed_ns())


def _blocks_agree(durations: list[int]) -> bool:
    before = statistics.median(durations[-2 * _BLOCK : -_BLOCK])
    last = statistics.median(durations[-_BLOCK:])
    return abs(last - before) <= _BLOCK_TOLERANCE * before
