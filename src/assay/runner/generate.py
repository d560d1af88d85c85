"""Time generation: when the first token was there, when each later one, when the last.

A sample is one whole generation. The rules of warm-up and stopping are those of ``runner.measure`` (METHOD 2), with a
generation in the place of a call. May import: core, engines, runner.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from assay.core.records import SampleSeries
from assay.engines.generation import GenerationSession
from assay.runner.measure import Clock, Progress, WarmUp, take_samples, warm_up
from assay.runner.modes import ModeMeasured
from assay.runner.timing import Timing

PREFILL = "prefill"
"""Series: from the start of a generation to its first token, one reading a generation."""
DECODE_STEP = "decode_step"
"""Series: from each token to the next, ``new_tokens`` - 1 readings a generation, in order."""
GENERATION = "generation"
"""Series: from the start of a generation to its last token, one reading a generation."""


@dataclass(frozen=True, slots=True)
class GenerationTimed:
    """Every generation of one launch, in ns and in order.

    ``prefill_ns`` and ``total_ns`` hold one reading a generation, ``decode_step_ns`` holds ``steps`` = new_tokens - 1 a
    generation, one generation after the other. Readings of a generation touch: prefill + steps = total.
    """

    prefill_ns: tuple[int, ...]
    decode_step_ns: tuple[int, ...]
    total_ns: tuple[int, ...]
    steps: int
    warm: WarmUp
    stop_reason: str
    wall_ns: int

    @property
    def median_ns(self) -> float:
        """Median time of a whole generation."""
        return statistics.median(self.total_ns)

    @property
    def series(self) -> tuple[SampleSeries, ...]:
        """The raw readings as they are kept; a generation of one token has no steps."""
        named = ((PREFILL, self.prefill_ns), (DECODE_STEP, self.decode_step_ns), (GENERATION, self.total_ns))
        return tuple(SampleSeries(name=name, unit="ns", values=values) for name, values in named if values)

    @property
    def measured(self) -> ModeMeasured:
        """The launch as the worker reports it."""
        return ModeMeasured(
            series=self.series,
            median_ns=self.median_ns,
            stop_reason=self.stop_reason,
            wall_ns=self.wall_ns,
            warmup_calls=self.warm.calls,
            warmup_converged=self.warm.converged,
            warmup_ns=self.warm.wall_ns,
        )


def measure_generation(
    generation: GenerationSession,
    timing: Timing,
    *,
    clock: Clock = time.perf_counter_ns,
    report: Callable[[Progress], None] = lambda _progress: None,
    began: Callable[[str], None] = lambda _phase: None,
) -> GenerationTimed:
    """Warm up, then generate again and again until the median time of a generation is known well enough.

    Waits for the device after the prompt and after each token, as a program must that shows them. ``began`` is told
    of the phases ``warmup`` and ``measure``. Readings are taken with garbage collection off.
    """
    marks: list[list[int]] = []
    timed_call = _bind(generation, clock, marks)
    # As a session whose call is a whole generation, which waits by itself.
    session = dataclasses.replace(generation.session, infer=timed_call, synchronize=None, event_timer=None)
    began("warmup")
    warm = warm_up(session, timing, clock)
    marks.clear()
    began("measure")
    timed = take_samples(session, timing, call_ns=warm.last_call_ns, clock=clock, report=report)
    return GenerationTimed(
        prefill_ns=tuple(one[1] - one[0] for one in marks),
        decode_step_ns=tuple(after - before for one in marks for before, after in itertools.pairwise(one[1:])),
        total_ns=tuple(one[-1] - one[0] for one in marks),
        steps=generation.new_tokens - 1,
        warm=warm,
        stop_reason=timed.stop_reason,
        wall_ns=timed.wall_ns,
    )


def _bind(generation: GenerationSession, clock: Clock, marks: list[list[int]]) -> Callable[[], object]:
    """Make the call: one generation that leaves the times of its start and of each token in ``marks``."""
    prefill, decode = generation.prefill, generation.decode
    steps = range(generation.new_tokens - 1)
    wait = generation.session.synchronize

    def call() -> object:
        times = [clock()]
        state = prefill()
        times.append(clock())
        for _ in steps:
            state = decode(state)
            times.append(clock())
        marks.append(times)
        return state

    def call_and_wait(synchronize: Callable[[], None]) -> object:
        times = [clock()]
        state = prefill()
        synchronize()
        times.append(clock())
        for _ in steps:
            state = decode(state)
            synchronize()
            times.append(clock())
        marks.append(times)
        return state

    return call if wait is None else lambda: call_and_wait(wait)
