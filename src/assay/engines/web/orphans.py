"""Processes of a browser whose parent has ended: found and reaped, so that none is left, not even as a zombie.

A browser's helpers outlive their parents for a moment and then belong to the first process of the machine, which in a
container often reaps nobody: after a thousand launches it would be full. On Linux this process takes them over instead,
for as long as a browser of ours is open. Source: prctl(2), PR_SET_CHILD_SUBREAPER. May import: standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_PATIENCE_S = 1.0
_STEP_S = 0.005
_START_FIELD = 19
"""Of /proc/PID/stat, counted from behind the name: proc(5), field 22, in ticks since the machine started."""

_lock = threading.Lock()
_open_count = 0
_was_reaper = False
_own_children: set[int] = set()
"""Browsers that this process has started itself: `subprocess` waits for those."""


class Orphans:
    """Takes over what one browser leaves behind. ``mark`` stands in its processes' environment or command line."""

    def __init__(self, mark: str) -> None:
        self._mark = mark.encode()
        self._browser: int | None = None
        self._since = 0
        self._names: set[str] = set()
        _count(1)

    def protect(self, browser: int) -> None:
        """Name the browser's own process, which is not to be reaped here."""
        self._browser = browser
        self._since = _read_start(browser) or 0
        _own_children.add(browser)

    def find(self) -> tuple[int, ...]:
        """Return helpers that left the browser's tree and became ours, such as handlers of crashes."""
        found = tuple(pid for pid in _children() if pid not in _own_children and self._is_marked(pid))
        self._names |= {name for pid in found if (name := _read_name(pid))}
        return found

    def reap(self, pids: Iterable[int]) -> None:
        """Reap those of ``pids`` that became ours, and what started and ended between two looks at the tree.

        They have been killed or have ended. One that nobody saw alive is known by a name that others of the browser
        had, and by its later start.
        """
        if not sys.platform.startswith("linux"):
            return
        waiting = set(pids) - _own_children
        deadline = time.monotonic() + _PATIENCE_S
        while waiting:
            # One whose parent is still ending is not ours yet; one that is nobody's is gone.
            waiting = {pid for pid in waiting if not _is_reaped(pid) and Path(f"/proc/{pid}").exists()}
            if not waiting or time.monotonic() > deadline:
                break
            time.sleep(_STEP_S)
        for pid in _children():
            if pid not in _own_children and _read_name(pid) in self._names and (_read_start(pid) or 0) >= self._since:
                _is_reaped(pid)

    def note_names(self, pids: Iterable[int]) -> None:
        """Keep the names of processes of the browser that run now."""
        self._names |= {name for pid in pids if (name := _read_name(pid))}

    def close(self) -> None:
        """Leave later orphans to whom they belonged before."""
        if self._browser is not None:
            _own_children.discard(self._browser)
        _count(-1)

    def _is_marked(self, pid: int) -> bool:
        return any(self._mark in _read_bytes(pid, file) for file in ("environ", "cmdline"))


def _is_reaped(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return False


def _children() -> list[int]:
    """Children of this process, those that became so included; none where the system does not list them."""
    children: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.scandir("/proc/self/task"):
            with contextlib.suppress(OSError, ValueError):
                children += [int(pid) for pid in Path(task.path, "children").read_text("ascii").split()]
    return children


def _read_name(pid: int) -> str:
    return _read_bytes(pid, "comm").decode(errors="replace").strip()


def _read_start(pid: int) -> int | None:
    fields = _read_bytes(pid, "stat").rpartition(b")")[2].split()
    return int(fields[_START_FIELD]) if len(fields) > _START_FIELD else None


def _read_bytes(pid: int, file: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except OSError:
        return b""


def _count(change: int) -> None:
    """Become the reaper with the first browser, and stop with the last, unless this process was one before."""
    global _open_count, _was_reaper  # noqa: PLW0603  (the kernel keeps one such flag for the process)
    if not sys.platform.startswith("linux"):
        return
    with _lock:
        before, _open_count = _open_count, _open_count + change
        libc = ctypes.CDLL(None)
        if before == 0 and _open_count == 1:
            flag = ctypes.c_int(0)
            libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(flag), 0, 0, 0)
            _was_reaper = bool(flag.value)
            libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        elif _open_count == 0 and not _was_reaper:
            libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
