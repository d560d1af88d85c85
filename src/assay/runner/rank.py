"""One rank of a training on several: it joins the others, makes the same steps as they, and rank 0 says what was read.

Started by torchrun as ``python -m assay.runner.rank FOLDER``, where FOLDER holds the job. The first rank of a machine
speaks for it. May import: core, engines, workloads, probes, stats, runner; torch inside functions.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path

from assay.runner.child import Speaker, become_child, describe_failure
from assay.runner.distributed import FAILED, JOB, LEAVE, MEASURED, PID, rank_threads, write_whole
from assay.runner.protocol import Job, Measured, encode
from assay.runner.rank_group import Seat, TorchGroup

_KEPT: list[object] = []
"""What is never freed. The last reference to a process group joins the threads of its backend, and when the other rank
has left already, gloo's may wait for it for ever (one launch in sixteen, PyTorch 2.13): the process ends without that.
"""
_MEMORY_ERROR_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


def main() -> None:
    """Do this rank's share of one job; exit 1 where it failed, having said why in a file."""
    hello_ns = time.perf_counter_ns()
    folder, seat = Path(sys.argv[1]), Seat.from_environment()
    write_whole(folder / PID.format(rank=seat.rank), str(os.getpid()).encode())
    speaker = become_child()
    if seat.local_rank:
        speaker = Speaker(os.open(os.devnull, os.O_WRONLY))
    job = Job.from_line((folder / JOB).read_text(encoding="utf-8"))
    try:
        measured = train_together(job, seat, speaker, hello_ns)
    except BaseException as error:  # noqa: BLE001  (a model may raise anything; all of it is a result)
        failed = describe_failure(error, speaker.phase, is_out_of_memory=is_out_of_memory)
        write_whole(folder / FAILED.format(rank=seat.rank), encode(failed))
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    if seat.local_rank == 0:
        write_whole(folder / MEASURED, encode(measured))
        speaker.begin(LEAVE)
    sys.stderr.flush()
    # Threads of backends can hold up or crash the interpreter's end; all that is wanted is on disk.
    os._exit(0)


def is_out_of_memory(error: BaseException) -> bool:
    """Recognise torch's errors by class and words."""
    if type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY_ERROR_WORDS)


def train_together(job: Job, seat: Seat, speaker: Speaker, hello_ns: int) -> Measured:
    """Join the group, load, make every pass, and gather what all ranks read. Raises EngineError, WorkloadError."""
    from assay.engines.base import LoadRequest, engines
    from assay.engines.parallel import Place
    from assay.engines.torch_device import find_device, make_current
    from assay.engines.training_plan import read_training_options
    from assay.probes.memory import rss_bytes
    from assay.runner.launch_modes import import_for_mode
    from assay.workloads.resolve import resolve_workload

    clock = time.perf_counter_ns
    costs = {"start_ranks": hello_ns - job.spawned_ns}
    speaker.begin("import")
    began = clock()
    engine, workload = engines.get(job.case.engine), resolve_workload(job.case.workload)
    import_for_mode(engine, workload, job.case.mode)
    import torch

    from assay.runner.rank_passes import Setting, load_ready, make_passes
    from assay.runner.rank_result import sum_up

    costs["import"] = clock() - began
    threads = rank_threads(job, seat.local_ranks)
    torch.set_num_threads(threads)
    device = find_device(seat.device(job.case.device))
    make_current(device)
    speaker.begin("join")
    began = clock()
    group = TorchGroup(seat, device)
    costs["join"] = clock() - began
    request = LoadRequest(
        workload=workload,
        device=seat.device(job.case.device),
        precision=job.case.precision,
        batch=job.case.batch,
        shape=job.shape,
        threads=threads,
        seed=job.seed,
        options=dict(job.case.options),
    )
    place = Place(seat.rank, seat.ranks, device, workload.family.name)
    setting = Setting(job, seat, group, place, request, speaker)
    asked = read_training_options(request.options)
    memory: dict[str, int] = {}
    baseline = rss_bytes()
    if baseline is not None:
        memory["baseline"] = baseline
    ready = load_ready(setting, asked.strategy, overlap=asked.overlap, memory=memory)
    costs |= {"load": ready.load_ns, "first_infer": ready.first_ns}
    _KEPT.append(ready)
    try:
        passes = make_passes(setting, ready, memory)
        return sum_up(setting, ready, passes, costs)
    finally:
        ready.training.session.unload()
        group.leave()


if __name__ == "__main__":
    main()
