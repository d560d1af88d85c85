"""The worker's half of the energy pass: be idle, then work, and say exactly when.

The other half, reading and computing, is the supervisor's (sampler.py, energy.py). May import: standard
library and core.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from assay.probes.telemetry.base import Window


@dataclass(frozen=True, slots=True)
class EnergyMarks:
    """When the worker was idle and when it worked, on ``time.perf_counter_ns``, and how many calls it made."""

    idle_begin: int
    idle_end: int
    load_begin: int
    load_end: int
    calls: int

    @property
    def idle(self) -> Window:
        """The idle window."""
        return Window(self.idle_begin, self.idle_end)

    @property
    def load(self) -> Window:
        """The load window."""
        return Window(self.load_begin, self.load_end)

    def to_dict(self) -> dict[str, int]:
        """Return plain integers for a message."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, int]) -> EnergyMarks:
        """Read back what :meth:`to_dict` wrote."""
        return cls(**content)


def run_energy_pass(
    call: Callable[[], object],
    *,
    idle_s: float = 5.0,
    load_s: float = 10.0,
    settle_s: float = 1.0,
    lead_s: float = 1.0,
    clock: Callable[[], int] = time.perf_counter_ns,
    sleep: Callable[[float], None] = time.sleep,
) -> EnergyMarks:
    """Settle, be idle, work up, and work for ``load_s``; ``call`` must return when the device is done.

    ``settle_s`` lets threads that wait by spinning, and a device's clocks, come to rest before the idle window.
    ``lead_s`` of work before the load window lets power sensors that average over a second arrive (NVML's on some
    boards); its calls are not counted. The load always ends with a whole call, so it lasts a little longer than asked.
    """
    sleep(settle_s)
    idle_begin = clock()
    sleep(idle_s)
    idle_end = clock()
    begin = clock()
    while clock() - begin < lead_s * 1e9:
        call()
    calls = 0
    load_begin = now = clock()
    while now - load_begin < load_s * 1e9:
        call()
        calls += 1
        now = clock()
    return EnergyMarks(idle_begin, idle_end, load_begin, now, calls)
