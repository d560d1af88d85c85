"""Ask every source again and again, in a thread of the supervisor's, so cheaply that the worker does not notice.

The worker never samples itself: a thread inside it would take the interpreter lock between timed calls. The
thread here sleeps on an event, and asks less often where asking is dear. May import: standard library and core.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from assay.probes.telemetry.base import Loss, Reading, Source, Telemetry, Trace

CPU_SHARE: Final = 0.01
"""Most CPU time all sources together may take, in CPUs."""
_WALL_SHARE: Final = 0.25
"""A source that blocks (a driver's lock) is left alone for three times as long as it took."""
_SMOOTHING: Final = 0.2
_LONGEST_PERIOD_S: Final = 5.0


@dataclass(slots=True)
class _Asked:
    """One source and when it is asked next. Costs are smoothed, so that one slow answer does not slow the rest."""

    source: Source
    least_s: float
    period_s: float
    due_ns: int
    cpu_ns: float = 0.0
    wall_ns: float = 0.0
    is_lost: bool = False


@dataclass(slots=True)
class _Column:
    scope: str
    times_ns: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)


class Collector:
    """Reads what is due and keeps it in columns. The clocks come in as arguments; tests and replays bring their own."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        period_s: float = 0.1,
        clock: Callable[[], int] = time.perf_counter_ns,
        cpu_clock: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        now_ns = clock()
        self._clock, self._cpu_clock = clock, cpu_clock
        self._asked = []
        for source in sources:
            least_s = max(period_s, source.period_s)
            self._asked.append(_Asked(source, least_s, least_s, now_ns))
        self._share = CPU_SHARE / max(1, len(sources))
        self._columns: dict[tuple[str, str, str], _Column] = {}
        self._losses: list[Loss] = []
        self._said: set[tuple[str, str, str | None]] = set()
        for asked in self._asked:
            try:
                asked.source.begin()
            except Exception as error:  # noqa: BLE001  (as in _read: it costs the source, not the launch)
                self._drop(asked, now_ns, error)

    def read_due(self) -> int | None:
        """Read every source whose time has come; return when the next is due, None when all are lost."""
        for asked in self._asked:
            if not asked.is_lost and self._clock() >= asked.due_ns:
                self._read(asked)
        return min((asked.due_ns for asked in self._asked if not asked.is_lost), default=None)

    def read_all(self) -> None:
        """Read every source that is not lost, due or not: the last reading of a launch."""
        for asked in self._asked:
            if not asked.is_lost:
                self._read(asked)

    def finish(self, cpu_share: float | None = None) -> Telemetry:
        """Return everything read so far."""
        traces = (_to_trace(key, column) for key, column in sorted(self._columns.items(), key=lambda item: item[0]))
        return Telemetry(tuple(traces), tuple(self._losses), cpu_share)

    def periods_s(self) -> dict[str, float]:
        """Return the time between readings in force now, by source."""
        return {asked.source.name: asked.period_s for asked in self._asked}

    def _read(self, asked: _Asked) -> None:
        source = asked.source
        begin_ns, begin_cpu_ns = self._clock(), self._cpu_clock()
        try:
            readings = source.read(begin_ns)
        except Exception as error:  # noqa: BLE001  (a driver may raise anything; the launch goes on without it)
            self._drop(asked, begin_ns, error)
            return
        for reading in readings:
            self._keep(source, reading)
        asked.cpu_ns = _smooth(asked.cpu_ns, self._cpu_clock() - begin_cpu_ns)
        asked.wall_ns = _smooth(asked.wall_ns, self._clock() - begin_ns)
        needed_s = max(asked.cpu_ns / self._share, asked.wall_ns / _WALL_SHARE) / 1e9
        # A source so dear that it would need more is still asked every 5 s.
        asked.period_s = max(asked.least_s, min(needed_s, _LONGEST_PERIOD_S))
        asked.due_ns = begin_ns + round(asked.period_s * 1e9)

    def _drop(self, asked: _Asked, t_ns: int, error: Exception) -> None:
        asked.is_lost = True
        self._lose(asked.source, asked.source.device, None, t_ns, _describe(error))

    def _keep(self, source: Source, reading: Reading) -> None:
        if reading.value is None and reading.reason is not None:
            self._lose(source, reading.device, reading.sensor, reading.t_ns, reading.reason)
        key = (reading.device, reading.sensor, source.name)
        column = self._columns.setdefault(key, _Column(reading.scope or source.scope))
        column.times_ns.append(reading.t_ns)
        column.values.append(reading.value)

    def _lose(self, source: Source, device: str, sensor: str | None, t_ns: int, reason: str) -> None:
        if (source.name, device, sensor) not in self._said:
            self._said.add((source.name, device, sensor))
            self._losses.append(Loss(source.name, device, sensor, t_ns, reason))


class Sampler:
    """A :class:`Collector` in a thread of its own, from :meth:`start` to :meth:`stop`.

    The sources stay open: who opened them closes them, after the last launch.
    """

    def __init__(self, sources: Sequence[Source], *, period_s: float = 0.1) -> None:
        self._sources = tuple(sources)
        self._period_s = period_s
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._collector: Collector | None = None
        self._cpu_ns = 0
        self._begin_ns = 0

    def start(self) -> None:
        """Begin; returns at once. The first reading is taken as soon as the thread runs."""
        if self._thread is not None:
            raise RuntimeError("the sampler already runs; stop it first")
        self._wake.clear()
        self._begin_ns = time.perf_counter_ns()
        self._collector = Collector(self._sources, period_s=self._period_s)
        self._thread = threading.Thread(target=self._run, args=(self._collector,), name="telemetry", daemon=True)
        self._thread.start()

    def stop(self) -> Telemetry:
        """Take one last reading, end the thread, and return what it read. Empty where nothing was started."""
        if self._thread is None or self._collector is None:
            return Telemetry(())
        self._wake.set()
        self._thread.join()
        self._thread = None
        wall_ns = max(1, time.perf_counter_ns() - self._begin_ns)
        return self._collector.finish(self._cpu_ns / wall_ns)

    def _run(self, collector: Collector) -> None:
        begin_cpu_ns = time.thread_time_ns()
        while True:
            due_ns = collector.read_due()
            # With every source lost there is nothing to wake up for but the end.
            patience_s = None if due_ns is None else max(0.0, (due_ns - time.perf_counter_ns()) / 1e9)
            if self._wake.wait(patience_s):
                break
        collector.read_all()
        self._cpu_ns = time.thread_time_ns() - begin_cpu_ns


def _to_trace(key: tuple[str, str, str], column: _Column) -> Trace:
    device, sensor, name = key
    # A source that reads ahead (a stream) may hand over what happened before its last reading.
    order = sorted(range(len(column.times_ns)), key=column.times_ns.__getitem__)
    times = [column.times_ns[at] for at in order]
    steps = (0, *(after - before for before, after in pairwise(times)))
    return Trace(sensor, device, name, column.scope, times[0], steps, tuple(column.values[at] for at in order))


def _smooth(old: float, new: float) -> float:
    return new if old <= 0 else old + _SMOOTHING * (new - old)


def _describe(error: Exception) -> str:
    words = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    kind = type(error).__name__
    return words if kind == "SourceLostError" else f"{kind}: {words}" if words else kind
