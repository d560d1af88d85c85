"""Watching runs that go on: one thread for all who look, which sleeps while nobody does.

The thread looks at the sizes of the journals (0.7 s apart) and reads what was appended. Who listens is told that there
is a newer state, and takes the newest: a client that is slow misses states in between and holds nobody up.
May import: core, store.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from assay.core.errors import AssayError
from assay.store.running import JournalFollower, RunningRun, list_journals

INTERVAL_S = 0.7
MOST_LISTENERS = 100


@dataclass(frozen=True, slots=True)
class LiveState:
    """All runs that have a journal, and the ids of those whose journal went away while somebody watched."""

    version: int
    runs: tuple[RunningRun, ...]
    ended: tuple[str, ...]
    problem: str | None = None


class TooManyListenersError(AssayError):
    """More watch than the server serves at once."""


@functools.lru_cache(maxsize=8)
def watch_of(location: str) -> LiveWatch:
    """Return the watch of a store, of which there is one in a process."""
    return LiveWatch(location)


class LiveWatch:
    """The runs of one store, followed for any number of listeners."""

    def __init__(self, location: str, *, interval_s: float = INTERVAL_S) -> None:
        self._location = location
        self._interval_s = interval_s
        self._followers: dict[Path, JournalFollower] = {}
        self._ended: list[str] = []
        self._state = LiveState(0, (), ())
        self._lock = threading.Lock()
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._thread: threading.Thread | None = None
        self._nobody = threading.Event()
        self._is_stopped = False
        self.boot = secrets.token_hex(4)
        """Tells the versions of this server from those of an earlier one."""

    def look(self) -> LiveState:
        """Read what is new and return the state."""
        with self._lock:
            return self._look()

    def stop(self) -> None:
        """End every stream, as the server is about to. May be called from a signal handler."""
        self._is_stopped = True
        self._nobody.set()
        for loop, event in list(self._listeners):
            with contextlib.suppress(RuntimeError):  # that loop is closed
                loop.call_soon_threadsafe(event.set)

    @property
    def listeners(self) -> int:
        """How many watch now."""
        return len(self._listeners)

    async def states(self, *, seen: int = -1, heartbeat_s: float = 15.0) -> AsyncGenerator[LiveState | None]:
        """Yield the state whenever it is newer than the last one yielded, None after each ``heartbeat_s`` of silence.

        Raises TooManyListenersError.
        """
        if len(self._listeners) >= MOST_LISTENERS:
            raise TooManyListenersError(
                f"{MOST_LISTENERS} clients watch already.", hint="Close some, or reload the page for a snapshot."
            )
        listener = (asyncio.get_running_loop(), asyncio.Event())
        self._join(listener)
        try:
            state = await asyncio.to_thread(self.look)
            while not self._is_stopped:
                if state.version != seen:
                    seen = state.version
                    yield state
                try:
                    await asyncio.wait_for(listener[1].wait(), heartbeat_s)
                    listener[1].clear()
                except TimeoutError:
                    yield None
                state = self._state
        finally:
            self._leave(listener)

    def _join(self, listener: tuple[asyncio.AbstractEventLoop, asyncio.Event]) -> None:
        with self._lock:
            self._listeners.add(listener)
            self._nobody.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="assay-live", daemon=True)
                self._thread.start()

    def _leave(self, listener: tuple[asyncio.AbstractEventLoop, asyncio.Event]) -> None:
        with self._lock:
            self._listeners.discard(listener)
            if not self._listeners:
                self._nobody.set()

    def _watch(self) -> None:
        while True:
            self._nobody.wait(self._interval_s)
            with self._lock:
                if self._is_stopped or not self._listeners:
                    self._thread = None
                    return
                before = self._state.version
                after = self._look().version
                told = list(self._listeners) if after != before else []
            for loop, event in told:
                with contextlib.suppress(RuntimeError):  # that loop is closed
                    loop.call_soon_threadsafe(event.set)

    def _look(self) -> LiveState:
        problem = None
        try:
            present = list_journals(self._location)
            for path in present:
                self._followers.setdefault(path, JournalFollower(path))
            for path, follower in list(self._followers.items()):
                try:
                    follower.advance()
                except FileNotFoundError:
                    del self._followers[path]
                    self._ended = [*self._ended[-19:], follower.state().run_id]
        except (AssayError, OSError) as error:
            problem = str(error)
        runs = tuple(follower.state() for follower in self._followers.values())
        old = self._state
        if (runs, tuple(self._ended), problem) != (old.runs, old.ended, old.problem):
            self._state = LiveState(old.version + 1, runs, tuple(self._ended), problem)
        return self._state
