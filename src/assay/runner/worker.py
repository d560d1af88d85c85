"""The worker: one fresh process that times one case and says what it read.

Started as ``python -m assay.runner.worker`` by ``supervise``. Order matters here: what is imported before the
memory baseline is not charged to the model, and what is timed apart is imported apart. May import: core, engines,
workloads, probes, stats.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.errors import AssayError, EngineError
from assay.core.words import Mode
from assay.runner.child import Speaker, become_child, describe_failure
from assay.runner.launch_modes import Loaded, Window, import_for_mode, load_for_mode
from assay.runner.protocol import Job, Measured

if TYPE_CHECKING:
    from assay.engines.base import Engine, Session
    from assay.workloads.base import Workload

_MEMORY_PASS_CALLS = 3


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
    import assay.runner.measure  # noqa: F401

    speaker.begin("load")
    memory: dict[str, int] = {}
    _keep_known(memory, "baseline", rss_bytes(), 0)
    marks = {"load": clock()}
    loaded, load_ns = _load(engine, workload, job, memory, clock)
    session = loaded.session
    costs |= {"load": load_ns - sum(session.costs_ns.values()), **session.costs_ns}
    try:
        return _measure(loaded, job, speaker, costs, memory, marks)
    finally:
        session.unload()


def _load(
    engine: Engine, workload: Workload, job: Job, memory: dict[str, int], clock: Callable[[], int]
) -> tuple[Loaded, int]:
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
        options=dict(job.case.options),
        artefacts={recipe: Path(folder) for recipe, folder in job.artefacts.items()},
    )
    peak_is_fresh = reset_peak_rss()
    begin = clock()
    loaded = load_for_mode(engine, request, job)
    if loaded.session.synchronize is not None:
        loaded.session.synchronize()
    duration = clock() - begin
    if peak_is_fresh:
        _keep_known(memory, "load_peak", peak_rss_bytes(), memory.get("baseline"))
    return loaded, duration


def _measure(
    loaded: Loaded,
    job: Job,
    speaker: Speaker,
    costs: dict[str, int],
    memory: dict[str, int],
    marks: dict[str, int],
) -> Measured:
    from assay.probes.noise import measure_noise, take_snapshot
    from assay.runner.measure import time_call

    session = loaded.session
    speaker.begin("first_infer")
    costs["first_infer"] = time_call(session)
    snapshots = []

    def before_measuring() -> None:
        marks["measure_begin"] = time.perf_counter_ns()
        snapshots.append(take_snapshot())

    def after_measuring() -> None:
        if "measure_end" not in marks:
            snapshots.append(take_snapshot())
            marks["measure_end"] = time.perf_counter_ns()

    timed = loaded.time(job, speaker, Window(before_measuring, after_measuring))
    after_measuring()
    before, after = snapshots[0], snapshots[-1]
    witnesses = measure_noise(before, after, samples=timed.readings, threads=session.threads, cpus=os.cpu_count() or 1)
    costs |= {"warmup": timed.warmup_ns, "measure": timed.wall_ns}

    speaker.begin("memory")
    _memory_pass(session, memory)
    energy = _energy_pass(session, job, speaker)
    fidelity, fidelity_reason = _compare_with_reference(session, job, speaker)
    placement = _find_placement(session, speaker)
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
        facts={**session.facts, **timed.facts},
        fidelity=fidelity,
        fidelity_reason=fidelity_reason,
        placement=placement,
        series=timed.series,
        metrics=timed.metrics,
        marks_ns=marks,
        energy=energy,
    )


def _energy_pass(session: Session, job: Job, speaker: Speaker) -> dict[str, int]:
    """METHOD 3: be idle, then work, and say when; the supervisor reads the meters meanwhile."""
    if job.energy_load_s is None:
        return {}
    from assay.probes.telemetry.load import run_energy_pass
    from assay.runner.measure import time_call

    speaker.begin("energy")
    return run_energy_pass(lambda: time_call(session), load_s=job.energy_load_s).to_dict()


def _compare_with_reference(session: Session, job: Job, speaker: Speaker) -> tuple[dict[str, float], str | None]:
    """METHOD 4: the numbers of the comparison, or why there are none."""
    if job.reference is None:
        return {}, None
    speaker.begin("fidelity")
    if session.read_outputs is None:
        return {}, f"the outputs of engine {job.case.engine} cannot be read back"
    from assay.artefacts.reference import read_reference
    from assay.runner.generate_summary import compare_tokens
    from assay.stats.fidelity import compare_outputs

    outputs = session.infer()
    if session.synchronize is not None:
        session.synchronize()
    try:
        reference, answers = read_reference(Path(job.reference)), session.read_outputs(outputs)
        if job.case.mode is Mode.GENERATION:
            agreement = compare_tokens(answers[0], reference[0])
            return {"token_agreement": agreement.share, "tokens_before_difference": float(agreement.before)}, None
        compared = compare_outputs(reference, answers)
    except (ValueError, OSError) as error:
        return {}, f"cannot be compared: {error}"
    return compared.to_dict(), None


def _find_placement(session: Session, speaker: Speaker) -> dict[str, int]:
    """Ask the runtime what ran where. Raises EngineError where nothing ran on what was asked for."""
    if session.find_placement is None:
        return {}
    speaker.begin("placement")
    placement = session.find_placement()
    if placement.fallback is not None:
        raise EngineError(f"silent fallback: {placement.fallback}")
    return dict(placement.nodes)


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
