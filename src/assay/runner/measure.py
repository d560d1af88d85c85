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

Call = Callable[[], object]

_BLOCK = 10  # calls a warm-up block
_BLOCK_TOLERANCE = 0.02
_FEWEST_WARMUP_CALLS = 3
_SHORTEST_SAMPLE_NS = 1_000_000
_LONG_CALL_NS = 1_000_000_000
_FEWEST_LONG_SAMPLES = 5  # also what the time cap waits for: fewer say nothing, however long a call takes
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
        out_of_time = wall_ns >= timing.warmup_max_s * _NS
        if not out_of_time and (calls < _FEWEST_WARMUP_CALLS or wall_ns < timing.warmup_min_s * _NS):
            continue
        at_limit = out_of_time or calls >= timing.warmup_max_calls
        if calls >= 2 * _BLOCK and (at_limit or calls % _BLOCK == 0):
            converged = _blocks_agree(durations)
        if converged or at_limit:
            break
    tail = durations[-_BLOCK:]
    return WarmUp(len(durations), clock() - begin, converged, round(statistics.median(tail)))


def take_samples(
    session: Session,
    timing: Timing,
    *,
    call_ns: int,
    least_calls: int = 1,
    clock: Clock = time.perf_counter_ns,
    report: Callable[[Progress], None] = lambda _progress: None,
) -> Timed:
    """Take samples until the median is known well enough or the time is up.

    ``call_ns`` is the warm call's duration, from which blocking and the length of a chunk follow. A sample spans at
    least ``least_calls``, and a multiple of that, where calls come in bursts of so many. Garbage collection runs
    between chunks only.
    """
    per_sample = 1 if call_ns >= _SHORTEST_SAMPLE_NS else -(-_SHORTEST_SAMPLE_NS // max(1, call_ns))
    per_sample = -(-per_sample // least_calls) * least_calls
    count = max(1, min(1000, _CHUNK_NS // max(1, call_ns * per_sample)))
    fewest = _FEWEST_LONG_SAMPLES if call_ns > _LONG_CALL_NS else timing.min_samples
    values: list[int] = []
    device_values: list[int] = []
    collecting = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    begin = clock()
    chunk = Chunk(count, per_sample, clock, deadline=begin + round(timing.max_time_s * _NS))
    try:
        while True:
            take_chunk(session, chunk, values, device_values)
            elapsed_ns = clock() - begin
            gc.collect()
            stop_reason, progress = _judge(values, per_sample, elapsed_ns, fewest, timing)
            report(progress)
            if stop_reason is not None:
                break
    finally:
        if collecting:
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
    if elapsed_ns >= timing.max_time_s * _NS and len(values) >= _FEWEST_LONG_SAMPLES:
        return "time cap", progress
    if len(values) < fewest or elapsed_ns < timing.min_time_s * _NS:
        return None, progress
    if half_width is not None and half_width <= timing.target_ci:
        return "precise enough", progress
    return None, progress


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples to take in one go: ``count`` of them, fewer once the ``deadline`` has passed.

    The deadline is looked at between samples, because calls may become slower than the warm-up let expect.
    """

    count: int
    per_sample: int
    clock: Clock
    deadline: int


def take_chunk(session: Session, chunk: Chunk, values: list[int], device_values: list[int]) -> None:
    """Four loops instead of one, so that no branch and no empty call is timed."""
    if session.synchronize is None:
        if chunk.per_sample == 1:
            _take_single(session.infer, chunk, values)
        else:
            _take_blocked(session.infer, chunk, values)
    elif session.event_timer is None:
        _take_synchronized(session.infer, session.synchronize, chunk, values)
    else:
        _take_with_events(session.infer, session.synchronize, session.event_timer, chunk, (values, device_values))


def _take_single(infer: Call, chunk: Chunk, values: list[int]) -> None:
    clock, deadline = chunk.clock, chunk.deadline
    for _ in range(chunk.count):
        start = clock()
        infer()
        end = clock()
        values.append(end - start)
        if end >= deadline:
            break


def _take_blocked(infer: Call, chunk: Chunk, values: list[int]) -> None:
    clock, deadline, calls = chunk.clock, chunk.deadline, range(chunk.per_sample)
    for _ in range(chunk.count):
        start = clock()
        for _ in calls:
            infer()
        end = clock()
        values.append(end - start)
        if end >= deadline:
            break


def _take_synchronized(infer: Call, synchronize: Call, chunk: Chunk, values: list[int]) -> None:
    clock, deadline, calls = chunk.clock, chunk.deadline, range(chunk.per_sample)
    synchronize()
    for _ in range(chunk.count):
        start = clock()
        for _ in calls:
            infer()
        synchronize()
        end = clock()
        values.append(end - start)
        if end >= deadline:
            break


def _take_with_events(
    infer: Call, synchronize: Call, timer: EventTimer, chunk: Chunk, series: tuple[list[int], list[int]]
) -> None:
    clock, deadline, calls = chunk.clock, chunk.deadline, range(chunk.per_sample)
    values, device_values = series
    for _ in range(chunk.count):
        synchronize()
        start = clock()
        timer.start()
        for _ in calls:
            infer()
        timer.stop()
        synchronize()
        end = clock()
        values.append(end - start)
        device_values.append(timer.elapsed_ns())
        if end >= deadline:
            break


def _blocks_agree(durations: list[int]) -> bool:
    """Compare the last two blocks of 10 calls; of many short calls, the last two tenths.

    Ten calls of some microseconds jitter by more than the tolerance for ever: half of such blocks disagreed.
    """
    block = max(_BLOCK, len(durations) // 10)
    before = statistics.median(durations[-2 * block : -block])
    last = statistics.median(durations[-block:])
    return abs(last - before) <= _BLOCK_TOLERANCE * before
