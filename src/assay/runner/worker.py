"""The worker: one fresh process that times one case and says what it read.

Started as ``python -m assay.runner.worker`` by ``supervise``. Order matters here: what is imported before the
memory baseline is not charged to the model, and what is timed apart is imported apart. May import: core, engines,
workloads, probes, stats.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from assay.core.errors import AssayError, UnsupportedError
from assay.core.words import Status
from assay.runner.protocol import Failed, Job, Measured, Message, PhaseBegan, SamplesSoFar, encode, make_printable

if TYPE_CHECKING:
    from assay.core.registry import Registry
    from assay.engines.base import Engine, Session
    from assay.runner.measure import Progress
    from assay.workloads.base import Workload

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_REPORT_EVERY_NS = 500_000_000
_MEMORY_PASS_CALLS = 3
_LONGEST_REASON = 2000


class _Speaker:
    """The pipe to the supervisor, and the phase we are in, for failure reports."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.phase = "start"

    def say(self, message: Message) -> None:
        data = encode(message)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def begin(self, phase: str) -> None:
        self.phase = phase
        self.say(PhaseBegan(phase))


def main() -> None:
    """Read one job from standard input, do it, say the outcome, exit 0 (also where the case failed)."""
    hello_ns = time.perf_counter_ns()
    # Whatever a model prints must not reach the supervisor as a message: stdout becomes stderr.
    descriptor = os.dup(1)
    os.dup2(2, 1)
    faulthandler.enable()
    die_with_parent()
    volunteer_for_the_oom_killer()
    speaker = _Speaker(descriptor)
    job = Job.from_line(sys.stdin.readline())
    try:
        speaker.say(run_job(job, speaker, hello_ns))
    except BaseException as error:  # noqa: BLE001  (a model may raise anything; all of it is a result)
        speaker.say(describe_failure(error, job, speaker.phase))


def run_job(job: Job, speaker: _Speaker, hello_ns: int) -> Measured:
    """All of METHOD 2 and the memory pass of METHOD 3."""
    from assay.engines.base import engines
    from assay.probes.memory import rss_bytes
    from assay.workloads.resolve import resolve_workload

    clock = time.perf_counter_ns
    costs = {"spawn": hello_ns - job.spawned_ns}
    speaker.begin("import")
    engine = engines.get(job.case.engine)
    workload = resolve_workload(job.case.workload)
    costs["import"] = _timed(lambda: engine.import_libraries(workload), clock)
    # Ours, before the baseline: neither charged to the model, nor looked for once its folder is on the path.
    import assay.probes.noise
    import assay.runner.measure  # noqa: F401

    speaker.begin("load")
    memory: dict[str, int] = {}
    _keep_known(memory, "baseline", rss_bytes(), 0)
    session, costs["load"] = _load(engine, workload, job, memory, clock)
    try:
        return _measure(session, job, speaker, costs, memory)
    finally:
        session.unload()


def _load(
    engine: Engine, workload: Workload, job: Job, memory: dict[str, int], clock: Callable[[], int]
) -> tuple[Session, int]:
    from assay.engines.base import LoadRequest
    from assay.probes.memory import peak_rss_bytes, reset_peak_rss

    request = LoadRequest(
        workload=workload,
        device=job.case.device,
        precision=job.case.precision,
        batch=job.case.batch,
        shape=job.shape,
        threads=job.threads,
        seed=job.seed,
    )
    peak_is_fresh = reset_peak_rss()
    begin = clock()
    session = engine.load(request)
    if session.synchronize is not None:
        session.synchronize()
    duration = clock() - begin
    if peak_is_fresh:
        _keep_known(memory, "load_peak", peak_rss_bytes(), memory.get("baseline"))
    return session, duration


def _measure(session: Session, job: Job, speaker: _Speaker, costs: dict[str, int], memory: dict[str, int]) -> Measured:
    from assay.probes.noise import measure_noise, take_snapshot
    from assay.runner.measure import take_samples, time_call, warm_up

    speaker.begin("first_infer")
    costs["first_infer"] = time_call(session)
    speaker.begin("warmup")
    warm = warm_up(session, job.timing)
    costs["warmup"] = warm.wall_ns

    speaker.begin("measure")
    before = take_snapshot()
    timed = take_samples(session, job.timing, call_ns=warm.last_call_ns, report=_throttled_report(speaker))
    after = take_snapshot()
    witnesses = measure_noise(
        before, after, samples=len(timed.values), threads=session.threads, cpus=os.cpu_count() or 1
    )
    costs["measure"] = timed.wall_ns

    speaker.begin("memory")
    _memory_pass(session, memory)
    return Measured(
        values=timed.values,
        device_values=timed.device_values,
        calls_per_sample=timed.calls_per_sample,
        stop_reason=timed.stop_reason,
        median_ns=timed.median_call_ns,
        warmup_calls=warm.calls,
        warmup_converged=warm.converged,
        costs_ns=costs,
        memory_bytes=memory,
        witnesses=witnesses,
        effective_precision=session.effective_precision,
        threads=session.threads,
        hardware=session.hardware,
        parameters=session.parameters,
        facts=session.facts,
    )


def _memory_pass(session: Session, memory: dict[str, int]) -> None:
    """A pass of its own, so that resetting and reading counters never sits between timed calls."""
    from assay.probes.memory import peak_rss_bytes, reset_peak_rss
    from assay.runner.measure import time_call

    if session.reset_device_memory is not None:
        session.reset_device_memory()
    # Where the kernel cannot reset its peak, what can be read is the peak since the process began: another thing.
    name = "peak" if reset_peak_rss() else "peak_since_start"
    for _ in range(_MEMORY_PASS_CALLS):
        time_call(session)
    _keep_known(memory, name, peak_rss_bytes(), memory.get("baseline"))
    if session.device_memory is not None:
        memory.update({f"device_{key}": value for key, value in session.device_memory().items()})


def _keep_known(memory: dict[str, int], name: str, value: int | None, baseline: int | None) -> None:
    """Keep ``value`` net of ``baseline``; what is not known gets no entry."""
    if value is not None and baseline is not None:
        memory[name] = value - baseline


def _throttled_report(speaker: _Speaker) -> Callable[[Progress], None]:
    last_ns = 0

    def report(progress: Progress) -> None:
        nonlocal last_ns
        now = time.perf_counter_ns()
        if now - last_ns >= _REPORT_EVERY_NS:
            last_ns = now
            speaker.say(SamplesSoFar(progress.samples, progress.median_call_ns, progress.half_width))

    return report


def describe_failure(error: BaseException, job: Job, phase: str) -> Failed:
    """Turn whatever was raised into a status and a reason that a person can act on."""
    from assay.engines.base import engines

    words = _first_line(error)
    if isinstance(error, UnsupportedError):
        return Failed(Status.UNSUPPORTED, words, phase)
    if isinstance(error, MemoryError) or _is_out_of_memory(engines, job.case.engine, error):
        return Failed(Status.OOM, f"out of memory in {phase}{words and ': '}{words}", phase)
    if isinstance(error, AssayError):
        return Failed(Status.FAILED, words, phase)
    return Failed(Status.FAILED, f"{type(error).__name__} in {phase}{words and ': '}{words}{_place(error)}", phase)


def _is_out_of_memory(engines: Registry[Engine], name: str, error: BaseException) -> bool:
    try:
        return engines.get(name).is_out_of_memory(error)
    except AssayError:
        return False


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return make_printable(lines[0])[:_LONGEST_REASON] if lines else ""


def _place(error: BaseException) -> str:
    """Where it was raised, for a person whose own code it may be: `` (model.py:12)``."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({make_printable(os.path.basename(frames[-1].filename))}:{frames[-1].lineno})" if frames else ""  # noqa: PTH119


def _timed(action: Callable[[], object], clock: Callable[[], int]) -> int:
    begin = clock()
    action()
    return clock() - begin


def die_with_parent() -> None:
    """Ask Linux to kill this process when its supervisor dies, however it dies."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def volunteer_for_the_oom_killer() -> None:
    """Have the kernel take the worker, and nobody else's process, when memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write("1000")


if __name__ == "__main__":
    main()
