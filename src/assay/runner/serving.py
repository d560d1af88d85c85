"""Serve queries that MLPerf's LoadGen issues, with a loaded session answering them, and keep its verdict.

LoadGen runs in a thread of its own and hands queries over through a queue; the thread that loaded the model answers
them. So a Server run is never held up by an inference, and what a framework keeps for each thread (inference mode,
thread pools) is that of the thread that loaded. May import: core, engines, runner, stats; mlperf_loadgen inside
functions.
"""

from __future__ import annotations

import importlib.util
import queue
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.core.absence import Unavailable
from assay.core.errors import EngineError, UnsupportedError, UsageError
from assay.engines.base import Session
from assay.runner.loadgen_log import LoadGenLog, read_latencies, read_log, read_sample_latencies
from assay.runner.serving_settings import Scenario, ScenarioSettings, estimate_samples

_SAMPLES_TRACED = 500_000
"""Most samples of a run whose latencies are kept: LoadGen's trace takes some 600 bytes a sample."""
_PREPARED = 2.0
"""LoadGen makes its queries before it starts, from a hint of the speed: this factor makes them outlast the run."""
_OFFLINE_PREPARED = 1.3
"""The same for Offline, whose one query is worked off to its end. LoadGen itself adds a tenth."""
_GIVE_UP_S = 60.0
_CONFIGURED_AS = "resnet50"
_SERVES_NO_CONFIG = "assay-has-no-user.conf"

Arrivals = queue.SimpleQueue[list[int] | None]
"""Response ids of the samples of a query, as they are issued; None once LoadGen has ended."""


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """One run of a scenario: what was asked, LoadGen's account of it, and every latency.

    ``latencies_ns`` are those of queries (of Offline's one query: of its samples), empty where the run was too long to
    keep them. ``wall_ns`` is what the run took, LoadGen's own work included.
    """

    settings: ScenarioSettings
    batch: int
    log: LoadGenLog
    latencies_ns: tuple[int, ...]
    wall_ns: int

    @property
    def is_valid(self) -> bool:
        """LoadGen's verdict."""
        return self.log.is_valid

    @property
    def verdict(self) -> str:
        """``VALID``, or ``INVALID`` with LoadGen's reasons."""
        return "VALID" if self.is_valid else f"INVALID: {'; '.join(self.log.reasons)}"


def find_loadgen() -> Unavailable | None:
    """Say why LoadGen cannot be used here, without importing it; None if it can."""
    if importlib.util.find_spec("mlperf_loadgen") is None:
        return Unavailable("MLPerf's LoadGen is not installed", "pip install 'assay[mlperf]'")
    return None


def check_serving(settings: ScenarioSettings, *, batch: int) -> None:
    """Refuse, without importing LoadGen, what would not be the scenario that it says; for planning and for running.

    Raises UnsupportedError where LoadGen is absent, UsageError for a batch that the scenario does not issue.
    """
    absent = find_loadgen()
    if absent is not None:
        raise UnsupportedError(f"{absent.reason}.", hint=f"Install it: {absent.install_hint}.")
    if settings.scenario is Scenario.SINGLE_STREAM and batch != 1:
        raise UsageError(f"single-stream issues one sample at a time: got batch {batch}, expected 1.")
    if settings.scenario is Scenario.MULTI_STREAM and settings.samples_per_query % batch:
        raise UsageError(
            f"multi-stream issues {settings.samples_per_query} samples at a time, which calls of {batch} do not divide."
        )


def run_scenario(session: Session, settings: ScenarioSettings, *, batch: int = 1, call_ns: float) -> ScenarioResult:
    """Run one scenario to its end and read LoadGen's verdict.

    ``session`` makes one call on ``batch`` samples; samples that have arrived share a call, up to ``batch`` of them,
    and a call that is not full costs as much. ``call_ns`` is the time of a warm call, from which LoadGen is told how
    many queries to prepare. Every sample is the session's own input. Raises UsageError, UnsupportedError, EngineError,
    or what a call raised.
    """
    check_serving(settings, batch=batch)
    if settings.scenario is Scenario.SERVER and not (settings.rate_per_s and settings.latency_target_ns):
        raise UsageError("The server scenario needs a rate above 0 and a latency target.")
    import mlperf_loadgen as loadgen

    keeps_latencies = estimate_samples(settings, batch=batch, call_ns=call_ns) * _PREPARED <= _SAMPLES_TRACED
    with tempfile.TemporaryDirectory(prefix="assay-loadgen-") as name:
        folder = Path(name)
        begin = time.perf_counter_ns()
        _drive(
            loadgen,
            _make_settings(loadgen, settings, batch=batch, call_ns=call_ns, folder=folder),
            _make_log_settings(loadgen, folder, keeps_latencies=keeps_latencies),
            _bind_call(session),
            batch,
        )
        wall_ns = time.perf_counter_ns() - begin
        log = read_log(folder)
        read = read_sample_latencies if settings.scenario is Scenario.OFFLINE else read_latencies
        return ScenarioResult(settings, batch, log, read(folder) if keeps_latencies else (), wall_ns)


def _drive(loadgen: Any, test: Any, logs: Any, call: Callable[[], object], batch: int) -> None:
    arrivals: Arrivals = queue.SimpleQueue()
    failures: list[BaseException] = []
    system = loadgen.ConstructSUT(lambda samples: arrivals.put([sample.id for sample in samples]), _do_nothing)
    # One sample: every query carries the session's own input.
    library = loadgen.ConstructQSL(1, 1, _do_nothing, _do_nothing)

    def issue() -> None:
        try:
            loadgen.StartTestWithLogSettings(system, library, test, logs, f"{logs.log_output.outdir}/audit.config")
        except BaseException as error:  # noqa: BLE001  (raised again by the thread that waits)
            failures.append(error)
        finally:
            arrivals.put(None)

    # A daemon: where a call has failed, LoadGen may wait for answers for as long as the run should have taken.
    thread = threading.Thread(target=issue, name="loadgen", daemon=True)
    thread.start()
    try:
        _answer(loadgen, arrivals, call, batch)
    except BaseException:
        _answer_without_work(loadgen, arrivals, deadline=time.monotonic() + _GIVE_UP_S)
        raise
    thread.join()
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(system)
    if failures:
        raise EngineError(f"LoadGen failed: {type(failures[0]).__name__}: {failures[0]}.") from failures[0]


def _answer(loadgen: Any, arrivals: Arrivals, call: Callable[[], object], batch: int) -> None:
    """Answer until LoadGen has ended, which it does once every sample was answered."""
    response, complete = loadgen.QuerySampleResponse, loadgen.QuerySamplesComplete
    waiting: deque[int] = deque()
    try:
        while True:
            if not waiting:
                arrived = arrivals.get()
                if arrived is None:
                    return
                waiting.extend(arrived)
            if batch > 1:
                _take_arrived(arrivals, waiting, batch)
            call()
            complete([response(waiting.popleft(), 0, 0) for _ in range(min(batch, len(waiting)))])
    except BaseException:
        complete([response(sample, 0, 0) for sample in waiting])
        raise


def _take_arrived(arrivals: Arrivals, waiting: deque[int], most: int) -> None:
    """Add what has arrived meanwhile, without waiting for more."""
    while len(waiting) < most and not arrivals.empty():
        arrived = arrivals.get()
        if arrived is None:
            arrivals.put(None)  # for the loop that answers, which ends by it
            return
        waiting.extend(arrived)


def _answer_without_work(loadgen: Any, arrivals: Arrivals, *, deadline: float) -> None:
    """Let LoadGen end after a call has failed, so that another run can begin in this process."""
    while (left := deadline - time.monotonic()) > 0:
        try:
            arrived = arrivals.get(timeout=left)
        except queue.Empty:
            return
        if arrived is None:
            return
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample, 0, 0) for sample in arrived])


def _bind_call(session: Session) -> Callable[[], object]:
    infer, synchronize = session.infer, session.synchronize
    if synchronize is None:
        return infer

    def call_and_wait() -> None:
        infer()
        synchronize()

    return call_and_wait


def _make_settings(loadgen: Any, settings: ScenarioSettings, *, batch: int, call_ns: float, folder: Path) -> Any:
    """Begin with LoadGen's own mlperf.conf, for its seeds, and set everything that is ours to set."""
    scenario = settings.scenario.loadgen_name
    test = loadgen.TestSettings()
    # conf_type 0 reads the file that is compiled into LoadGen, and no other.
    if test.FromConfig(str(folder / _SERVES_NO_CONFIG), _CONFIGURED_AS, scenario, 0) != 0:
        raise EngineError("LoadGen could not read its own mlperf.conf.", hint="Install mlcommons-loadgen 5 or later.")
    test.scenario = getattr(loadgen.TestScenario, scenario)
    test.mode = loadgen.TestMode.PerformanceOnly
    test.use_token_latencies = False
    test.performance_sample_count_override = 0
    test.min_duration_ms = round(settings.min_duration_s * 1000)
    test.max_duration_ms = 0
    test.min_query_count = settings.min_samples if settings.scenario is Scenario.OFFLINE else settings.min_queries
    test.max_query_count = 0
    test.schedule_rng_seed = (test.schedule_rng_seed + settings.repetition) % 2**64
    share = settings.percentile / 100
    query_ns = -(-settings.samples_per_query // batch) * call_ns
    test.single_stream_expected_latency_ns = max(1, round(query_ns / _PREPARED))
    test.single_stream_target_latency_percentile = share
    test.multi_stream_expected_latency_ns = max(1, round(query_ns / _PREPARED))
    test.multi_stream_target_latency_percentile = share
    test.multi_stream_samples_per_query = settings.samples_per_query
    test.offline_expected_qps = batch * 1e9 / call_ns * _OFFLINE_PREPARED
    test.server_target_qps = settings.rate_per_s or 1.0
    test.server_target_latency_ns = settings.latency_target_ns or 0
    test.server_target_latency_percentile = share
    test.server_max_async_queries = settings.most_waiting
    return test


def _make_log_settings(loadgen: Any, folder: Path, *, keeps_latencies: bool) -> Any:
    output = loadgen.LogOutputSettings()
    output.outdir = str(folder)
    output.copy_summary_to_stdout = False
    logs = loadgen.LogSettings()
    logs.log_output = output
    logs.enable_trace = keeps_latencies
    return logs


def _do_nothing(*_: object) -> None:
    """There is nothing to flush, and no sample to load."""
