"""Models that behave, and models that do everything a model should not: each a factory ``plain_models:name``."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

Made = tuple[Callable[..., Any], tuple[Any, ...]]


def good(batch: int = 1) -> Made:
    return time.sleep, (0.001 * batch,)


def slow(batch: int = 1) -> Made:
    return time.sleep, (0.2 * batch,)


def chatty(batch: int = 1) -> Made:
    def call(seconds: float) -> None:
        print("a line of the model's own")  # noqa: T201
        os.write(1, b'{"is": "Failed"}\n')
        time.sleep(seconds)

    sys.stdout.write("no newline at the end of this")
    return call, (0.001 * batch,)


def raises() -> Made:
    raise ValueError("the weights are \x1b[31mmissing\x1b[0m [/x] \udcff\nand a second line")


def raises_later() -> Made:
    def call() -> None:
        raise RuntimeError

    return call, ()


def raises_what_cannot_be_shown() -> Made:
    class EvilError(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    raise EvilError


def leaves_by_sys_exit() -> Made:
    sys.exit(0)


def runs_out_of_memory() -> Made:
    raise MemoryError


def allocates(batch: int = 1) -> Made:
    return len, (bytearray(batch * 10**15),)


def exits() -> Made:
    os._exit(3)


def segfaults() -> Made:
    ctypes.string_at(0)
    raise AssertionError("still here")


def kills_itself() -> Made:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still here")


def hangs() -> Made:
    time.sleep(600)
    raise AssertionError("nobody waited")


def hangs_in_call() -> Made:
    return time.sleep, (600,)


def _write_everywhere(data: bytes) -> None:
    for descriptor in range(256):
        with contextlib.suppress(OSError):
            os.write(descriptor, data)


def writes_rubbish() -> Made:
    _write_everywhere(b"\xff\xfe rubbish \x00\n")
    return hangs()


def writes_deep_rubbish() -> Made:
    _write_everywhere(b"[" * 30_000 + b"\n")
    return hangs()


def writes_odd_json() -> Made:
    _write_everywhere(b'{"is": ["PhaseBegan"], "phase": {}}\n')
    return hangs()


def floods_stderr() -> Made:
    line = b"x" * 999 + b"\n"
    for _ in range(50_000):
        os.write(2, line)
    return good()


def leaves_a_grandchild() -> Made:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return good()


def leaves_a_grandchild_and_exits() -> Made:
    if os.fork() == 0:  # a fork keeps the pipe to the supervisor open
        time.sleep(600)
    os._exit(3)


def leaves_a_daemon_and_exits() -> Made:
    """The daemon leaves the process group, so that nobody can know it for the model's."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    os._exit(3)


def says_its_threads() -> Made:
    raise ValueError(f"threads {os.environ['OMP_NUM_THREADS']}, hash seed {os.environ['PYTHONHASHSEED']}")


def without_batch() -> Made:
    return good()


def returns_too_little() -> Any:
    return len
