"""The words of telemetry: sensors and their units, readings, traces, losses, and what a source is.

A source reads one thing (a GPU's driver, the kernel's power counters, the host) and knows nothing of threads or
time; the sampler asks it. What cannot be read is a missing value with a reason, never a number. May import:
standard library and core.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from itertools import accumulate
from typing import Any, Protocol

from assay.core.errors import AssayError

SENSORS: Mapping[str, str] = {
    "utilisation_share": "share",
    "memory_used_bytes": "B",
    "memory_available_bytes": "B",
    "clock_mhz": "MHz",
    "clock_memory_mhz": "MHz",
    "temperature_c": "degC",
    "fan_share": "share",
    "power_w": "W",
    "power_limit_w": "W",
    "energy_j": "J",
    "throttle_mask": "flags",
    "processes": "count",
    "pressure_cpu_share": "share",
    "pressure_memory_share": "share",
    "pressure_io_share": "share",
}
"""Sensor -> unit. ``energy_j`` counts up from an arbitrary start; everything else is a state. docs/telemetry.md."""

COUNTED_SCOPES = frozenset({"package", "board", "SoC"})
"""Scopes whose energy is the energy of a device. ``memory`` (RAPL's DRAM) is kept, but is added to nothing."""


class Throttle(IntFlag):
    """Why a device ran below the clock it could: what the vendors say, in one vocabulary."""

    IDLE = 1
    CLOCK_SETTING = 2
    POWER_CAP = 4
    THERMAL = 8
    HARDWARE = 16
    POWER_BRAKE = 32
    SYNC_BOOST = 64
    BOARD_LIMIT = 128
    RELIABILITY = 256
    OTHER = 512

    @property
    def words(self) -> tuple[str, ...]:
        """Return the reasons as a person reads them: ``('power cap', 'thermal')``."""
        return tuple((flag.name or "").lower().replace("_", " ") for flag in Throttle if flag in self)


DISTURBING = Throttle.THERMAL | Throttle.HARDWARE | Throttle.POWER_BRAKE | Throttle.BOARD_LIMIT | Throttle.RELIABILITY
"""What makes a timing unlike the next one. A power cap is not in it: many boards run a heavy load at their cap."""


class SourceLostError(AssayError):
    """A source that worked and will not work again in this launch (a GPU fell off the bus, say)."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one sensor at one moment; None with a reason where the device does not tell it.

    ``t_ns`` is ``time.perf_counter_ns`` of this machine. A value that is no finite number, or below zero, becomes
    missing (a temperature may be negative). ``scope`` is given where it is not the source's.
    """

    sensor: str
    device: str
    t_ns: int
    value: float | None
    reason: str | None = None
    scope: str | None = None

    def __post_init__(self) -> None:
        value = self.value
        if value is not None and (not math.isfinite(value) or (value < 0 and self.sensor != "temperature_c")):
            object.__setattr__(self, "value", None)
            object.__setattr__(self, "reason", f"{self.sensor} read as {value}, which cannot be")


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time on the clock of ``time.perf_counter_ns``."""

    begin_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """Length in seconds, never below 0."""
        return max(0, self.end_ns - self.begin_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Trace:
    """All readings of one sensor of one device, in columns.

    The i-th reading was taken at ``t0_ns`` plus the sum of ``dt_ns`` up to and with i; ``dt_ns[0]`` is 0. A value
    that was not read is None.
    """

    sensor: str
    device: str
    source: str
    scope: str
    t0_ns: int
    dt_ns: tuple[int, ...]
    values: tuple[float | None, ...]

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return SENSORS[self.sensor]

    def points(self, window: Window | None = None) -> list[tuple[int, float]]:
        """Return (time in ns, value) of what was read, in order, inside ``window`` (its ends included)."""
        times = accumulate(self.dt_ns, initial=self.t0_ns)
        next(times)
        pairs = zip(times, self.values, strict=True)
        return [
            (t_ns, value)
            for t_ns, value in pairs
            if value is not None and (window is None or window.begin_ns <= t_ns <= window.end_ns)
        ]


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that was not read, said once. ``sensor`` is None where the whole source is gone from ``t_ns`` on."""

    source: str
    device: str
    sensor: str | None
    t_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the sampler brought: traces, what was not read and why, and what the reading cost.

    ``cpu_share`` is the CPU time of the sampler's thread over the wall time, in CPUs; None for a replay.
    """

    traces: tuple[Trace, ...]
    losses: tuple[Loss, ...] = ()
    cpu_share: float | None = None

    def find(self, sensor: str, device: str) -> tuple[Trace, ...]:
        """Return the traces of ``sensor`` of ``device`` and its parts (``cpu`` has ``cpu:package-0``)."""
        return tuple(trace for trace in self.traces if trace.sensor == sensor and is_part(trace.device, device))

    def losses_of(self, device: str, sensor: str | None = None) -> Iterator[Loss]:
        """Yield what was lost of ``device`` and its parts, for one sensor or (None) for whole sources."""
        return (loss for loss in self.losses if loss.sensor == sensor and is_part(loss.device, device))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "traces": [{name: getattr(trace, name) for name in Trace.__dataclass_fields__} for trace in self.traces],
            "losses": [{name: getattr(loss, name) for name in Loss.__dataclass_fields__} for loss in self.losses],
            "cpu_share": self.cpu_share,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Telemetry:
        """Read back what :meth:`to_dict` wrote."""
        traces = (
            Trace(**{**fields, "dt_ns": tuple(fields["dt_ns"]), "values": tuple(fields["values"])})
            for fields in content["traces"]
        )
        return cls(tuple(traces), tuple(Loss(**fields) for fields in content["losses"]), content["cpu_share"])


class Source(Protocol):
    """One thing that can be read again and again. Made, open, by the ``open_...`` function of its module.

    ``period_s`` is the shortest time between two readings that makes sense, ``counter_period_s`` how often the
    energy counter (or, without one, the power sensor) is known to move at the slowest; None where there is neither.
    """

    @property
    def name(self) -> str:
        """Who answers: ``nvml``, ``rapl``, ``amdsmi``, ``powermetrics``, ``host``."""

    @property
    def device(self) -> str:
        """The device of the case: ``cpu``, ``cuda:0``."""

    @property
    def scope(self) -> str:
        """What the energy covers: ``package``, ``board``, ``SoC``; ``host`` for a source without energy."""

    @property
    def period_s(self) -> float:
        """Shortest sensible time between readings, in seconds."""

    @property
    def counter_period_s(self) -> float | None:
        """Longest time between two updates of what energy is computed from, in seconds."""

    def begin(self) -> None:
        """A new launch begins: forget what was said, and what only meant something since the reading before."""

    def read(self, now_ns: int) -> Sequence[Reading]:
        """Read everything once. A sensor that is missing for good is in the answer once, with its reason.

        Raises whatever the library raises when the device itself is gone; the sampler then drops the source.
        """

    def close(self) -> None:
        """Give back what was opened. Never raises."""


def is_part(device: str, whole: str) -> bool:
    """``cpu:package-0`` is a part of ``cpu``; ``cuda:10`` is none of ``cuda:1``."""
    return device == whole or device.startswith(f"{whole}:")
