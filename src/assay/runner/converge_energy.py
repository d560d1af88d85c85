"""Joules until a target was reached, from the sensors that the supervisor read while a launch trained.

No pass of its own: training to a target is the load, and it cannot be repeated. May import: core, catalog, probes,
runner.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay.catalog.metrics import metrics as registry
from assay.core.absence import Unavailable
from assay.core.records import MetricValue
from assay.probes.telemetry.base import Telemetry, Window
from assay.probes.telemetry.energy import energy_of
from assay.runner.protocol import Measured

_NAME, _TIME = "energy_to_target_j", "time_to_train_ns"


def measure_energy_to_target(
    measured: Measured, telemetry: Telemetry, *, device: str, absent: Mapping[str, Unavailable]
) -> tuple[MetricValue, ...]:
    """Energy between the first step and the target, idle draw included; nothing of a launch that had no target.

    The window begins where timing did and lasts the time to the target; what is read of it must be as much as every
    energy needs (10 s, 20 updates of the meter). Where there is no number, the reason says why.
    """
    time = next((one for one in measured.metrics if one.name == _TIME), None)
    begin = measured.marks_ns.get("measure_begin")
    if time is None:
        return ()
    if time.value is None or begin is None:
        return (_metric(None, time.reason or "when training began is not known"),)
    window = Window(begin, begin + round(time.value))
    found = energy_of(telemetry, [device], idle=None, load=window, calls=1, absent=absent)
    return (_metric(found.gross_j_per_call, found.reason),)


def _metric(value: float | None, reason: str | None) -> MetricValue:
    return MetricValue(_NAME, value, registry.get(_NAME).unit, reason=reason)
