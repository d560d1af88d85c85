"""A browser as a tree of processes: started, watched, read and ended.

The browser stays in the worker's process group, which the supervisor kills as a whole, so that nothing outlives a
worker that is killed itself. May import: core, probes, engines.web; psutil inside functions.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from assay.core.errors import EngineError
from assay.engines.web.browsers import FoundBrowser, LaunchFlags, build_command, build_environment, runs_headless
from assay.engines.web.happenings import ProcessEnded
from assay.engines.web.orphans import Orphans
from assay.engines.web.process_watch import ProcessWatch
from assay.engines.web.profile import Profile
from assay.probes.processes import cpu_ns, resident_bytes

if TYPE_CHECKING:
    import psutil

CLOSE_PATIENCE_S = 3.0
_KILL_PATIENCE_S = 5.0
_STEP_S = 0.01
_LAST_WORDS = 400
_TELLING = re.compile(
    r"FATAL|No usable sandbox|open display|Missing X server|shared librar|already running|[Oo]ut of memory", re.ASCII
)
_CHATTER = re.compile(r"Crash Annotation|:(WARNING|INFO|VERBOSE\d):|dbus|\[GFX1|unexpected operator", re.ASCII)
"""What browsers without a screen write however well they are."""
_GECKO_KINDS = {"tab": "renderer", "gpu": "gpu"}
_KINDS = {"gpu-process": "gpu", "renderer": "renderer", "utility": "utility"}


class BrowserProcess:
    """One browser on one page. ``on_end`` hears, in threads of this class, of the processes that end.

    ``spawned_ns`` is when it was started, by ``perf_counter_ns``. Raises EngineError where it cannot be started.
    """

    def __init__(
        self,
        found: FoundBrowser,
        url: str,
        profile: Profile,
        flags: LaunchFlags = LaunchFlags(),  # noqa: B008  (frozen)
        on_end: Callable[[ProcessEnded], None] = lambda _ended: None,
    ) -> None:
        self.found = found
        self.is_headless = runs_headless(flags)
        self._profile, self._on_end = profile, on_end
        self._seen: dict[int, psutil.Process] = {}
        self._kinds: dict[int, str] = {}
        self._watch: ProcessWatch | None = None
        self._is_closed = False
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (open for as long as the browser is)
        command = build_command(found, url, profile.folder, flags)
        self._orphans = Orphans(str(profile.folder))
        self.spawned_ns = time.perf_counter_ns()
        try:
            self._popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=build_environment(found, profile.folder),
            )
        except OSError as error:
            self._orphans.close()
            self._log.close()
            profile.release()
            raise EngineError(
                f"{found.browser.title} ({found.executable}) could not be started: {error}.",
                hint=found.browser.install_hint,
            ) from error
        self._orphans.protect(self._popen.pid)
        self._remember((self._popen.pid,))
        threading.Thread(target=self._wait, name="assay-browser-wait", daemon=True).start()

    @property
    def pid(self) -> int:
        """The browser's own process."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code of the browser's own process, a negative one the signal that killed it; None while it runs."""
        return self._popen.poll()

    def pids(self) -> tuple[int, ...]:
        """Every process of the browser that runs now, its own first."""
        found = _descend(self._popen.pid)
        self._remember(found)
        return found

    def kinds(self) -> Mapping[int, str]:
        """What each running process is for: ``browser``, ``renderer``, ``gpu``, ``utility`` or ``other``."""
        for pid in (running := self.pids()):
            if pid not in self._kinds and (kind := _read_kind(pid)) is not None:
                self._kinds[pid] = "browser" if pid == self._popen.pid else kind
        return {pid: self._kinds[pid] for pid in running if pid in self._kinds}

    def resident_bytes(self) -> dict[str, int]:
        """Resident bytes by kind of process; pages that processes share are counted in each."""
        sums: dict[str, int] = {}
        for pid, kind in self.kinds().items():
            size = resident_bytes(pid)
            if size is not None:
                sums[kind] = sums.get(kind, 0) + size
        return sums

    def cpu_ns(self) -> int:
        """CPU time of every process that runs now, in ns; what ended processes spent is not in it."""
        return sum(spent for pid in self.pids() if (spent := cpu_ns(pid)) is not None)

    def watch(self) -> None:
        """From now on tell ``on_end`` of each renderer and GPU process that ends, where the system lets us wait."""
        if self._watch is None:
            self._remember(self._orphans.find())
            watched = {pid: kind for pid, kind in self.kinds().items() if kind in ("renderer", "gpu")}
            self._watch = ProcessWatch(watched, self._on_end)

    def missing(self) -> tuple[str, ...]:
        """Kinds of the renderers and GPU processes that ran when last looked at and are gone now."""
        before = dict(self._kinds)
        running = set(_descend(self._popen.pid))
        return tuple(kind for pid, kind in before.items() if pid not in running and kind in ("renderer", "gpu"))

    def last_words(self) -> str:
        """The most telling line that the browser wrote, ``""`` where it wrote none."""
        with contextlib.suppress(OSError, ValueError):
            size = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, size - (64 << 10)))
            written = self._log.read().decode(errors="replace")
            lines = [line.strip() for line in written.splitlines() if line.strip()]
            telling = [line for line in lines if _TELLING.search(line)]
            chosen = (telling or [line for line in lines if not _CHATTER.search(line)] or [""])[-1]
            return "".join(letter if letter.isprintable() else "?" for letter in chosen)[:_LAST_WORDS]
        return ""

    def close(self, patience_s: float = CLOSE_PATIENCE_S) -> None:
        """End the browser: ask it, then kill what is left of its tree, then give up its profile. Never raises."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._watch is not None:
            self._watch.close()
        self.pids()
        self._remember(self._orphans.find())
        self._popen.terminate() if patience_s > 0 else None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(patience_s)
        self._remember(self._orphans.find())
        _kill(self._seen.values())
        self._popen.wait()
        self._orphans.reap(self._seen)
        self._orphans.close()
        self._log.close()
        self._profile.release()

    def _wait(self) -> None:
        code = self._popen.wait()
        if not self._is_closed:
            self._on_end(ProcessEnded("browser", self._popen.pid, code))

    def _remember(self, pids: Collection[int]) -> None:
        """Keep each process by its identity, so that a number that was given anew is never killed."""
        import psutil

        for pid in (fresh := [pid for pid in pids if pid not in self._seen]):
            with contextlib.suppress(psutil.Error):
                self._seen[pid] = psutil.Process(pid)
        self._orphans.note_names(fresh)


def describe_exit(code: int | None) -> str:
    """``-11`` -> ``SIGSEGV``, ``3`` -> ``exit code 3``; ``""`` where nothing is known."""
    if code is None:
        return ""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _kill(processes: Collection[psutil.Process]) -> None:
    """Kill all, and wait until they are gone; one that only waits to be reaped is."""
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            if _is_alive(process):
                process.kill()
    deadline = time.monotonic() + _KILL_PATIENCE_S
    while any(_is_alive(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(_STEP_S)


def _is_alive(process: psutil.Process) -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _descend(pid: int) -> tuple[int, ...]:
    """Return a process and all below it; none where it is gone."""
    root = Path(f"/proc/{pid}")
    if not sys.platform.startswith("linux") or not (root / "task" / str(pid) / "children").exists():
        return _descend_slowly(pid)
    found = [pid]
    for one in found:  # grows while it is walked
        with contextlib.suppress(OSError):
            for task in os.scandir(f"/proc/{one}/task"):
                with contextlib.suppress(OSError):
                    found.extend(int(child) for child in Path(task.path, "children").read_text("ascii").split())
    return tuple(found)


def _descend_slowly(pid: int) -> tuple[int, ...]:
    import psutil

    try:
        own = psutil.Process(pid)
        if own.status() == psutil.STATUS_ZOMBIE:
            return ()
        return (pid, *(child.pid for child in own.children(recursive=True)))
    except psutil.Error:
        return ()


def _read_kind(pid: int) -> str | None:
    """What a process is for, by its command line; None where it is gone."""
    import psutil

    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return None
    if "--top-chrome-webui" in words or "--extension-process" in words:
        return "other"  # renderers of the browser's own window
    for word in words:
        if word.startswith("--type="):
            return _KINDS.get(word.removeprefix("--type="), "other")
    if "-contentproc" in words:
        return _GECKO_KINDS.get(words[-1], "utility")
    return "other"
