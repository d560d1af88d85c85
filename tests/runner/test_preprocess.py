"""What comes before an audio model is timed apart, here and where the model runs, and only where it is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from assay.catalog.metrics import metrics
from assay.core.case import Case
from assay.core.errors import EngineError
from assay.core.records import MetricValue
from assay.core.words import Direction, Mode, Precision
from assay.engines.base import Preprocessor, Session
from assay.runner.preprocess import NumpyPreprocessor, measure_preprocessing, time_preprocessor
from assay.runner.protocol import Job
from assay.runner.timing import Timing
from assay.workloads.audio import FeatureSpec, make_clips, make_extractor
from assay.workloads.base import find_workload

US = 1000
MS = 1_000_000


@dataclass
class PlannedPage:
    """A page whose calls take a known time by a clock of known steps, and whose features may be wrong."""

    features: Any
    call_ns: int
    resolution_ns: int = 5 * US
    asked: list[tuple[int, int]] = field(default_factory=list)
    passed_ns: int = 0

    def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
        self.asked.append((samples, calls_per_sample))
        taken: list[int] = []
        begin = self.passed_ns
        while len(taken) < samples and (limit_ns is None or self.passed_ns - begin < limit_ns):
            before = self.passed_ns // self.resolution_ns
            self.passed_ns += calls_per_sample * self.call_ns
            taken.append((self.passed_ns // self.resolution_ns - before) * self.resolution_ns)
        return taken

    def read_features(self) -> Any:
        return self.features


class Silent:
    """Stands for the pipe to the supervisor."""

    def __init__(self) -> None:
        self.phases: list[str] = []

    def begin(self, phase: str) -> None:
        self.phases.append(phase)


def _session(
    *, page: PlannedPage | None = None, preprocess: Callable[[FeatureSpec, Any], Preprocessor] | None = None
) -> Session:
    return Session(
        infer=lambda: None, unload=lambda: None, effective_precision="fp32", threads=1, hardware="", parameters=None,
        facts={}, stopwatch=page, preprocess=preprocess,
    )  # fmt: skip


def _beside(page: PlannedPage) -> Session:
    """A session whose page makes the features too."""
    return _session(page=page, preprocess=lambda _spec, _clips: page)


def _job(workload: str = "wav2vec2/tiny", *, mode: Mode = Mode.INFERENCE, batch: int = 2, seconds: int = 1) -> Job:
    shape = find_workload(workload).resolve_shape({"seconds": seconds} if "wav2vec2" in workload else {})
    case = Case.make(
        workload=workload, engine="web-wasm", device="cpu", mode=mode, precision=Precision.FP32, batch=batch,
        shape=shape, options={},
    )  # fmt: skip
    return Job(case=case, shape=shape, threads=1, seed=0, timing=Timing(), spawned_ns=0)


def _right_features(job: Job) -> tuple[Any, Any]:
    spec = find_workload(job.case.workload).family.features
    assert spec is not None
    clips = make_clips(spec, batch=job.case.batch, seconds=spec.clip_seconds(job.shape), seed=job.seed)
    return clips, make_extractor(spec)(clips)


def _measure(session: Session, job: Job, *, call_ns: float = 10 * MS) -> dict[str, MetricValue]:
    speaker: Any = Silent()
    found = measure_preprocessing(session, job, speaker, call_ns=call_ns)
    assert speaker.phases == (["preprocess"] if found else [])
    return {metric.name: metric for metric in found}


def test_numpy_is_timed_in_this_process() -> None:
    found = _measure(_session(), _job())
    took, factor = found["preprocess_ns"], found["real_time_factor_whole"]
    assert took.unit == "ns"
    assert took.value is not None
    assert took.value > 0
    # Two clips of a second, worked through in the model's 10 ms and what came before.
    assert factor.value == pytest.approx(2e9 / (10 * MS + took.value))


def test_a_page_is_timed_by_its_own_clock() -> None:
    job = _job()
    clips, features = _right_features(job)
    page = PlannedPage(features, call_ns=300 * US)
    given: list[Any] = []

    def preprocess(spec: FeatureSpec, clips: Any) -> PlannedPage:
        given.append((spec, clips))
        return page

    found = _measure(_session(page=page, preprocess=preprocess), job)
    assert found["preprocess_ns"].value == pytest.approx(300 * US, rel=0.01)
    assert given[0][0] == find_workload("wav2vec2/tiny").family.features
    assert np.array_equal(given[0][1], clips), "both sides hear the same"
    assert page.asked[-1][1] == 4, "samples of a millisecond"


def test_features_that_differ_have_no_time() -> None:
    job = _job()
    _, features = _right_features(job)
    off = features.copy()
    off[0, 100] += 0.01 * np.abs(features).max()
    page = PlannedPage(off, call_ns=300 * US)
    found = _measure(_beside(page), job)
    reason = "the features made beside the model differ from numpy's by 1.0e-02; at most 1e-04 passes"
    assert [(metric.value, metric.reason) for metric in found.values()] == [(None, reason)] * 2
    assert not page.asked, "what is wrong is not timed"


def test_features_of_another_shape_or_without_a_number_differ() -> None:
    job = _job()
    _, features = _right_features(job)
    for wrong in (features[:1], np.full_like(features, np.nan)):
        found = _measure(_beside(PlannedPage(wrong, call_ns=US)), job)
        assert found["preprocess_ns"].value is None


def test_a_program_that_makes_no_features_has_no_time() -> None:
    found = _measure(_session(page=PlannedPage(None, call_ns=US)), _job())
    assert found["preprocess_ns"].reason == (
        "engine web-wasm runs the model in another program and makes no features there"
    )


@pytest.mark.parametrize(
    "job",
    [_job("bert/tiny"), _job(mode=Mode.TRAINING), _job(mode=Mode.SERVING)],
    ids=["no audio", "training", "serving"],
)
def test_nothing_is_said_where_no_audio_is_inferred_from(job: Job) -> None:
    assert _measure(_session(), job) == {}


def test_a_clock_of_a_tenth_of_a_millisecond_gives_long_samples() -> None:
    page = PlannedPage(None, call_ns=30 * US, resolution_ns=100 * US)
    assert time_preprocessor(page) == pytest.approx(30 * US, rel=0.01)
    assert page.asked[-1][1] >= 10 * MS // (30 * US)


def test_long_calls_are_made_five_times_and_no_more() -> None:
    page = PlannedPage(None, call_ns=2_000 * MS)
    assert time_preprocessor(page) == 2_000 * MS
    assert page.passed_ns == 10 * 2_000 * MS, "five to warm up, five to time"


def test_a_program_that_is_gone_is_an_error() -> None:
    class Gone(PlannedPage):
        def time_calls(self, samples: int, *, calls_per_sample: int = 1, limit_ns: int | None = None) -> Sequence[int]:
            del samples, calls_per_sample, limit_ns
            raise EngineError("the page went away")

    with pytest.raises(EngineError, match="went away"):
        time_preprocessor(Gone(None, call_ns=US))


def test_numpy_keeps_to_its_limit() -> None:
    ticks: Iterator[int] = iter(range(0, 10_000, 10))
    made: list[int] = []

    def extract(clips: Any) -> Any:
        made.append(1)
        return clips

    ours = NumpyPreprocessor(extract, np.zeros((1, 4), np.float32), clock=lambda: next(ticks))
    assert list(ours.time_calls(50, calls_per_sample=3, limit_ns=35)) == [10, 10]
    assert len(made) == 6


def test_its_metrics_are_registered() -> None:
    assert metrics.get("preprocess_ns").direction is Direction.LOWER
    for name in ("real_time_factor", "real_time_factor_whole"):
        assert (metrics.get(name).unit, metrics.get(name).direction) == ("1", Direction.HIGHER)
