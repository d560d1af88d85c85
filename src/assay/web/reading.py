"""Reading the store for pages: what was made from an unchanged store is used again, and a changed one is seen at once.

The state of a store is the version of each of its tables, which costs a look at one folder each and no query. Pages are
plain functions, so reading happens in the server's threads and never on its event loop. May import: core, store.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from assay.store.address import is_remote
from assay.store.log import newest_version
from assay.store.query import fetch_rows
from assay.store.running import list_journals
from assay.store.schema import TABLES
from assay.store.tables import open_table

if TYPE_CHECKING:
    from assay.store import Store

T = TypeVar("T")
State = tuple[tuple[str, int], ...]
KEPT = 128
"""Pages that are kept. Each holds at most some hundred rows."""
_SETTLED_NS = 2_000_000_000
"""A folder whose time of change is older than this shows every later change by another time."""
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

    def read(self, *, with_journals: bool = False) -> State:
        """Return the state now; ``with_journals`` counts what goes on beside the store too. Raises StoreError."""
        state = self._tables()
        return (*state, *self._journals()) if with_journals else state

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

    def _journals(self) -> State:
        found = []
        for path in list_journals(self._store.location):
            try:
                found.append((path.name, path.stat().st_size))
            except OSError:
                continue  # published meanwhile
        return tuple(found)


@dataclass(slots=True)
class _Kept:
    """One answer, and the state that it was made from; whoever holds the lock makes it."""

    lock: threading.Lock
    state: State | None = None
    value: Any = None


class Readings:
    """What was made from the store, by name. Of several who ask for the same at once, one makes it."""

    def __init__(self, store: Store, *, kept: int = KEPT) -> None:
        self.store = store
        self.states = StateReader(store)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._most = kept
        self._lock = threading.Lock()

    def get(self, name: str, make: Callable[[], T], state: State) -> T:
        """Return what was made under this name from this state, or make it.

        The state is read before, so that a run that is stored while ``make`` reads only makes the next answer anew.
        """
        entry = self._entry(name)
        with entry.lock:
            if entry.state != state:
                entry.value = make()
                entry.state = state
            found: T = entry.value
            return found

    def _entry(self, name: str) -> _Kept:
        with self._lock:
            entry = self._kept.get(name)
            if entry is None:
                entry = self._kept[name] = _Kept(threading.Lock())
            self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return entry


def count_of(row: Mapping[str, Any], name: str) -> int:
    """Return a count of a row; of a store without rows it is 0, since counting nothing is no missing number."""
    return int(row.get(name) or 0)
