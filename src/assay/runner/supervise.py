"""Run one launch: spawn a fresh worker, block until it speaks, enforce the limit, and always return an outcome.

The supervisor never polls: it sleeps in a lock until a message arrives or a second has passed (that tick lets a
display count time). Whatever the worker does (crash, hang, print rubbish, be killed), the outcome is a value.
May import: core, runner.last_words, runner.program, runner.protocol.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from assay.core.units import format_elapsed
from assay.core.words import Status
from assay.runner.last_words import explain_exit, kill_group
from assay.runner.program import PARENT, WorkerProgram
from assay.runner.protocol import (
    Failed,
    Job,
    Measured,
    Message,
    PhaseBegan,
    Prepared,
    PrepareJob,
    decode,
)

_TICK_S = 1.0
_LONGEST_LINE = 64 << 20
"""Bytes of one message: a minute of 1 ms samples takes 0.5 MB, and what never ends must not fill our memory."""
_REAP_PATIENCE_S = 5.0
_EXIT_PATIENCE_S = 10.0
_DISTURBING = ("PYTHONINSPECT", "PYTHONPROFILEIMPORTTIME", "PYTHONTRACEMALLOC", "PYTHONMALLOC", "PYTHONDEVMODE",
               "PYTHONASYNCIODEBUG", "PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START")  # fmt: skip
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class LaunchOutcome:
    """What became of one launch."""

    outcome: Measured | Prepared | Failed
    started_at: datetime
    wall_ns: int
    supervisor_cpu_share: float
    """CPU time of the supervising process over the wall time of the launch."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """All that listening gave: the last word, if any, the phase reached, and whether the pipe came to its end."""

    last_word: Measured | Prepared | Failed | None
    phase: str
    pipe_ended: bool = False


def run_launch(
    job: Job | PrepareJob,
    *,
    limit_s: float,
    on_message: Callable[[Message | None], None] = lambda _message: None,
    environ: Mapping[str, str] | None = None,
    program: WorkerProgram = WorkerProgram(),  # noqa: B008  (frozen)
) -> LaunchOutcome:
    """Make one launch, or one artefact. ``on_message`` gets each message, and None about once a second of silence.

    ``program`` is the Python that the worker is, and where it stands. A KeyboardInterrupt kills the worker and goes on
    up.
    """
    started_at = datetime.now(UTC)
    begin_ns, begin_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
    kills_before = _out_of_memory_kills()
    with tempfile.TemporaryFile() as stderr:
        clean = worker_environment(os.environ if environ is None else environ, job.threads)
        try:
            process = _spawn(job, stderr, program, program.environment(clean))
        except OSError as error:
            outcome: Measured | Prepared | Failed = Failed(
                Status.FAILED, f"the worker could not be started: {error}", "start"
            )
        else:
            deadline_ns = begin_ns + round(limit_s * 1e9)
            listen = functools.partial(_listen, process, deadline_ns, on_message)
            outcome = _attend(process, listen, limit_s, stderr, kills_before)
    wall_ns = time.perf_counter_ns() - begin_ns
    share = (time.process_time_ns() - begin_cpu_ns) / wall_ns
    return LaunchOutcome(outcome, started_at, wall_ns, share)


def _attend(
    process: subprocess.Popen[bytes],
    listen: Callable[[], _Heard],
    limit_s: float,
    stderr: IO[bytes],
    kills_before: int | None,
) -> Measured | Prepared | Failed:
    """Stay with a worker until it has had its last word, or has none, and leave no process behind."""
    patience_s = 0.0
    try:
        heard = listen()
        outcome = heard.last_word or _explain_silence(process, heard, limit_s, stderr, kills_before)
        patience_s = 0.0 if isinstance(outcome, Failed) else _EXIT_PATIENCE_S
    finally:
        _end(process, patience_s)
    return outcome


def worker_environment(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """Return the environment of a worker of this process: without what bends timings, the thread count pinned."""
    clean = {name: value for name, value in environ.items() if name not in _DISTURBING}
    clean.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    clean.update(
        PYTHONHASHSEED="0",
        PYTHONUNBUFFERED="1",
        TOKENIZERS_PARALLELISM="false",
        TRANSFORMERS_VERBOSITY="error",
        HF_HUB_DISABLE_TELEMETRY="1",
        **{PARENT: str(os.getpid())},
    )
    return clean


def _spawn(
    job: Job | PrepareJob, stderr: IO[bytes], program: WorkerProgram, environ: dict[str, str]
) -> subprocess.Popen[bytes]:
    module = "assay.runner.worker" if isinstance(job, Job) else "assay.runner.prepare_worker"
    process = subprocess.Popen(
        program.command(module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        cwd=program.folder,
        env=environ,
        start_new_session=True,  # a group of its own, so that whatever the model starts ends with it
    )
    if process.stdin is None:
        raise AssertionError("Popen was asked for a pipe")
    with contextlib.suppress(BrokenPipeError):  # a worker that dies at once is explained by its exit
        process.stdin.write(job.to_line().encode() + b"\n")
        process.stdin.close()
    return process


def _listen(process: subprocess.Popen[bytes], deadline_ns: int, on_message: Callable[[Message | None], None]) -> _Heard:
    """Listen until the last word, the end of the pipe, or the deadline."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_forward_lines, args=(process.stdout, lines), daemon=True).start()
    phase = "start"
    while (left_ns := deadline_ns - time.perf_counter_ns()) > 0:
        try:
            line = lines.get(timeout=min(_TICK_S, left_ns / 1e9))
        except queue.Empty:
            if process.poll() is not None and lines.empty():
                return _Heard(None, phase, pipe_ended=True)  # dead, though its child still holds the pipe open
            on_message(None)
            continue
        if line is None:
            return _Heard(None, phase, pipe_ended=True)
        try:
            message = decode(line)
        except ValueError as error:
            shown = line[:200].decode(errors="replace").strip()
            reason = f"the worker wrote what is no message in {phase} ({error}): {shown!r}"
            return _Heard(Failed(Status.FAILED, reason, phase), phase)
        if isinstance(message, PhaseBegan):
            phase = message.phase
        on_message(message)
        if isinstance(message, (Measured, Prepared, Failed)):
            return _Heard(message, phase)
    return _Heard(None, phase)


def _forward_lines(pipe: IO[bytes] | None, lines: queue.SimpleQueue[bytes | None]) -> None:
    """Read until the pipe ends, and close it.

    Nobody else may: who closes a pipe waits for its reader, and a process that left the worker's group can hold the
    other end for ever.
    """
    if pipe is not None:
        with pipe:
            while line := pipe.readline(_LONGEST_LINE):
                lines.put(line)
    lines.put(None)


def _explain_silence(
    process: subprocess.Popen[bytes], heard: _Heard, limit_s: float, stderr: IO[bytes], kills_before: int | None
) -> Failed:
    """Say why there was no last word: time limit, killed for memory, a signal, or an exit code."""
    phase = heard.phase
    try:
        # The pipe ends a moment before the process can be reaped.
        code = process.wait(timeout=_REAP_PATIENCE_S if heard.pipe_ended else 0)
    except subprocess.TimeoutExpired:
        return Failed(Status.TIMEOUT, f"still in {phase} after the limit of {format_elapsed(limit_s)}; killed", phase)
    if code == -signal.SIGKILL and _was_killed_for_memory(kills_before):
        return Failed(Status.OOM, f"out of memory in {phase}: the kernel killed the worker", phase)
    return explain_exit(code, phase, stderr)


def _end(process: subprocess.Popen[bytes], patience_s: float) -> None:
    """Leave nothing behind: give a worker ``patience_s`` to exit by itself, then kill its whole group."""
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience_s)
    finally:  # also where Ctrl-C ends the wait
        kill_group(process)
        process.wait()


def _out_of_memory_kills() -> int | None:
    """The kernel's count of processes killed for memory, None where it is not told."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return None


def _was_killed_for_memory(before: int | None) -> bool:
    after = _out_of_memory_kills()
    return before is not None and after is not None and after > before
