"""Hear at once that a process ends which is not a child of ours, and what ended it.

Linux only (pidfd_open(2)); elsewhere nothing is heard, and the tree is looked at afterwards. May import:
engines.web.happenings.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from assay.engines.web.happenings import ProcessEnded

_EXIT_CODE_FIELD = 49
"""Of /proc/PID/stat, counted from behind the name: proc(5), field 52, readable until the process is reaped."""


class ProcessWatch:
    """A thread that sleeps until one of ``watched`` (kinds by pid) ends. ``close`` ends the thread."""

    def __init__(self, watched: Mapping[int, str], on_end: Callable[[ProcessEnded], None]) -> None:
        self._on_end = on_end
        self._wake_read, self._wake_write = os.pipe()
        self._open: dict[int, tuple[int, str]] = {}
        if sys.platform == "linux":
            for pid, kind in watched.items():
                with contextlib.suppress(OSError):
                    self._open[os.pidfd_open(pid)] = (pid, kind)
        self._thread = threading.Thread(target=self._run, name="assay-browser-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        os.write(self._wake_write, b"\0")
        self._thread.join()
        for descriptor in (self._wake_read, self._wake_write, *self._open):
            os.close(descriptor)

    def _run(self) -> None:
        waiting = {*self._open, self._wake_read}
        while len(waiting) > 1:
            ready = _wait_for(waiting)
            if self._wake_read in ready:
                return
            for descriptor in ready:
                waiting.discard(descriptor)
                pid, kind = self._open[descriptor]
                self._on_end(ProcessEnded(kind, pid, _read_exit_code(pid)))


def _wait_for(descriptors: set[int]) -> list[int]:
    if sys.platform == "win32":
        return []
    poller = select.poll()
    for descriptor in descriptors:
        poller.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poller.poll()]


def _read_exit_code(pid: int) -> int | None:
    """What ended a process that waits to be reaped by its parent; None where the parent was quicker."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        if fields[0] == "Z":
            return os.waitstatus_to_exitcode(int(fields[_EXIT_CODE_FIELD]))
    return None
