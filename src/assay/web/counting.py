"""Graphs of models, counted beside the requests that want them: a page never waits long for one that is new.

One thread counts, a few names at a time; what was counted stays. Only installed families are counted, never a file or
a module that a request names. May import: core, predict, workloads, web.problem.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.errors import AssayError, UnknownNameError, UsageError
from assay.web.problem import RefusalError

if TYPE_CHECKING:
    from assay.predict.values import GraphProfile

Shape = tuple[tuple[str, int], ...]
Wanted = tuple[str, Shape]
"""A model of an installed family, and its inputs as far as they are not the usual ones."""
MOST_WAITING = 4
"""Graphs that wait to be counted, about a second each: whoever wants more asks again."""
_KEPT = 512
_LONGEST_NAME = 100
LONGEST_WAIT_S = 20.0
"""How long a request of the API waits for its graphs."""
_RETRY_AFTER_S = 5
_DATA = "data"


@dataclass(frozen=True, slots=True)
class Counted:
    """What is known of some graphs now: those counted (batch 1), why others cannot be, and which still have to be."""

    graphs: Mapping[Wanted, GraphProfile]
    failed: Mapping[Wanted, str]
    waiting: tuple[Wanted, ...]


def check_family(name: str) -> None:
    """Refuse what is no installed family: files, modules and names of others' models are for the command line.

    Raises UnknownNameError, UsageError for a family that is data.
    """
    from assay.workloads.base import families

    if not is_installed(name):
        known = families.names()
        raise UnknownNameError("workload", name[:_LONGEST_NAME], known, hint="Other models: assay predict --model ...")
    if families.get(name.partition("/")[0]).format == _DATA:
        raise UsageError(f"{name[:_LONGEST_NAME]} is data without a model: there is nothing to predict of it.")


def check_asked(name: str) -> None:
    """Refuse what neither is an installed family nor known by its name from what others published (``mlperf/resnet``).

    Raises UnknownNameError, UsageError for a family that is data.
    """
    from assay.predict.questions import is_published

    if not is_published(name):
        check_family(name)


def is_installed(name: str) -> bool:
    """True for a family that is installed, at any size."""
    from assay.workloads.base import families

    return name.partition("/")[0] in families.names()


def _why_not(name: str) -> str | None:
    from assay.workloads.base import find_workload

    try:
        check_family(name)
        find_workload(name)
    except AssayError as error:
        return error.message
    return None


def count_graph(wanted: Wanted) -> GraphProfile:
    """Count one graph at batch 1. Raises AssayError."""
    from assay.predict.graphs import profile_workload

    name, shape = wanted
    return profile_workload(name, shape=dict(shape))


class GraphCounts:
    """What was counted in this process, and what is being counted."""

    def __init__(self, count: Callable[[Wanted], GraphProfile] = count_graph) -> None:
        self._count = count
        self._done: OrderedDict[Wanted, GraphProfile | str] = OrderedDict()
        self._going: dict[Wanted, Future[None]] = {}
        self._version = 0
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    @property
    def version(self) -> int:
        """How many were ever counted: a page that shows them has changed where this has."""
        return self._version

    def find(self, wanted: Iterable[Wanted], *, wait_s: float = 0.0) -> Counted:
        """Return what is known of these, have the next few counted, and give that so many seconds at the most."""
        asked = tuple(dict.fromkeys(wanted))
        # A name that is none is no work, and takes no place of what was counted.
        failed = {one: why for one in asked if (why := _why_not(one[0])) is not None}
        names = [one for one in asked if one not in failed]
        with self._lock:
            for one in names:
                if one not in self._done and one not in self._going and len(self._going) < MOST_WAITING:
                    self._going[one] = self._threads().submit(self._make, one)
            going = [self._going[one] for one in names if one in self._going]
        if going and wait_s > 0:
            wait(going, timeout=wait_s)
        with self._lock:
            known = {one: self._done[one] for one in names if one in self._done}
        return Counted(
            {one: graph for one, graph in known.items() if not isinstance(graph, str)},
            failed | {one: why for one, why in known.items() if isinstance(why, str)},
            tuple(one for one in names if one not in known),
        )

    def _make(self, one: Wanted) -> None:
        found: GraphProfile | str
        try:
            found = self._count(one)
        except AssayError as error:
            found = error.message
        except Exception as error:  # noqa: BLE001  (a family's own code: it must not end the thread that counts)
            found = f"it could not be counted: {type(error).__name__}"
        with self._lock:
            self._done[one] = found
            self._version += 1
            del self._going[one]
            while len(self._done) > _KEPT:
                self._done.popitem(last=False)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="assay-graphs")
        return self._pool


graph_counts = GraphCounts()
"""Of this process: graphs depend on the installed families alone, not on a store."""


def count_all(names: Iterable[str], *, counts: GraphCounts = graph_counts, wait_s: float = LONGEST_WAIT_S) -> None:
    """Have every one of these counted before a request goes on; what fails is said by whoever asks for it then.

    Raises RefusalError (503, with when to come again) where that takes longer than the wait.
    """
    wanted: list[Wanted] = [(name, ()) for name in names]
    until = time.monotonic() + wait_s
    while (left := counts.find(wanted, wait_s=max(0.0, until - time.monotonic())).waiting) != ():
        if time.monotonic() >= until:
            raise RefusalError(
                503,
                "busy",
                f"{len(left)} of {len(wanted)} models are still being counted.",
                hint=f"Ask again in {_RETRY_AFTER_S} s: what was counted stays.",
                headers={"Retry-After": str(_RETRY_AFTER_S)},
            )
