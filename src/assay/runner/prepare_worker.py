"""The process that makes one artefact: it may import torch, so that the worker that times need not.

Started as ``python -m assay.runner.prepare_worker`` by ``supervise``. May import: core, workloads, artefacts, runner.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from assay.runner.child import Speaker, become_child, describe_failure
from assay.runner.protocol import Prepared, PrepareJob

_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")


def main() -> None:
    """Read one job from standard input, make its artefact, say where it is, exit 0 (also where it failed)."""
    speaker = become_child()
    job = PrepareJob.from_line(sys.stdin.readline())
    try:
        speaker.say(make(job, speaker))
    except BaseException as error:  # noqa: BLE001  (an exporter may raise anything; all of it is a result)
        speaker.say(describe_failure(error, f"{speaker.phase} {job.request.recipe}", is_out_of_memory=is_out_of_memory))
    # Exporters leave threads and pools behind that can hold up or crash the interpreter's end; all is on disk.
    sys.stderr.flush()
    os._exit(0)


def make(job: PrepareJob, speaker: Speaker) -> Prepared:
    """Find the artefact in the cache or make it."""
    from assay.artefacts.cache import make_artefact
    from assay.workloads.resolve import resolve_workload

    speaker.begin("prepare")
    workload = resolve_workload(job.request.workload)
    artefact = make_artefact(job.request, workload, Path(job.root), threads=job.threads)
    return Prepared(artefact.folder.name)


def is_out_of_memory(error: BaseException) -> bool:
    """Recognise a CPU allocator's plain RuntimeError by its words."""
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


if __name__ == "__main__":
    main()
