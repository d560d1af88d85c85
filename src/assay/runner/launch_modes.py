"""What a worker times, mode by mode: plain calls, whole generations, queries as they arrive.

Each mode has a module of its own that knows how; here they get one form for the worker. May import: core, engines,
runner.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assay.core.records import MetricValue, SampleSeries
from assay.core.words import Mode
from assay.engines.base import Engine, LoadRequest, Session
from assay.engines.options import DEFAULT_NEW_TOKENS
from assay.runner.child import Speaker
from assay.runner.protocol import Job, SamplesSoFar
from assay.workloads.base import Workload
from assay.workloads.trainables.base import trainables

if TYPE_CHECKING:
    from assay.runner.measure import Progress
    from assay.runner.modes import ModeMeasured

_REPORT_EVERY_NS = 500_000_000


@dataclass(frozen=True, slots=True)
class Timings:
    """What timing one launch gave: ``values`` of plain calls, or the ``series`` of another mode."""

    median_ns: float
    stop_reason: str
    wall_ns: int
    warmup_calls: int
    warmup_converged: bool | None
    warmup_ns: int
    values: tuple[int, ...] = ()
    device_values: tuple[int, ...] = ()
    calls_per_sample: int = 1
    series: tuple[SampleSeries, ...] = ()
    metrics: tuple[MetricValue, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def readings(self) -> int:
        """How many readings the noise witnesses are spread over."""
        return len(self.values) or max((len(series.values) for series in self.series), default=1)


@dataclass(frozen=True, slots=True)
class Window:
    """What is called around the timing that noise and meters are read for: after warm-up, and before any later pass.

    The worker calls ``end`` once more when a mode returns; only the first call counts.
    """

    begin: Callable[[], None]
    end: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session, and the way its mode is timed."""

    session: Session
    time: Callable[[Job, Speaker, Window], Timings]


def import_for_mode(engine: Engine, workload: Workload, mode: Mode) -> None:
    """Import everything heavy that the case's mode needs, so that its cost is timed apart from loading."""
    engine.import_libraries(workload)
    if mode is Mode.TRAINING and workload.family.name in trainables.names():
        from assay.engines.training import import_training

        import_training(workload)


def load_for_mode(engine: Engine, request: LoadRequest, job: Job) -> Loaded:
    """Load what the case's mode needs. Raises what loading raises."""
    if job.case.mode is Mode.GENERATION:
        from assay.engines.generation import load_generation
        from assay.runner.generate import measure_generation

        new_tokens = int(request.options.get("new_tokens", DEFAULT_NEW_TOKENS))
        generation = load_generation(engine.name, request, new_tokens=new_tokens)

        def time_generation(job: Job, speaker: Speaker, window: Window) -> Timings:
            timed = measure_generation(
                generation,
                job.timing,
                report=throttled_report(speaker),
                began=_announce(speaker, window),
            )
            return _of_mode(timed.measured)

        return Loaded(generation.session, time_generation)
    if job.case.mode is Mode.TRAINING:
        return _load_training(engine, request)
    session = engine.load(request)
    if job.case.mode is Mode.DATA:
        from assay.runner.data_mode import time_batches

        return Loaded(session, lambda job, speaker, window: time_batches(session, job, speaker, window.begin))
    if job.case.mode is Mode.SERVING:

        def time_serving(job: Job, speaker: Speaker, window: Window) -> Timings:
            from assay.runner.serving_mode import measure_serving, read_serving_options

            asked = read_serving_options(dict(job.case.options))
            began = _announce(speaker, window)
            return _of_mode(measure_serving(session, asked, job.timing, batch=job.case.batch, began=began))

        return Loaded(session, time_serving)

    def time_calls(job: Job, speaker: Speaker, window: Window) -> Timings:
        from assay.runner.measure import take_samples, warm_up

        speaker.begin("warmup")
        able = engine.capabilities
        warm = warm_up(session, job.timing, least_calls=able.least_warmup_calls, least_s=able.least_warmup_s)
        speaker.begin("measure")
        window.begin()
        timed = take_samples(session, job.timing, call_ns=warm.last_call_ns, report=throttled_report(speaker))
        return Timings(
            median_ns=timed.median_call_ns,
            stop_reason=timed.stop_reason,
            wall_ns=timed.wall_ns,
            warmup_calls=warm.calls,
            warmup_converged=warm.converged,
            warmup_ns=warm.wall_ns,
            values=timed.values,
            device_values=timed.device_values,
            calls_per_sample=timed.calls_per_sample,
        )

    return Loaded(session, time_calls)


def _load_training(engine: Engine, request: LoadRequest) -> Loaded:
    """Steps of a steady training, or training until a quality is reached."""
    from assay.engines.training import load_training
    from assay.engines.training_plan import read_training_options
    from assay.probes.memory import rss_bytes

    baseline_bytes = rss_bytes()
    training = load_training(engine.name, request)
    asked = read_training_options(request.options)
    session, probe = training.session, None
    if "probe_steps" in request.options:
        from assay.runner.encoder_probe import plan_probe

        probe = plan_probe(training, request)
        session = replace(session, costs_ns={**session.costs_ns, "probe": probe.took_ns})

    def time_training(job: Job, speaker: Speaker, window: Window) -> Timings:
        began = _announce(speaker, window)
        if asked.target is not None:
            from assay.runner.converge import train_to_target

            return _of_mode(train_to_target(training, asked, job.timing, report=throttled_report(speaker), began=began))
        from assay.runner.train import measure_training

        report = throttled_report(speaker)
        timed = measure_training(training, job.timing, report=report, began=began, baseline_bytes=baseline_bytes)
        return _of_mode(timed if probe is None else probe.finish(timed))

    return Loaded(session, time_training)


def throttled_report(speaker: Speaker) -> Callable[[Progress], None]:
    """Tell the supervisor of progress at most twice a second."""
    last_ns = 0

    def report(progress: Progress) -> None:
        nonlocal last_ns
        now = time.perf_counter_ns()
        if now - last_ns >= _REPORT_EVERY_NS:
            last_ns = now
            speaker.say(SamplesSoFar(progress.samples, progress.median_call_ns, progress.half_width))

    return report


def _announce(speaker: Speaker, window: Window) -> Callable[[str], None]:
    def began(phase: str) -> None:
        if speaker.phase == "measure":
            window.end()
        speaker.begin(phase)
        if phase == "measure":
            window.begin()

    return began


def _of_mode(measured: ModeMeasured) -> Timings:
    return Timings(
        median_ns=measured.median_ns,
        stop_reason=measured.stop_reason,
        wall_ns=measured.wall_ns,
        warmup_calls=measured.warmup_calls,
        warmup_converged=measured.warmup_converged,
        warmup_ns=measured.warmup_ns,
        series=measured.series,
        metrics=measured.metrics,
        facts=measured.facts,
    )
