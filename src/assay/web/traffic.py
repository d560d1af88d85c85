"""What was asked of the server so far, for ``/metrics``: counts and durations by route, never by address.

Labels come from the routes that exist, so what strangers ask for cannot make the numbers grow without bound.
May import: standard library.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram's buckets; a last one has none."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"


@dataclass(slots=True)
class Durations:
    """How long requests of one route took: how many fell into each bucket, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0


class Traffic:
    """Counts of requests. Safe for several threads: it is written by the event loop and read by a worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str, int], int] = {}
        self._durations: dict[str, Durations] = {}
        self._in_progress = 0

    def begin(self) -> None:
        """Count a request as going on."""
        with self._lock:
            self._in_progress += 1

    def end(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request that ended. ``route`` None is one that led nowhere."""
        key = (method if method in METHODS else OTHER, route or OTHER, status)
        with self._lock:
            self._in_progress -= 1
            self._requests[key] = self._requests.get(key, 0) + 1
            durations = self._durations.setdefault(key[1], Durations())
            durations.counts[bisect_left(BOUNDS_S, seconds)] += 1
            durations.sum_s += seconds

    def read(self) -> tuple[int, Mapping[tuple[str, str, int], int], Mapping[str, Durations]]:
        """Return requests going on, requests by (method, route, status), and durations by route."""
        with self._lock:
            durations = {route: Durations(list(one.counts), one.sum_s) for route, one in self._durations.items()}
            return self._in_progress, dict(self._requests), durations
