"""The worker of a case with several ranks: it starts them through torchrun, listens, and always ends them.

The worker itself imports no torch and computes nothing. Ranks, rendezvous and restarts are torchrun's; what is assay's
is that a lost rank becomes a reason, and that none is left behind. On several machines every one runs the same command
and torchrun brings them together (docs/distributed.md). May import: core, engines, runner.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from assay.core.case import Case
from assay.core.errors import EngineError, UnsupportedError, WorkloadError
from assay.core.words import Status
from assay.engines.base import LoadRequest
from assay.engines.distributed_plan import count_nodes, plan_distributed
from assay.engines.training_plan import read_training_options
from assay.runner.child import Speaker
from assay.runner.last_words import words_of
from assay.runner.program import PARENT
from assay.runner.protocol import Failed, Job, Measured, PhaseBegan, SamplesSoFar, decode, make_printable
from assay.runner.rank_agent import FAILURES

_FOLDER = "assay-ranks-"
"""How the folder that worker and ranks share begins; then the worker's process follows."""
JOB, MEASURED = "job.json", "measured.json"
FAILED, PID = "failed-{rank}.json", "pid-{rank}"
"""Files of that folder."""
LEAVE = "leave"
"""What rank 0 says last, as a phase that nobody else hears of."""
_TICK_S = 1.0
_PATIENCE_TO_LEAVE_S = 10.0
_PATIENCE_TO_DIE_S = 5
_LAST_WORDS = 400
_STDERR_TAIL = 4000
_ONLY_STDERR = "2"
_AGENT_POLL_S = "0.1"


def run_distributed(job: Job, speaker: Speaker, hello_ns: int) -> Measured:
    """Start the ranks of a case, wait for them, and return what rank 0 measured.

    Raises EngineError naming the rank that was lost, with its exit code and last words; UnsupportedError and
    MemoryError where a rank says so. ``hello_ns`` is the worker's first moment.
    """
    _refuse_moved_tree()
    _refuse_impossible(job)
    sweep_folders(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / JOB).write_text(replace(job, spawned_ns=hello_ns).to_line(), encoding="utf-8")
        kills_before = count_memory_kills()
        with _started(job, folder) as agent:
            said_all = threading.Event()
            listener = threading.Thread(target=_relay, args=(agent.stdout, speaker, said_all), daemon=True)
            listener.start()
            while not said_all.wait(_TICK_S) and agent.poll() is None:
                pass  # a process that loads data may hold the pipe open though torchrun is gone
            with contextlib.suppress(subprocess.TimeoutExpired):
                agent.wait(_PATIENCE_TO_LEAVE_S)
            # Torchrun may wait five minutes for that of another machine which has left: what is measured is measured.
            went_well = agent.poll() in (0, None) and not [*folder.glob(FAILED.format(rank="*"))]
        if went_well and (folder / MEASURED).exists():
            measured = decode((folder / MEASURED).read_bytes())
            if isinstance(measured, Measured):
                return replace(measured, costs_ns={"spawn": hello_ns - job.spawned_ns, **measured.costs_ns})
        is_for_memory = count_memory_kills() > kills_before
        raise explain_loss(folder, count_ranks(job.case), speaker.phase, is_for_memory=is_for_memory)


def sweep_folders(root: Path) -> None:
    """Remove what workers left that were killed: the process that a folder names is gone."""
    import psutil

    for folder in root.glob(f"{_FOLDER}*-*"):
        owner = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def count_ranks(case: Case) -> int:
    """How many processes train together."""
    return int(dict(case.options).get("ranks", 1))


def torchrun_arguments(job: Job, folder: Path, environ: Mapping[str, str]) -> list[str]:
    """What torchrun is asked for: the local ranks, no restarts, each one's standard error in a file.

    Where the user's launcher says that there are several machines (``PET_NNODES``), torchrun takes the meeting point
    from the user's variables too, and the case is part of its id: two machines that are at different cases do not meet.
    """
    nodes = count_nodes(environ)
    if nodes == 1:
        meeting = ["--standalone"]
    else:
        meeting = [f"--rdzv-id={environ.get('PET_RDZV_ID', 'assay')}-{job.case.case_id}"]
    return [
        *meeting,
        f"--nproc-per-node={count_ranks(job.case) // nodes}",
        "--max-restarts=0",
        f"--monitor-interval={_AGENT_POLL_S}",
        f"--log-dir={folder / 'logs'}",
        f"--redirects={_ONLY_STDERR}",
        "--no-python",
        sys.executable, "-P", "-m", "assay.runner.rank", str(folder),
    ]  # fmt: skip


def rank_threads(job: Job, local_ranks: int) -> int:
    """CPU threads of one rank: as many as the case asks for, else an even share of the worker's."""
    if "threads" in dict(job.case.options):
        return job.threads
    return max(1, job.threads // local_ranks)


@contextlib.contextmanager
def _started(job: Job, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Torchrun and its ranks, of which none lives on behind this context."""
    threads = str(rank_threads(job, count_ranks(job.case) // count_nodes()))
    environ = {
        **os.environ,
        **{name: threads for name in os.environ if name.endswith("_NUM_THREADS")},
        "OMP_NUM_THREADS": threads,
        PARENT: str(os.getpid()),
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(_PATIENCE_TO_DIE_S),
    }
    command = [sys.executable, "-P", "-m", "assay.runner.rank_agent", str(folder)]
    agent = subprocess.Popen(
        [*command, *torchrun_arguments(job, folder, os.environ)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environ,
    )
    try:
        yield agent
    finally:
        # The kernel ends the ranks with torchrun, and the worker's group ends torchrun (`become_child`, supervise).
        if agent.poll() is None:
            agent.kill()
        agent.wait()
        for file in folder.glob(PID.format(rank="*")):
            _end_session(file)


def _end_session(file: Path) -> None:
    """End what is left of one rank: torchrun gives each a session of its own, with the processes that load its data."""
    with contextlib.suppress(OSError, ValueError):
        group = int(file.read_text(encoding="ascii"))
        if hasattr(os, "killpg"):
            os.killpg(group, signal.SIGKILL)


def _relay(pipe: IO[bytes] | None, speaker: Speaker, said_all: threading.Event) -> None:
    """Pass on what rank 0 says of its progress; whatever else is printed there is no message.

    ``said_all`` is set when it leaves, having written all down, and at the end of the pipe.
    """
    try:
        for line in pipe or ():
            try:
                message = decode(line)
            except ValueError:
                continue
            if isinstance(message, PhaseBegan) and message.phase == LEAVE:
                said_all.set()
            elif isinstance(message, PhaseBegan):
                speaker.begin(message.phase)
            elif isinstance(message, SamplesSoFar):
                speaker.say(message)
    finally:
        said_all.set()
        if pipe is not None:
            pipe.close()


# -- what went wrong -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lost:
    """One rank that ended without a result, and what it said itself, if it could."""

    rank: int
    exit_code: int | None
    said: Failed | None = None
    said_at_ns: int = 0

    @property
    def order(self) -> tuple[int, int, int]:
        """Who is to blame: who was killed, then who said so first, then who ended; torchrun's own SIGTERM comes last.

        When one rank dies the others lose their connection to it within milliseconds and say that, which is no cause.
        """
        if self.said is not None:
            return (1, self.said_at_ns, self.rank)
        if self.exit_code == -signal.SIGTERM:
            return (3, 0, self.rank)
        return (0 if (self.exit_code or 0) < 0 else 2, 0, self.rank)


def explain_loss(folder: Path, ranks: int, phase: str, *, is_for_memory: bool) -> Exception:
    """Return the error that names the first rank that was lost, and why."""
    lost, words = _read_losses(folder)
    if not lost:
        return EngineError(f"torchrun ended in {phase} without a result{f': {words}' if words else ''}.")
    first = min(lost, key=lambda one: one.order)
    name = f"rank {first.rank} of {ranks}"
    if first.said is not None:
        reason = f"{name}: {first.said.reason}"
        kinds: dict[Status, type[Exception]] = {Status.UNSUPPORTED: UnsupportedError, Status.OOM: MemoryError}
        return kinds.get(first.said.status, EngineError)(reason)
    last_words = _last_words(folder, first.rank)
    code = first.exit_code or 0
    if code == -signal.SIGKILL and is_for_memory:
        return MemoryError(f"the kernel killed {name}")
    if code < 0:
        known = {member.value: member.name for member in signal.Signals}
        return EngineError(f"{name} was killed by {known.get(-code, f'signal {-code}')} in {phase}{last_words}")
    return EngineError(f"{name} ended in {phase} with exit code {code} and no result{last_words}")


def _read_losses(folder: Path) -> tuple[list[_Lost], str]:
    codes: dict[int, int] = {}
    words = ""
    with contextlib.suppress(OSError):
        content = json.loads((folder / FAILURES).read_text(encoding="utf-8"))
        codes = {int(rank): int(code) for rank, _, code in content["ranks"]}
        words = make_printable(str(content["words"]))[:_LAST_WORDS]
    said: dict[int, tuple[Failed, int]] = {}
    for file in folder.glob(FAILED.format(rank="*")):
        message = decode(file.read_bytes())
        if isinstance(message, Failed):
            said[int(file.stem.partition("-")[2])] = (message, file.stat().st_mtime_ns)
    lost = [
        _Lost(rank, codes.get(rank), *said.get(rank, (None, 0)))
        for rank in sorted({*codes, *said})
    ]  # fmt: skip
    return lost, words


def _last_words(folder: Path, rank: int) -> str:
    """The last line that a rank wrote to its standard error, or the first of a crash."""
    for file in folder.glob(f"logs/*/attempt_*/{rank}/stderr.log"):
        if said := words_of(file.read_bytes()[-_STDERR_TAIL:]):
            return said
    return ""


def count_memory_kills(file: Path = Path("/proc/vmstat")) -> int:
    """The kernel's count of processes killed for memory; 0 where it is not told, so that it never rises."""
    with contextlib.suppress(OSError):
        for line in file.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0


def write_whole(file: Path, content: bytes) -> None:
    """Write a file that nobody sees half of."""
    part = file.with_name(f"{file.name}.{os.getpid()}.{time.monotonic_ns()}")
    part.write_bytes(content)
    part.replace(file)


def _refuse_impossible(job: Job) -> None:
    """Refuse once more what the planner did, since a job may come from elsewhere. Raises UnsupportedError."""
    from assay.workloads.resolve import resolve_workload

    case = job.case
    request = LoadRequest(
        workload=resolve_workload(case.workload),
        device=case.device,
        precision=case.precision,
        batch=case.batch,
        shape=job.shape,
        threads=job.threads,
        seed=job.seed,
        options=dict(case.options),
    )
    plan_distributed(case.engine, request, read_training_options(request.options))


def _refuse_moved_tree() -> None:
    """Ranks import the tree as it is, so a trial of another commit would measure this one. Raises WorkloadError."""
    if any(type(finder).__name__ == "TreeFinder" for finder in sys.meta_path):
        raise WorkloadError(
            "Ranks cannot train a model of the user's own at another commit: they would import it as it is now.",
            hint="Check that commit out and run there.",
        )
