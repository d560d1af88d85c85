"""Telemetry and energy beside the launches: sensors are read in a thread of the supervisor, never in the worker.

May import: core, catalog, probes, runner.protocol.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

from assay.catalog.metrics import metrics as registry
from assay.core.absence import Unavailable
from assay.core.records import MetricValue, TelemetrySeries
from assay.probes.telemetry.base import Source, Telemetry, Window
from assay.probes.telemetry.choose import choose_sources, close_sources
from assay.probes.telemetry.energy import EnergyResult, can_measure, energy_of, load_seconds, unknown_energy
from assay.probes.telemetry.load import EnergyMarks
from assay.probes.telemetry.sampler import Sampler
from assay.probes.telemetry.witnesses import telemetry_witnesses
from assay.runner.converge_energy import measure_energy_to_target
from assay.runner.protocol import Measured

ENERGY_PASS_S = 7.0
"""Settling, idle window and lead of the energy pass, beside its load."""

_METRICS = {
    "energy_j_per_sample": "gross_j_per_sample",
    "energy_net_j_per_sample": "net_j_per_sample",
    "energy_j_per_call": "gross_j_per_call",
    "energy_net_j_per_call": "net_j_per_call",
    "average_power_w": "average_power_w",
    "peak_power_w": "peak_power_w",
    "idle_power_w": "idle_power_w",
}
_NOT_ASKED = "not asked for: assay run --energy"
_NOT_HERE = "the sensors of a visitor's device cannot be read from here"

Choose = Callable[[str], tuple[list[Source], dict[str, Unavailable]]]


@dataclass(slots=True)
class Watch:
    """One launch being watched; ``telemetry`` is there once the launch is over."""

    begin_ns: int
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(()))


class Meters:
    """The sensors of the devices that a run uses, opened once for each device.

    A device of None is one that cannot be read from here: a visitor's.
    """

    def __init__(self, *, wants_energy: bool, choose: Choose = choose_sources) -> None:
        self.wants_energy = wants_energy
        self._choose = choose
        self._open: dict[str, tuple[list[Source], dict[str, Unavailable]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        for sources, _ in self._open.values():
            close_sources(sources)
        self._open.clear()

    def load_s(self, device: str | None) -> float | None:
        """How long the energy pass has to work on this device; None where there is to be none."""
        if device is None:
            return None
        sources, _ = self._sources(device)
        return load_seconds(sources) if self.wants_energy and can_measure(sources) else None

    @contextlib.contextmanager
    def watch(self, device: str | None) -> Iterator[Watch]:
        """Read every sensor of the device while a launch lasts."""
        if device is None:
            yield Watch(time.perf_counter_ns())
            return
        sources, _ = self._sources(device)
        watch = Watch(time.perf_counter_ns())
        sampler = Sampler(sources)
        sampler.start()
        try:
            yield watch
        finally:
            watch.telemetry = sampler.stop()

    def measure_energy(
        self, measured: Measured, watch: Watch, *, device: str | None, units_per_call: float
    ) -> tuple[MetricValue, ...]:
        """Energy and power of the launch; every number that is not known is None with its reason."""
        if device is None:
            reason = _NOT_HERE if self.wants_energy else _NOT_ASKED
            return (_metric("energy_j_per_sample", unknown_energy(reason)),)
        _, absent = self._sources(device)
        reached = measure_energy_to_target(measured, watch.telemetry, device=device, absent=absent)
        if measured.energy:
            marks = EnergyMarks.from_dict(measured.energy)
            result = energy_of(
                watch.telemetry,
                [device],
                idle=marks.idle,
                load=marks.load,
                calls=marks.calls,
                samples=marks.calls * units_per_call,
                absent=absent,
            )
            return (*(_metric(name, result) for name in _METRICS), *reached)
        if self.wants_energy:
            reasons = "; ".join(f"{name}: {why}" for name, why in absent.items())
            why = unknown_energy(reasons or "no source of energy for this device")
            return (_metric("energy_j_per_sample", why), *reached)
        return (_metric("energy_j_per_sample", unknown_energy(_NOT_ASKED)), *reached)

    def energy_facts(self, measured: Measured, metrics: Sequence[MetricValue]) -> dict[str, str]:
        """Say in the launch's facts whether its energy was read."""
        known = any(metric.value is not None for metric in metrics)
        return {"energy": "read"} if measured.energy and known else {}

    def _sources(self, device: str) -> tuple[list[Source], dict[str, Unavailable]]:
        if device not in self._open:
            self._open[device] = self._choose(device)
        return self._open[device]


def read_witnesses(measured: Measured, watch: Watch, *, device: str | None) -> dict[str, float]:
    """What the sensors say of the timed window, for the noise verdict."""
    marks = measured.marks_ns
    if device is None or not {"load", "measure_begin", "measure_end"} <= marks.keys():
        return {}
    window = Window(marks["measure_begin"], marks["measure_end"])
    before = Window(watch.begin_ns, marks["load"])
    return telemetry_witnesses(watch.telemetry, window, device=device, before=before)


def telemetry_series(watch: Watch) -> tuple[TelemetrySeries, ...]:
    """The readings as they are kept: times from the launch's beginning."""
    return tuple(
        TelemetrySeries(
            sensor=trace.sensor,
            device=trace.device,
            unit=trace.unit,
            source=trace.source,
            scope=trace.scope,
            t0_ns=trace.t0_ns - watch.begin_ns,
            dt_ns=trace.dt_ns,
            values=trace.values,
        )
        for trace in watch.telemetry.traces
    )


def _metric(name: str, result: EnergyResult) -> MetricValue:
    key = _METRICS[name]
    value = getattr(result, key)
    return MetricValue(
        name=name,
        value=value,
        unit=registry.get(name).unit,
        phase="energy",
        n=result.n_periods if value is not None else None,
        reason=None if value is not None else result.reasons.get(key),
    )
