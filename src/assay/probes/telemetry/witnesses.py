"""What telemetry says for or against a timing: throttling, falling clocks, heat, neighbours on the device.

The names go into the launch's witnesses; which of them make a verdict is decided in probes/noise.py. May import:
standard library and core.
"""

from __future__ import annotations

import statistics
from typing import Final

from assay.probes.telemetry.base import DISTURBING, Telemetry, Throttle, Window

_EDGE_SHARE: Final = 0.2
_LEAST_EDGE: Final = 3


def telemetry_witnesses(
    telemetry: Telemetry, window: Window, *, device: str, before: Window | None = None
) -> dict[str, float]:
    """Return the witnesses of ``device`` in ``window``; what was not read gets no entry.

    ``before`` is a window in which the worker did not use the device yet: work and processes seen then are
    others'. Keys of a GPU start with ``device_``, those of the CPU with ``host_``.
    """
    found = _read_states(telemetry, window, "cpu", "host")
    if device != "cpu":
        found |= _read_states(telemetry, window, device, "device")
        found |= {} if before is None else _read_neighbours(telemetry, before, device)
    return {name: value for name, value in found.items() if value is not None}


def find_throttle_words(telemetry: Telemetry, window: Window, device: str) -> tuple[str, ...]:
    """Return every throttle reason seen in ``window``, in words; idling and set clocks are none."""
    seen = Throttle(0)
    for value in _values(telemetry, "throttle_mask", device, window):
        seen |= Throttle(int(value))
    return (seen & (DISTURBING | Throttle.POWER_CAP)).words


def _read_states(telemetry: Telemetry, window: Window, device: str, prefix: str) -> dict[str, float | None]:
    masks = [Throttle(int(value)) for value in _values(telemetry, "throttle_mask", device, window)]
    clocks = _values(telemetry, "clock_mhz", device, window)
    limits = _values(telemetry, "power_limit_w", device, window) or _values(telemetry, "power_limit_w", device, None)
    return {
        f"{prefix}_throttled_share": _share(masks, DISTURBING),
        f"{prefix}_power_capped_share": _share(masks, Throttle.POWER_CAP),
        f"{prefix}_clock_mhz": statistics.median(clocks) if clocks else None,
        f"{prefix}_clock_fall": _measure_fall(clocks),
        f"{prefix}_temperature_max_c": max(_values(telemetry, "temperature_c", device, window), default=None),
        f"{prefix}_power_limit_w": limits[-1] if limits else None,
        f"{prefix}_utilisation_share": _mean(_values(telemetry, "utilisation_share", device, window)),
    }


def _read_neighbours(telemetry: Telemetry, before: Window, device: str) -> dict[str, float | None]:
    processes = _values(telemetry, "processes", device, before)
    return {
        "device_other_utilisation_share": _mean(_values(telemetry, "utilisation_share", device, before)),
        "device_other_processes": max(processes, default=None),
    }


def _values(telemetry: Telemetry, sensor: str, device: str, window: Window | None) -> list[float]:
    return [value for trace in telemetry.find(sensor, device) for _, value in trace.points(window)]


def _share(masks: list[Throttle], wanted: Throttle) -> float | None:
    return sum(1 for mask in masks if mask & wanted) / len(masks) if masks else None


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _measure_fall(clocks: list[float]) -> float | None:
    """Return how much lower the last fifth is than the first, as a share; a rise is 0."""
    edge = max(_LEAST_EDGE, round(len(clocks) * _EDGE_SHARE))
    if len(clocks) < 2 * edge:
        return None
    first, last = statistics.median(clocks[:edge]), statistics.median(clocks[-edge:])
    return max(0.0, 1 - last / first) if first > 0 else None
