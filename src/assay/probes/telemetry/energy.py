"""Energy of a load, from what the sampler read: joules per call and per sample, gross and net of idle.

A number that cannot be known is None with its reason, and never 0 (METHOD: energy pass). A hardware counter is
preferred to sampled power; the idle window, the load window and the counter's own step decide whether there is
enough to say anything. May import: standard library and core.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Final

from assay.core.absence import Unavailable
from assay.probes.telemetry.base import COUNTED_SCOPES, Source, Telemetry, Trace, Window
from assay.probes.telemetry.meters import Meter, read_counter, read_power

IDLE_S: Final = 5.0
LOAD_S: Final = 10.0
LOAD_PERIODS: Final = 20
_IDLE_PERIODS: Final = 5
_NUMBERS: Final = (
    "gross_j_per_call",
    "net_j_per_call",
    "gross_j_per_sample",
    "net_j_per_sample",
    "average_power_w",
    "peak_power_w",
    "idle_power_w",
)
_COVERS: Final = {
    "package": "covers the whole processor package, other processes on it included",
    "board": "covers the whole board, its memory and fans included, and nothing of the host",
    "SoC": "covers CPU, GPU and neural engine of the chip together, by Apple's estimate",
}


@dataclass(frozen=True, slots=True)
class EnergyResult:
    """Joules and watts of one load. Every number that is None has its reason in ``reasons`` under its own name.

    ``source`` says which sensor it comes from (``nvml energy counter``, ``amdsmi power samples``), ``scope`` what
    that sensor covers, ``n_periods`` how many of its updates fitted into the load. ``peak_power_w`` is the highest
    reading of the power sensor, or, where there is only a counter, the highest mean over a second.
    """

    gross_j_per_call: float | None = None
    net_j_per_call: float | None = None
    gross_j_per_sample: float | None = None
    net_j_per_sample: float | None = None
    average_power_w: float | None = None
    peak_power_w: float | None = None
    idle_power_w: float | None = None
    source: str | None = None
    scope: str | None = None
    n_periods: int | None = None
    counter_period_s: float | None = None
    idle_s: float | None = None
    load_s: float | None = None
    calls: int | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def reason(self) -> str | None:
        """Why there is no energy at all; None where there is."""
        return None if self.gross_j_per_call is not None else self.reasons.get("gross_j_per_call")


def unknown_energy(
    reason: str, *, calls: int | None = None, idle_s: float | None = None, load_s: float | None = None
) -> EnergyResult:
    """Return a result without any number, for one reason."""
    reasons = dict.fromkeys(_NUMBERS, reason)
    return EnergyResult(calls=calls, idle_s=idle_s, load_s=load_s, reasons=reasons)


def energy_of(
    telemetry: Telemetry,
    devices: Sequence[str],
    *,
    idle: Window | None,
    load: Window,
    calls: int,
    samples: float | None = None,
    absent: Mapping[str, Unavailable] | None = None,
) -> EnergyResult:
    """Compute the energy of ``calls`` calls (``samples`` units of work in all) made in ``load``.

    Only ``devices`` and their parts count: the packages of ``cpu``, the board of ``cuda:0``. With several devices
    their energies add up, and one unknown makes the sum unknown. ``absent`` lends its reasons.
    Mean power is taken between the first and the last update of the counter inside the window and applied to the
    whole window, so that the steps of a slow counter do not blur the window's edges.
    """
    unknown = partial(unknown_energy, calls=calls, idle_s=None if idle is None else idle.seconds, load_s=load.seconds)
    if calls <= 0:
        return unknown(f"{calls} calls were made in the load window")
    if load.seconds < LOAD_S:
        return unknown(f"the load lasted {load.seconds:.1f} s; at least {LOAD_S:.0f} s are needed")
    span = Window(load.begin_ns if idle is None else min(idle.begin_ns, load.begin_ns), load.end_ns)
    parts: list[_Part] = []
    for device in devices:
        found = _find_parts(telemetry, device, span, load, absent or {})
        if isinstance(found, str):
            return unknown(found)
        parts.extend(found)
    if not parts:
        return unknown("no device was named whose energy could be read")
    return _combine(parts, idle, load, calls, samples)


def measure_energy(
    sources: Sequence[Source],
    devices: Sequence[str],
    run_load: Callable[[float], int],
    *,
    idle_s: float = IDLE_S,
    samples_per_call: float | None = None,
    absent: Mapping[str, Unavailable] | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> EnergyResult:
    """Do the whole pass here: be idle for ``idle_s``, have ``run_load(seconds)`` work and return its calls, compute.

    For loads that this process can start; a case's load runs in its worker, whose windows go into
    :func:`energy_of`. Returns at once where no source can give energy.
    """
    from assay.probes.telemetry.sampler import Sampler

    if not can_measure(sources):
        return unknown_energy(_why_absent(absent or {}) or "no source here reads energy or power")
    sampler = Sampler(sources)
    sampler.start()
    try:
        begin_ns = time.perf_counter_ns()
        wait(idle_s)
        middle_ns = time.perf_counter_ns()
        calls = run_load(load_seconds(sources))
        end_ns = time.perf_counter_ns()
    finally:
        telemetry = sampler.stop()
    return energy_of(
        telemetry,
        devices,
        idle=Window(begin_ns, middle_ns),
        load=Window(middle_ns, end_ns),
        calls=calls,
        samples=None if samples_per_call is None else calls * samples_per_call,
        absent=absent,
    )


def can_measure(sources: Sequence[Source]) -> bool:
    """Whether an energy pass can give anything with these sources; without, its 15 s need not be spent."""
    return any(source.counter_period_s is not None for source in sources)


def load_seconds(sources: Sequence[Source]) -> float:
    """Return how long the load must last: 10 s, or 20 updates of the slowest counter and two for the edges."""
    periods = [source.counter_period_s for source in sources if source.counter_period_s is not None]
    return max(LOAD_S, (LOAD_PERIODS + 2) * max(periods, default=0.0))


@dataclass(frozen=True, slots=True)
class _Part:
    """One meter of one part of a device, and how to read it again for the idle window."""

    trace: Trace
    read: Callable[[Trace, Window, int], Meter | str]
    meter: Meter
    peak_w: float
    note: str | None


def _find_parts(
    telemetry: Telemetry, device: str, span: Window, load: Window, absent: Mapping[str, Unavailable]
) -> list[_Part] | str:
    """Return a meter for every part of ``device``, or why there is none."""
    for loss in telemetry.losses_of(device):
        if loss.t_ns <= span.end_ns and _is_meter(telemetry, loss.source):
            return f"{loss.source} was lost: {loss.reason}"
    counters = {trace.device: trace for trace in telemetry.find("energy_j", device) if trace.scope in COUNTED_SCOPES}
    powers = {trace.device: trace for trace in telemetry.find("power_w", device) if trace.scope in COUNTED_SCOPES}
    names = sorted(counters.keys() | powers.keys())
    if not names:
        losses = [*telemetry.losses_of(device), *telemetry.losses_of(device, "energy_j")]
        why = "; ".join(f"{loss.source}: {loss.reason}" for loss in losses) or _why_absent(absent)
        return f"no energy counter and no power sensor of {device}" + (f" ({why})" if why else "")
    parts = []
    for name in names:
        part = _choose_meter(counters.get(name), powers.get(name), span, load, telemetry)
        if isinstance(part, str):
            return f"{name}: {part}"
        parts.append(part)
    return parts


def _is_meter(telemetry: Telemetry, source: str) -> bool:
    """A lost host sensor costs no energy; a source that never gave a reading may have been the meter."""
    sensors = {trace.sensor for trace in telemetry.traces if trace.source == source}
    return not sensors or bool(sensors & {"energy_j", "power_w"})


def _choose_meter(
    counter: Trace | None, power: Trace | None, span: Window, load: Window, telemetry: Telemetry
) -> _Part | str:
    """Take the counter where it can be used, else the power sensor, else say why not."""
    power_meter = "there is no power sensor" if power is None else read_power(power, load, LOAD_PERIODS)
    why = None
    if counter is not None and counter.points():
        fall = _find_fall(counter, span)
        if fall is not None:
            return fall
        meter = read_counter(counter, load, LOAD_PERIODS)
        if isinstance(meter, Meter):
            peak_w = meter.peak_w if isinstance(power_meter, str) else power_meter.peak_w
            return _Part(counter, read_counter, meter, peak_w, None)
        why = meter
    elif counter is not None:
        losses = telemetry.losses_of(counter.device, "energy_j")
        why = next((loss.reason for loss in losses), "the counter was never read")
    if power is not None and isinstance(power_meter, Meter):
        note = f"power samples, because {why}" if why else "power samples: there is no counter"
        return _Part(power, read_power, power_meter, power_meter.peak_w, note)
    return f"{why}; and {power_meter}" if why else str(power_meter)


def _find_fall(counter: Trace, span: Window) -> str | None:
    """A counter that goes back was reset, with the device or its driver: nothing in the span can be trusted."""
    points = counter.points(span)
    for (_, before), (_, after) in pairwise(points):
        if after < before:
            return f"the energy counter went back from {before:.1f} J to {after:.1f} J: it was reset"
    return None


def _combine(
    parts: Sequence[_Part], idle: Window | None, load: Window, calls: int, samples: float | None
) -> EnergyResult:
    reasons: dict[str, str] = {}
    notes = [part.note for part in parts if part.note]
    average_w = sum(part.meter.average_w for part in parts)
    idle_w = _read_idle(parts, idle)
    net_w: float | str
    if isinstance(idle_w, str):
        reasons["idle_power_w"] = idle_w
        net_w = idle_w
    elif average_w <= idle_w:
        net_w = f"idle drift: {idle_w:.1f} W in the idle window, {average_w:.1f} W under load"
    else:
        net_w = average_w - idle_w
    found: dict[str, float | str] = {
        "average_power_w": average_w,
        "peak_power_w": sum(part.peak_w for part in parts),
        "idle_power_w": idle_w,
    }
    no_samples = "the number of samples was not given"
    for name, power in (("gross", average_w), ("net", net_w)):
        energy_j = power if isinstance(power, str) else power * load.seconds
        found[f"{name}_j_per_call"] = energy_j if isinstance(energy_j, str) else energy_j / calls
        per_sample: float | str = energy_j
        if not isinstance(energy_j, str):
            per_sample = energy_j / samples if samples is not None and samples > 0 else no_samples
        found[f"{name}_j_per_sample"] = per_sample
    numbers: dict[str, float] = {}
    for name, value in found.items():
        if isinstance(value, str):
            reasons[name] = value
        elif math.isfinite(value) and value > 0:
            numbers[name] = value
        else:
            reasons[name] = f"it came out as {value}, which cannot be"
    if len(parts) > 1:
        notes.append(f"sum of {', '.join(part.trace.device for part in parts)}; the peak is the sum of their peaks")
    scopes = sorted({part.trace.scope for part in parts})
    notes += [_COVERS[scope] for scope in scopes if scope in _COVERS]
    periods = [part.meter.period_s for part in parts]
    return EnergyResult(
        **numbers,
        source=" + ".join(sorted({f"{part.trace.source} {part.meter.kind}" for part in parts})),
        scope=" + ".join(scopes),
        n_periods=min(part.meter.n_periods for part in parts),
        counter_period_s=max(periods),
        idle_s=None if idle is None else idle.seconds,
        load_s=load.seconds,
        calls=calls,
        reasons=reasons,
        notes=tuple(notes),
    )


def _read_idle(parts: Sequence[_Part], idle: Window | None) -> float | str:
    """Mean power of all parts in the idle window, by the meters that the load was read with."""
    if idle is None:
        return "there was no idle window"
    if idle.seconds < IDLE_S:
        return f"the idle window lasted {idle.seconds:.1f} s; at least {IDLE_S:.0f} s are needed"
    total_w = 0.0
    for part in parts:
        meter = part.read(part.trace, idle, _IDLE_PERIODS)
        if isinstance(meter, str):
            return f"idle window of {part.trace.device}: {meter}"
        total_w += meter.average_w
    return total_w


def _why_absent(absent: Mapping[str, Unavailable]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in absent.items())
