"""Time what comes before an audio model: the features of a batch of clips, apart from the model's own calls.

numpy makes them in the worker's process; an engine whose model runs in another program (a browser's page) makes them
there, and its features are held against numpy's first. Runs inside the worker, after the model was timed. May import:
core, catalog, engines, workloads; numpy inside functions.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.catalog.metrics import metrics
from assay.core.records import MetricValue
from assay.core.words import Mode
from assay.engines.base import Preprocessor, Session, Stopwatch
from assay.runner.child import Speaker
from assay.runner.protocol import Job
from assay.runner.stopwatch import make_calls, shortest_sample_ns
from assay.workloads.audio import Extract, FeatureSpec, make_clips, make_extractor, relative_error
from assay.workloads.base import UnitOfWork
from assay.workloads.resolve import resolve_workload

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-4
"""Largest relative error of features that were made elsewhere; float32 alone gives 1e-7."""

_WARM_NS = 500_000_000
"""Warm-up: JavaScript is compiled while it runs, and has settled by then."""
_SAMPLING_NS = 1_000_000_000
_FEWEST_CALLS = 5
_MOST_SAMPLES = 30
_MANY_CALLS = 100_000
_SHORTEST_SAMPLE_NS = 1_000_000
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class NumpyPreprocessor:
    """numpy's features, made in this process and timed by its clock."""

    extract: Extract
    clips: NDArray[Any]
    clock: Callable[[], int] = time.perf_counter_ns
    resolution_ns: int = 1

    def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
        """Make the features again and again; see `assay.engines.base.Stopwatch`."""
        durations: list[int] = []
        begin = self.clock()
        for _ in range(samples):
            start = self.clock()
            for _ in range(calls_per_sample):
                self.extract(self.clips)
            end = self.clock()
            durations.append(end - start)
            if limit_ns is not None and end - begin >= limit_ns:
                break
        return durations

    def read_features(self) -> NDArray[Any]:
        """Make the features once."""
        return self.extract(self.clips)


def measure_preprocessing(session: Session, job: Job, speaker: Speaker, *, call_ns: float) -> tuple[MetricValue, ...]:
    """Return this launch's ``preprocess_ns`` and ``real_time_factor_whole``; nothing where no audio is inferred from.

    ``call_ns`` is the model's own time of a call. A number that cannot be had is None, with the reason. Raises
    EngineError where the other program is gone.
    """
    workload = resolve_workload(job.case.workload)
    spec = workload.family.features
    if spec is None or job.case.mode is not Mode.INFERENCE:
        return ()
    speaker.begin("preprocess")
    clips = make_clips(spec, batch=job.case.batch, seconds=spec.clip_seconds(job.shape), seed=job.seed)
    found = _time_features(session, spec, clips, job.case.engine)
    took_ns, reason = (None, found) if isinstance(found, str) else (found, None)
    values = {"preprocess_ns": took_ns}
    if workload.family.unit is UnitOfWork.AUDIO_SECOND:
        heard_s = workload.units_per_call(job.case.batch, job.shape)
        values["real_time_factor_whole"] = None if took_ns is None else heard_s * _NS / (call_ns + took_ns)
    return tuple(MetricValue(name, value, metrics.get(name).unit, reason=reason) for name, value in values.items())


def time_preprocessor(preprocessor: Stopwatch) -> float:
    """Warm up, take samples, and return the median time of one call in ns."""
    warm = list(make_calls(preprocessor, _MANY_CALLS, limit_ns=_WARM_NS))
    warm.extend(_complete(preprocessor, len(warm)))
    # A mean, since a coarse clock shows a short call as 0 or as a whole step.
    call_ns = max(1.0, statistics.fmean(warm[len(warm) // 2 :]))
    shortest_ns = max(_SHORTEST_SAMPLE_NS, shortest_sample_ns(preprocessor))
    per_sample = max(1, math.ceil(shortest_ns / call_ns))
    taken = list(make_calls(preprocessor, _MOST_SAMPLES, calls_per_sample=per_sample, limit_ns=_SAMPLING_NS))
    taken.extend(_complete(preprocessor, len(taken), per_sample))
    return statistics.median(taken) / per_sample


def _complete(preprocessor: Stopwatch, had: int, per_sample: int = 1) -> Iterator[int]:
    """Take what is missing of the fewest samples, however long they take."""
    while had < _FEWEST_CALLS:
        more = make_calls(preprocessor, _FEWEST_CALLS - had, calls_per_sample=per_sample)
        had += len(more)
        yield from more


def _time_features(session: Session, spec: FeatureSpec, clips: NDArray[Any], engine: str) -> float | str:
    """Time of one call in ns, or why there is none."""
    ours = NumpyPreprocessor(make_extractor(spec), clips)
    if session.preprocess is None:
        if session.stopwatch is not None:
            return f"engine {engine} runs the model in another program and makes no features there"
        return time_preprocessor(ours)
    theirs: Preprocessor = session.preprocess(spec, clips)
    error = relative_error(theirs.read_features(), ours.read_features())
    if not error <= TOLERANCE:
        return f"the features made beside the model differ from numpy's by {error:.1e}; at most {TOLERANCE:.0e} passes"
    return time_preprocessor(theirs)
