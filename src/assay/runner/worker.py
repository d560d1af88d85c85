"""The worker: one fresh process that times one case and says what it read.

Started as ``python -m assay.runner.worker`` by ``supervise``. Order matters here: what is imported before the
memory baseline is not charged to the model, and what is timed apart is imported apart. May import: core, engines,
workloads, probes, stats.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.errors import AssayError
from assay.core.records import MetricValue
from assay.runner.child import Speaker, become_child, describe_failure
from assay.runner.launch_modes import Loaded, Window, import_for_mode, load_for_mode
from assay.runner.protocol import Job, Measured

if TYPE_CHECKING:
    from assay.engines.base import Engine, Session
    from assay.probes.noise import NoiseSnapshot
    from assay.runner.launch_modes import Timings
    from assay.workloads.base import Workload


def main() -> None:
    """Read one job from standard input, do it, say the outcome, exit 0 (also where the case failed)."""
    hello_ns = time.perf_counter_ns()
    speaker = become_child()
    job = Job.from_line(sys.stdin.readline())
    try:
        speaker.say(run_job(job, speaker, hello_ns))
    except BaseException as error:  # noqa: BLE001  (a model may raise anything; all of it is a result)
        out_of_memory = functools.partial(is_out_of_memory, job.case.engine)
        speaker.say(describe_failure(error, speaker.phase, is_out_of_memory=out_of_memory))


def run_job(job: Job, speaker: Speaker, hello_ns: int) -> Measured:
    """All of METHOD 2 and the memory pass of METHOD 3."""
    from assay.engines.base import engines
    from assay.engines.distributed_plan import is_distributed
    from assay.probes.memory import rss_bytes
    from assay.workloads.resolve import resolve_workload

    if is_distributed(job.case):
        from assay.runner.distributed import run_distributed

        return run_distributed(job, speaker, hello_ns)
    clock = time.perf_counter_ns
    costs = {"spawn": hello_ns - job.spawned_ns}
    speaker.begin("import")
    engine = engines.get(job.case.engine)
    workload = resolve_workload(job.case.workload)
    costs["import"] = _timed(lambda: import_for_mode(engine, workload, job.case.mode), clock)
    # Ours, before the baseline: neither charged to the model, nor looked for once its folder is on the path.
    import assay.probes.noise
    import assay.runner.preprocess  # noqa: F401
    from assay.runner.passes import keep_known

    speaker.begin("load")
    memory: dict[str, int] = {}
    keep_known(memory, "baseline", rss_bytes(), 0)
    marks = {"load": clock()}
    loaded, load_ns = _load(engine, workload, job, memory, clock)
    session = loaded.session
    # Parts that go on beside each other can add up to more than the whole.
    costs |= {"load": max(0, load_ns - sum(session.costs_ns.values())), **session.costs_ns}
    try:
        measured = _measure(loaded, job, speaker, costs, memory, marks)
    except BaseException:
        with contextlib.suppress(Exception):  # what went wrong first is what is told
            session.unload()
        raise
    speaker.begin("unload")
    return replace(measured, costs_ns={**measured.costs_ns, "unload": _timed(session.unload, clock)})


def _load(
    engine: Engine, workload: Workload, job: Job, memory: dict[str, int], clock: Callable[[], int]
) -> tuple[Loaded, int]:
    from assay.engines.base import LoadRequest
    from assay.probes.memory import peak_rss_bytes, reset_peak_rss
    from assay.runner.passes import keep_known

    request = LoadRequest(
        workload=workload,
        device=job.case.device,
        precision=job.case.precision,
        batch=job.case.batch,
        shape=job.shape,
        threads=job.threads,
        seed=job.seed,
        options=dict(job.case.options),
        artefacts={recipe: Path(folder) for recipe, folder in job.artefacts.items()},
    )
    peak_is_fresh = reset_peak_rss()
    begin = clock()
    loaded = load_for_mode(engine, request, job)
    if loaded.session.synchronize is not None:
        loaded.session.synchronize()
    duration = clock() - begin
    if peak_is_fresh and loaded.session.stopwatch is None:
        keep_known(memory, "load_peak", peak_rss_bytes(), memory.get("baseline"))
    return loaded, duration


def _measure(
    loaded: Loaded,
    job: Job,
    speaker: Speaker,
    costs: dict[str, int],
    memory: dict[str, int],
    marks: dict[str, int],
) -> Measured:
    from assay.probes.noise import take_snapshot
    from assay.runner.measure import time_call
    from assay.runner.preprocess import measure_preprocessing

    session = loaded.session
    speaker.begin("first_infer")
    costs["first_infer"] = time_call(session)
    snapshots = []

    def before_measuring() -> None:
        marks["measure_begin"] = time.perf_counter_ns()
        snapshots.append(take_snapshot(_named_processes(session)))

    def after_measuring() -> None:
        if "measure_end" not in marks:
            snapshots.append(take_snapshot(_named_processes(session)))
            marks["measure_end"] = time.perf_counter_ns()

    timed = loaded.time(job, speaker, Window(before_measuring, after_measuring))
    after_measuring()
    witnesses, cpu_time = _read_accounts(session, snapshots, timed)
    costs |= {"warmup": timed.warmup_ns, "measure": timed.wall_ns}
    preprocessing = measure_preprocessing(session, job, speaker, call_ns=timed.median_ns)
    energy, fidelity, fidelity_reason, placement = _later_passes(session, job, speaker, memory, timed.median_ns)
    late = () if session.late_metrics is None else session.late_metrics()
    return Measured(
        values=timed.values,
        device_values=timed.device_values,
        calls_per_sample=timed.calls_per_sample,
        stop_reason=timed.stop_reason,
        median_ns=timed.median_ns,
        warmup_calls=timed.warmup_calls,
        warmup_converged=timed.warmup_converged,
        costs_ns=costs,
        memory_bytes=memory,
        witnesses=witnesses,
        effective_precision=session.effective_precision,
        threads=session.threads,
        hardware=session.hardware,
        parameters=session.parameters,
        facts={**session.facts, **timed.facts, **(session.late_facts() if session.late_facts is not None else {})},
        fidelity=fidelity,
        fidelity_reason=fidelity_reason,
        placement=placement,
        series=timed.series,
        metrics=(*timed.metrics, *cpu_time, *preprocessing, *late),
        marks_ns=marks,
        energy=energy,
    )


def _named_processes(session: Session) -> Sequence[int] | None:
    """The processes that the model runs in, where that is not this one."""
    return None if session.processes is None else session.processes()


def _read_accounts(
    session: Session, snapshots: Sequence[NoiseSnapshot], timed: Timings
) -> tuple[dict[str, float], tuple[MetricValue, ...]]:
    """What the kernel's accounts say of the timed window: the witnesses of noise, and the CPU time of a plain call."""
    from assay.probes.noise import cpu_ns_between, measure_noise

    before, after = snapshots[0], snapshots[-1]
    is_elsewhere = session.stopwatch is not None and not (after.others and after.others.cpu_ns)
    if is_elsewhere:  # on another machine, or where no process of the program is known: ours say nothing of it
        return {"unwatched": 1.0}, ()
    witnesses = measure_noise(before, after, samples=timed.readings, threads=session.threads, cpus=os.cpu_count() or 1)
    calls, spent_ns = len(timed.values) * timed.calls_per_sample, cpu_ns_between(before, after)
    return witnesses, (MetricValue("cpu_time_ns", spent_ns / calls, "ns"),) if calls and spent_ns else ()


def _later_passes(
    session: Session, job: Job, speaker: Speaker, memory: dict[str, int], call_ns: float
) -> tuple[dict[str, int], dict[str, float], str | None, dict[str, int]]:
    """Memory, energy, fidelity and placement, each in a phase of its own."""
    from assay.runner.passes import check_placement, compare_with_reference, read_memory, spend_energy

    speaker.begin("memory")
    read_memory(session, memory)
    energy: dict[str, int] = {}
    if job.energy_load_s is not None:
        speaker.begin("energy")
        energy = spend_energy(session, job.energy_load_s, call_ns)
    fidelity: dict[str, float] = {}
    fidelity_reason = None
    if job.reference is not None:
        speaker.begin("fidelity")
        fidelity, fidelity_reason = compare_with_reference(session, job, job.reference)
    placement: dict[str, int] = {}
    if session.find_placement is not None:
        speaker.begin("placement")
        placement = check_placement(session.find_placement())
    return energy, fidelity, fidelity_reason, placement


def is_out_of_memory(engine: str, error: BaseException) -> bool:
    """Ask the engine of the case; what is broken there has its own message."""
    from assay.engines.base import engines

    try:
        return engines.get(engine).is_out_of_memory(error)
    except AssayError:
        return False


def _timed(action: Callable[[], object], clock: Callable[[], int]) -> int:
    begin = clock()
    action()
    return clock() - begin


if __name__ == "__main__":
    main()
