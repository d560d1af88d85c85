"""Reading the store for pages: what was made from an unchanged store is used again, and a changed one is seen at once.

The state of a store is the version of each of its tables, which costs a look at one folder each and no query. Pages are
plain functions, so reading happens in the server's threads and never on its event loop. Where a server allows it, what
takes long to make is answered as it was some seconds ago, and says so, while it is made anew. May import: core, store.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from assay.store.address import is_remote
from assay.store.log import newest_version
from assay.store.query import fetch_rows
from assay.store.running import list_journals
from assay.store.schema import TABLES
from assay.store.tables import open_table

if TYPE_CHECKING:
    from starlette.requests import Request

    from assay.store import Store

T = TypeVar("T")
State = tuple[tuple[str, int | str], ...]
"""What something was made from: versions of tables, or what else tells one state of it from another."""
KEPT = 128
"""Pages that are kept. Each holds at most some hundred rows."""
_SETTLED_NS = 2_000_000_000
"""A folder whose time of change is older than this shows every later change by another time."""
_SEEN = 64
"""States of the tables whose time is kept."""
MAKERS = 2
"""Threads that make anew what is answered as it was meanwhile: more would only take the processor from each other."""
WAIT_S = 0.3
"""How long an answer of before is held back, for a new one that is nearly made."""
_REMOTE_S = 3.0
"""How long the state of a store on object storage counts: asking takes a request for each table."""


def read_rows(store: Store, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
    """Run a query over the views and return its rows. Every page shares one prepared connection. Raises StoreError."""
    return fetch_rows(store.location, sql, parameters, versions=store.versions)


class StateReader:
    """Tells the version of each table of one store."""

    def __init__(self, store: Store, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._clock_ns = clock_ns
        self._known: dict[str, tuple[int, int]] = {}
        self._remote: tuple[float, State] | None = None
        self._seen: OrderedDict[State, float] = OrderedDict()
        self._lock = threading.Lock()

    def read(self) -> State:
        """Return the state of the tables now. Raises StoreError."""
        state = self._tables()
        with self._lock:
            self._seen[state] = time.monotonic()
            self._seen.move_to_end(state)
            while len(self._seen) > _SEEN:
                self._seen.popitem(last=False)
        return state

    def last_seen(self, state: State) -> float:
        """Return when the tables were last found in this state (monotonic seconds); minus infinity where never."""
        with self._lock:
            return self._seen.get(state, -math.inf)

    def _tables(self) -> State:
        if self._store.versions is not None:
            return tuple(sorted(self._store.versions.items()))
        if is_remote(self._store.location):
            return self._remote_tables()
        return tuple((table, self._version(table)) for table in TABLES)

    def _version(self, table: str) -> int:
        folder = Path(self._store.location) / table
        try:
            changed_ns = (folder / "_delta_log").stat().st_mtime_ns
        except OSError:
            return -1
        known = self._known.get(table)
        if known is not None and known[0] == changed_ns:
            return known[1]
        version = newest_version(folder)
        # Two commits may fall into one tick of the file system's clock: only an old time is proof.
        if self._clock_ns() - changed_ns > _SETTLED_NS:
            self._known[table] = changed_ns, version
        return version

    def _remote_tables(self) -> State:
        if self._remote is not None and time.monotonic() - self._remote[0] < _REMOTE_S:
            return self._remote[1]
        opened = {table: open_table(self._store.location, table) for table in TABLES}
        state = tuple((table, -1 if one is None else one.version()) for table, one in opened.items())
        self._remote = time.monotonic(), state
        return state

    def read_journals(self) -> State:
        """Return the names and sizes of the journals: what goes on beside the store."""
        found = []
        for path in list_journals(self._store.location):
            try:
                found.append((path.name, path.stat().st_size))
            except OSError:
                continue  # published meanwhile
        return tuple(found)


@dataclass(slots=True)
class _Kept:
    """One answer and the state that it was made from. ``store_state`` is what the store was when it last held so.

    ``held_at`` is when that was seen (monotonic seconds); ``making`` is what goes on to make it anew.
    """

    lock: threading.Lock
    state: State | None = None
    value: Any = None
    store_state: State = ()
    held_at: float = 0.0
    making: Future[Any] | None = None


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """An answer, the state that it was made from, and how many seconds ago that was the store's; 0 of the present."""

    value: T
    state: State
    age_s: float = 0.0


class Readings:
    """What was made from the store, by name. Of several who ask for the same at once, one makes it."""

    def __init__(self, store: Store, *, kept: int = KEPT) -> None:
        self.store = store
        self.states = StateReader(store)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._most = kept
        self._lock = threading.Lock()
        self._makers: ThreadPoolExecutor | None = None

    def get(self, name: str, make: Callable[[], T], state: State, store_state: State | None = None) -> T:
        """Return what was made under this name from this state, or make it.

        The state is read before, so that a run that is stored while ``make`` reads only makes the next answer anew.
        ``store_state`` is the state of the whole store, where ``state`` is of what the answer depends on.
        """
        entry = self._entry(name)
        with entry.lock:
            seen_at = time.monotonic()
            if entry.state != state:
                entry.value = make()
                entry.state = state
            entry.store_state = state if store_state is None else store_state
            entry.held_at = seen_at
            found: T = entry.value
            return found

    def get_within(
        self, name: str, make: Callable[[], T], state: State, store_state: State, *, oldest_s: float
    ) -> Made[T]:
        """Return the same, or what was made from a state that was the store's at most so many seconds ago.

        That is given where making it anew takes more than a moment, which goes on meanwhile.
        """
        entry = self._entry(name)
        known, known_state = entry.value, entry.state
        held_at = max(entry.held_at, self.states.last_seen(entry.store_state))
        if known_state is None or known_state == state or time.monotonic() - held_at > oldest_s:
            return Made(self.get(name, make, state, store_state), state)
        with self._lock:
            if entry.making is None or entry.making.done():
                entry.making = self._pool().submit(self.get, name, make, state, store_state)
            making = entry.making
        with suppress(LateError):
            return Made(making.result(WAIT_S), state)
        return Made(known, known_state, time.monotonic() - held_at)

    def last(self, name: str) -> Any:
        """Return what was last made under this name, from whatever state; None of nothing."""
        return self._entry(name).value

    def _pool(self) -> ThreadPoolExecutor:
        if self._makers is None:
            self._makers = ThreadPoolExecutor(MAKERS, thread_name_prefix="assay-pages")
        return self._makers

    def _entry(self, name: str) -> _Kept:
        with self._lock:
            entry = self._kept.get(name)
            if entry is None:
                entry = self._kept[name] = _Kept(threading.Lock())
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return entry


def readings_of(request: Request) -> Readings:
    """Return what the application keeps of its store, made with the first request."""
    state = request.app.state
    found: Readings | None = getattr(state, "readings", None)
    if found is None or found.store is not state.store:
        found = state.readings = Readings(state.store)
    return found


def versions_of(state: State, tables: Collection[str]) -> State:
    """Return the part of a store's state that is of some tables."""
    return tuple(entry for entry in state if entry[0] in tables)


def count_of(row: Mapping[str, Any], name: str) -> int:
    """Return a count of a row; of a store without rows it is 0, since counting nothing is no missing number."""
    return int(row.get(name) or 0)
