"""What a process that ended without a result left behind: its last line of standard error, and what killed it.

May import: core, runner.protocol.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import IO

from assay.core.words import Status
from assay.runner.protocol import Failed, make_printable

_LONGEST = 400
_TAIL_BYTES = 4000


def last_words(stderr: IO[bytes]) -> str:
    """Return the last line of what was written, as the end of a sentence; of a crash its first; empty for none."""
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - _TAIL_BYTES))
    return words_of(stderr.read())


def words_of(tail: bytes) -> str:
    """``last_words`` of what was written last."""
    lines = [line.strip() for line in tail.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return ""
    # faulthandler's dump names the crash in its first line ("Fatal Python error: ..."); a traceback in its last.
    fatal = next((line for line in lines if line.startswith("Fatal Python error")), lines[-1])
    return f"; its last words: {make_printable(fatal)[:_LONGEST]}"


def explain_exit(code: int, phase: str, stderr: IO[bytes]) -> Failed:
    """Say how a worker ended that gave no result: by which signal, or with which exit code."""
    words = last_words(stderr)
    if code < 0:
        known = {member.value: member.name for member in signal.Signals}
        name = known.get(-code, f"signal {-code}")
        return Failed(Status.FAILED, f"the worker was killed by {name} in {phase}{words}", phase)
    return Failed(Status.FAILED, f"the worker ended in {phase} with exit code {code} and no result{words}", phase)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and every process it started, where the platform has groups of processes."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
