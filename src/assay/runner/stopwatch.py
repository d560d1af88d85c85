"""Calls that another program makes and times (`engines.base.Stopwatch`): how many, for how long, and what it answers.

Its clock may be coarse (100 us in a page that is not isolated) and a round trip to it costs more than many a call,
so calls are asked for in series, and a sample is long enough for the clock. May import: core, engines.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from assay.core.errors import EngineError
from assay.engines.base import Stopwatch

_STEPS = 100
"""Steps of the clock in a sample: a hundred of them tell 1 %, which is what a launch is stopped by."""
_MOST_GROWTH = 10
"""How much longer a sample may become at once: what reads as nothing may be anything up to a step of the clock."""
_PATIENCE_NS = 1_000_000_000


def shortest_sample_ns(stopwatch: Stopwatch) -> int:
    """How long a sample must be for the other program's clock to tell it."""
    return _STEPS * stopwatch.resolution_ns


def make_calls(
    stopwatch: Stopwatch, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None
) -> Sequence[int]:
    """Have calls made, and return what each sample took in ns. Raises EngineError for what is no answer."""
    durations = stopwatch.time_calls(samples, calls_per_sample=calls_per_sample, limit_ns=limit_ns)
    if not 1 <= len(durations) <= samples or min(durations) < 0:
        raise EngineError(
            f"The program that makes the calls answered {len(durations)} durations, the shortest of "
            f"{min(durations, default=0)} ns, where 1 to {samples} were expected, none of them below 0.",
            hint="Its engine is at fault: please report it.",
        )
    return durations


def fit_calls(durations: Sequence[int], calls_per_sample: int, shortest_ns: int, took_ns: int) -> int:
    """Return how many calls a sample must span to last ``shortest_ns``, by samples of ``calls_per_sample``.

    ``took_ns`` is what those samples took by our own clock. Raises EngineError where the other one stands still.
    """
    mean_ns = statistics.fmean(durations)
    if not mean_ns and took_ns > _PATIENCE_NS:
        raise EngineError(
            f"The clock of the program that makes the calls stands still: it read 0 ns for {len(durations)} samples "
            f"that took {took_ns / 1e9:.1f} s.",
            hint="Nothing can be timed there: use another browser or device.",
        )
    most = _MOST_GROWTH * calls_per_sample
    return most if not mean_ns else max(1, min(most, -int(-shortest_ns * calls_per_sample // mean_ns)))
