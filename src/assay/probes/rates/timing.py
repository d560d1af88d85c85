"""Time the kernels of the device probe: blocks of calls, each block long enough for clock and synchronization.

The clock and the wait for the device come in as arguments. May import: core, probes.rates.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from assay.core.records import SampleSeries
from assay.probes.rates.kernels import Kernel

Clock = Callable[[], int]

SHORTEST_SAMPLE_NS = 20_000_000
"""Twenty ms: thousands of times what reading the clock takes, and of waiting for an accelerator."""
FEWEST_SAMPLES = 3
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """The samples of one kernel in one launch, and what a call of it does."""

    series: SampleSeries
    amount: float

    @property
    def median_call_ns(self) -> float:
        """Median time of one call."""
        return statistics.median(self.series.values) / self.series.calls_per_sample

    @property
    def best_call_ns(self) -> float:
        """Time of one call in the fastest block."""
        return min(self.series.values) / self.series.calls_per_sample

    @property
    def rate_per_s(self) -> float:
        """Amount per second at the median."""
        return self.amount / self.median_call_ns * 1e9

    @property
    def best_rate_per_s(self) -> float:
        """Amount per second in the fastest block."""
        return self.amount / self.best_call_ns * 1e9


def time_kernel(
    kernel: Kernel,
    *,
    window_s: float,
    synchronize: Callable[[], None] | None,
    clock: Clock = time.perf_counter_ns,
) -> Reading:
    """Call the kernel for about ``window_s``, in blocks of at least 20 ms, at least three; the first calls warm it up.

    Calls of a block are not waited for one by one: on an accelerator they queue, as the operations of a model do.
    """
    calls = _settle_block(kernel, synchronize, clock)
    values = _take_blocks(kernel, calls, window_s, synchronize, clock)
    return Reading(SampleSeries(kernel.name, "ns", values, calls), kernel.amount)


def extend_reading(
    reading: Reading,
    kernel: Kernel,
    *,
    window_s: float,
    synchronize: Callable[[], None] | None,
    clock: Clock = time.perf_counter_ns,
) -> Reading:
    """Go on with a kernel, in blocks of the same length."""
    calls = reading.series.calls_per_sample
    more = _take_blocks(kernel, calls, window_s, synchronize, clock)
    return Reading(SampleSeries(kernel.name, "ns", reading.series.values + more, calls), reading.amount)


def _take_blocks(
    kernel: Kernel, calls: int, window_s: float, synchronize: Callable[[], None] | None, clock: Clock
) -> tuple[int, ...]:
    values: list[int] = []
    deadline = clock() + round(window_s * _NS)
    while len(values) < FEWEST_SAMPLES or clock() < deadline:
        values.append(_time_block(kernel.call, calls, synchronize, clock))
    return tuple(values)


def _settle_block(kernel: Kernel, synchronize: Callable[[], None] | None, clock: Clock) -> int:
    """Double the calls of a block until it takes 20 ms; this is the warm-up too."""
    calls = 1
    _time_block(kernel.call, 1, synchronize, clock)  # the first call may compile, allocate or touch new pages
    while True:
        taken_ns = _time_block(kernel.call, calls, synchronize, clock)
        if taken_ns >= SHORTEST_SAMPLE_NS:
            return calls
        calls = max(2 * calls, min(16 * calls, -(-calls * SHORTEST_SAMPLE_NS // max(1, taken_ns))))


def _time_block(call: Callable[[], object], calls: int, synchronize: Callable[[], None] | None, clock: Clock) -> int:
    repetitions = range(calls)
    if synchronize is not None:
        synchronize()
    begin = clock()
    for _ in repetitions:
        call()
    if synchronize is not None:
        synchronize()
    return clock() - begin
