"""What every process that the supervisor starts has in common: its pipe, its end, and how it says what went wrong.

May import: core, runner.program, runner.protocol.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import sys
import traceback
from collections.abc import Callable

from assay.core.errors import AssayError, UnsupportedError
from assay.core.words import Status
from assay.runner.program import PARENT
from assay.runner.protocol import Failed, Message, PhaseBegan, encode, make_printable

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_LONGEST_REASON = 2000


class Speaker:
    """The pipe to the supervisor, and the phase we are in, for failure reports."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.phase = "start"

    def say(self, message: Message) -> None:
        """Send one message, whole."""
        data = encode(message)
        while data:
            data = data[os.write(self._descriptor, data) :]

    def begin(self, phase: str) -> None:
        """Enter a phase, and say so."""
        self.phase = phase
        self.say(PhaseBegan(phase))


def become_child() -> Speaker:
    """Set this process up as one of the supervisor's, and return its pipe.

    Whatever a model prints must not reach the supervisor as a message: standard output becomes standard error.
    """
    descriptor = os.dup(1)
    os.dup2(2, 1)
    faulthandler.enable()
    die_with_parent()
    volunteer_for_the_oom_killer()
    return Speaker(descriptor)


def describe_failure(
    error: BaseException, phase: str, *, is_out_of_memory: Callable[[BaseException], bool] = lambda _error: False
) -> Failed:
    """Turn whatever was raised into a status and a reason that a person can act on."""
    words = _first_line(error)
    if isinstance(error, UnsupportedError):
        return Failed(Status.UNSUPPORTED, words, phase)
    if isinstance(error, MemoryError) or is_out_of_memory(error):
        return Failed(Status.OOM, f"out of memory in {phase}{words and ': '}{words}", phase)
    if isinstance(error, AssayError):
        return Failed(Status.FAILED, words, phase)
    return Failed(Status.FAILED, f"{type(error).__name__} in {phase}{words and ': '}{words}{_place(error)}", phase)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return make_printable(lines[0])[:_LONGEST_REASON] if lines else ""


def _place(error: BaseException) -> str:
    """Where it was raised, for a person whose own code it may be: `` (model.py:12)``."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({make_printable(os.path.basename(frames[-1].filename))}:{frames[-1].lineno})" if frames else ""  # noqa: PTH119


def die_with_parent() -> None:
    """Ask Linux to kill this process when its supervisor dies, however it dies; where it has died already, die now.

    Python takes a while to come this far, and of a parent that is lost in that time the kernel would never tell.
    """
    parent = os.environ.pop(PARENT, None)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
        if parent is not None and parent != str(os.getppid()):
            os.kill(os.getpid(), _SIGKILL)


def volunteer_for_the_oom_killer() -> None:
    """Have the kernel take the worker, and nobody else's process, when memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write("1000")
