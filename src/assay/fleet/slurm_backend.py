"""A fleet on Slurm, through submitit: each attempt is a job of the queue. Where no queue is, jobs are processes here.

Slurm decides on which host a job runs, so what the scheduler sees are places at the queue, ``parallel`` of them. May
import: core, fleet; submitit inside functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.fleet.backend import Said
from assay.fleet.ray_backend import read_ended
from assay.fleet.values import Ended, Node, Order, Outcome

LOCAL = "local"
"""``slurm:local``: submitit's executor of processes on this machine, to try things out."""
_POLL_S = 0.2
_MANY_DEVICES = 1 << 10
_LOST = {"NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "CANCELLED", "REVOKED", "OUT_OF_MEMORY"}
"""States of Slurm in which a job ends through nothing of its own (sacct's manual)."""
_MIB = 1 << 20


class SlurmBackend:
    """An engine of :class:`assay.fleet.backend.Backend`. ``partition`` may be empty, or ``local``."""

    def __init__(
        self, partition: str, write: Callable[[Order], Mapping[str, Any]], *, parallel: int, folder: str
    ) -> None:
        import submitit

        self._write = write
        self._partition = partition
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._executor = submitit.AutoExecutor(folder=folder, cluster=LOCAL if partition == LOCAL else "slurm")
        self._jobs: dict[str, Any] = {}
        self._nodes = tuple(
            Node(f"place-{n}", f"slurm {partition} {n}".replace("  ", " "), kind="cuda", devices=_MANY_DEVICES)
            if partition != LOCAL
            else Node(f"place-{n}", f"local {n}")
            for n in range(1, parallel + 1)
        )

    def nodes(self) -> Sequence[Node]:
        """Return the places; what a job needs is Slurm's to find."""
        return self._nodes

    def submit(self, order: Order) -> None:
        """Queue a job with the resources of its case, and a time limit."""
        from assay.fleet.execute import execute_order

        self._executor.update_parameters(**job_parameters(order, self._partition))
        self._jobs[order.key] = self._executor.submit(execute_order, dict(self._write(order)))

    def wait(self, timeout_s: float) -> Sequence[Said]:
        """Look at the jobs until one has ended."""
        deadline = time.monotonic() + timeout_s
        while True:
            said = [self._collect(key) for key, job in list(self._jobs.items()) if job.done()]
            if said or time.monotonic() >= deadline:
                return said
            time.sleep(_POLL_S)

    def cancel(self, order: Order) -> None:
        """Take a job off the queue, or end it."""
        job = self._jobs.pop(order.key, None)
        if job is not None:
            job.cancel(check=False)

    def close(self) -> None:
        """End what still goes on."""
        for job in self._jobs.values():
            job.cancel(check=False)
        self._jobs.clear()

    def _collect(self, key: str) -> Ended:
        job = self._jobs.pop(key)
        error = job.exception()
        if error is None:
            return read_ended(job.result())
        state = str(job.state).partition(" ")[0].rstrip("+")
        text = f"{state}: {error}".strip().splitlines()[0][:400]
        return Ended(key, outcome_of(state, is_crash=type(error).__name__ == "UncompletedJobError"), error=text)


def outcome_of(state: str, *, is_crash: bool) -> Outcome:
    """Say what a job's end means for its attempt. A job that left no answer at all was lost, whatever took it."""
    if state == "TIMEOUT":
        return Outcome.TIMEOUT
    return Outcome.LOST if state in _LOST or is_crash else Outcome.FAILED


def job_parameters(order: Order, partition: str) -> dict[str, Any]:
    """Return what Slurm is asked for, in submitit's words. A case on the CPU has its node for itself."""
    case, wanted = order.case, order.case.resources
    minutes = max(1, round(case.limit_s / 60 + 0.5))
    found: dict[str, Any] = {"timeout_min": minutes, "name": "assay-fleet", "nodes": 1, "tasks_per_node": 1}
    if partition == LOCAL:
        return found
    if partition:
        found["slurm_partition"] = partition
    if wanted.owns_node:
        found["slurm_exclusive"] = True
    else:
        found["gpus_per_node"] = wanted.count
        if wanted.accelerator is not None:
            found["slurm_constraint"] = wanted.accelerator
    if wanted.memory_bytes is not None:
        found["slurm_mem"] = f"{-(-wanted.memory_bytes // _MIB)}M"
    return found
