"""Time one loaded session: warm up, take samples, know when to stop (METHOD 2).

Runs inside the worker. Everything that is not the call itself happens between chunks of samples, outside the
timed regions. May import: core, engines, stats; numpy.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from assay.engines.base import EventTimer, Session, Stopwatch
from assay.runner.stopwatch import fit_calls, make_calls, shortest_sample_ns
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
_ALL_COMPILED_NS = 30_000_000_000
"""After half a minute everything hot is compiled, in however few calls: a GPU that a CPU plays takes seconds a call."""
_WARM_SERIES_NS = 100_000_000
"""How long the calls of one round trip to another program take while warming up, where they are short."""
_LONGEST_SERIES = 100 * _BLOCK
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
    if session.stopwatch is not None:
        return make_calls(session.stopwatch, 1)[0]
    start = clock()
    session.infer()
    if session.synchronize is not None:
        session.synchronize()
    return clock() - start


def warm_up(
    session: Session,
    timing: Timing,
    clock: Clock = time.perf_counter_ns,
    *,
    least_calls: int = _FEWEST_WARMUP_CALLS,
    least_s: float = 0.0,
) -> WarmUp:
    """Call until successive blocks of 10 agree within 2 %, within the limits of ``timing``.

    ``least_calls`` and ``least_s`` are what the runtime needs until it has compiled, however short ``timing`` is.
    """
    rule = _WarmUpRule.of(timing, least_calls, least_s)
    if session.stopwatch is not None:
        return _warm_up_elsewhere(session.stopwatch, rule, clock)
    begin = clock()
    durations: list[int] = []
    while True:
        durations.append(time_call(session, clock))
        is_over, converged = rule.judge(durations, len(durations), clock() - begin)
        if is_over:
            break
    tail = durations[-_BLOCK:]
    return WarmUp(len(durations), clock() - begin, converged, round(statistics.median(tail)))


def _warm_up_elsewhere(stopwatch: Stopwatch, rule: _WarmUpRule, clock: Clock) -> WarmUp:
    """The same by series of ten samples and more, each of as many calls as the other program's clock can tell.

    Samples that it could not tell are made again longer, and only their calls count.
    """
    shortest_ns = shortest_sample_ns(stopwatch)
    durations: list[float] = []
    calls, per_sample, samples, wall_ns = 0, 1, _BLOCK, 0
    begin = clock()
    while True:
        left_ns = rule.longest_ns - wall_ns
        if left_ns > 0:
            taken = make_calls(stopwatch, samples, calls_per_sample=per_sample, limit_ns=left_ns)
        else:  # only calls that the runtime needs are still to be made
            needed = -(-(rule.needed_calls - calls) // per_sample)
            left_ns = max(1, _ALL_COMPILED_NS - wall_ns)
            wanted = max(1, min(_BLOCK, needed))
            taken = make_calls(stopwatch, wanted, calls_per_sample=per_sample, limit_ns=left_ns)
        now_ns = clock() - begin
        took_ns, wall_ns = now_ns - wall_ns, now_ns
        calls += len(taken) * per_sample
        mean_ns = statistics.fmean(taken)
        if 2 * mean_ns < shortest_ns:
            durations.clear()
        else:
            durations += [value / per_sample for value in taken]
            is_over, converged = rule.judge(durations, calls, wall_ns)
            if is_over:
                last_ns = statistics.median(durations[-_BLOCK:])
                return WarmUp(calls, wall_ns, converged, max(1, round(last_ns)))
        fitting = fit_calls(taken, per_sample, shortest_ns, took_ns)
        sample_ns = max(1, round(mean_ns * fitting / per_sample))
        samples = min(_LONGEST_SERIES, _BLOCK * max(1, _WARM_SERIES_NS // (_BLOCK * sample_ns)))
        per_sample = fitting


@dataclass(frozen=True, slots=True)
class _WarmUpRule:
    """When a warm-up is over: ``needed`` holds whatever the time, the method's own three calls yield to it."""

    timing: Timing
    needed_calls: int
    needed_ns: float

    @classmethod
    def of(cls, timing: Timing, least_calls: int, least_s: float) -> _WarmUpRule:
        return cls(timing, least_calls if least_calls > _FEWEST_WARMUP_CALLS else 0, least_s * _NS)

    @property
    def longest_ns(self) -> int:
        """When there is no time for more calls than are needed."""
        return round(max(self.timing.warmup_max_s * _NS, self.needed_ns))

    def judge(self, durations: Sequence[float], calls: int, wall_ns: int) -> tuple[bool, bool | None]:
        """Say whether it is over, and whether it converged: None where there were too few calls to tell."""
        needs_calls = calls < self.needed_calls and wall_ns < _ALL_COMPILED_NS
        if needs_calls or wall_ns < self.needed_ns:
            return False, None
        out_of_time = wall_ns >= self.longest_ns
        too_early = calls < _FEWEST_WARMUP_CALLS or wall_ns < self.timing.warmup_min_s * _NS
        if too_early and not out_of_time:
            return False, None
        samples = len(durations)  # as many as calls, but where each spans several
        at_limit = out_of_time or samples >= self.timing.warmup_max_calls
        converged = None
        if samples >= 2 * _BLOCK and (at_limit or samples % _BLOCK == 0):
            converged = _blocks_agree(durations)
        return converged or at_limit, converged


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
    shortest_ns = _SHORTEST_SAMPLE_NS
    if session.stopwatch is not None:
        shortest_ns = max(shortest_ns, shortest_sample_ns(session.stopwatch))
    per_sample = 1 if call_ns >= shortest_ns else -(-shortest_ns // max(1, call_ns))
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
            chunk_begin = clock()
            take_chunk(session, chunk, values, device_values)
            elapsed_ns = clock() - begin
            gc.collect()
            if session.stopwatch is not None and 2 * statistics.median(values) < shortest_ns:
                # Calls became faster than the warm-up let expect, and that clock cannot tell samples as short as these.
                per_sample = fit_calls(values, per_sample, shortest_ns, clock() - chunk_begin)
                chunk = replace(chunk, per_sample=-(-per_sample // least_calls) * least_calls)
                per_sample = chunk.per_sample
                values.clear()
                continue
            stop_reason, progress = judge_samples(values, per_sample, elapsed_ns, fewest, timing)
            report(progress)
            if stop_reason is not None:
                break
    finally:
        if collecting:
            gc.enable()
        gc.unfreeze()
    return Timed(tuple(values), per_sample, stop_reason, clock() - begin, tuple(device_values))


def judge_samples(
    values: list[int], per_sample: int, elapsed_ns: int, fewest: int, timing: Timing
) -> tuple[str | None, Progress]:
    """Say how far a measurement is, and why it is over: ``time cap``, ``precise enough``, None where it goes on.

    ``fewest`` samples are taken in any case, and ``timing.min_time_s`` waited for, unless the time cap has come.
    """
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
    """Four loops instead of one, so that no branch and no empty call is timed; another program has its own."""
    if session.stopwatch is not None:
        left_ns = max(1, chunk.deadline - chunk.clock())
        values += make_calls(session.stopwatch, chunk.count, calls_per_sample=chunk.per_sample, limit_ns=left_ns)
    elif session.synchronize is None:
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


def _blocks_agree(durations: Sequence[float]) -> bool:
    """Compare the last two blocks of 10 calls; of many short calls, the last two tenths.

    Ten calls of some microseconds jitter by more than the tolerance for ever: half of such blocks disagreed.
    """
    block = max(_BLOCK, len(durations) // 10)
    before = statistics.median(durations[-2 * block : -block])
    last = statistics.median(durations[-block:])
    return abs(last - before) <= _BLOCK_TOLERANCE * before
