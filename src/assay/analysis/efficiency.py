"""What devices make of what they have: the share of the data sheet's peak, and work for a joule.

Both only where every number in them is known: operations that the source counted, a peak of the catalogue, power that
somebody measured. A data sheet's TDP is no measured power and stands for none. May import: core, catalog, analysis;
numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.analysis.device_names import DeviceName
from assay.analysis.kpi import KpiFrame
from assay.analysis.side_by_side import Subject
from assay.core.words import Provenance

ARITHMETIC: Mapping[str, str] = {
    "fp32": "fp32", "fp16": "fp16", "bf16": "bf16", "int8": "int8", "tf32": "tf32", "fp8": "fp8", "amp": "fp16",
    "amp_bf16": "bf16",
}  # fmt: skip
"""Precision as a result says it, and the peak it is held against: mixed precision multiplies in its narrow type."""
_OPERATIONS_PER_MAC = 2


@dataclass(frozen=True, slots=True)
class PeakShare:
    """The share of its peak that a device reached, over ``n`` subjects: quartiles and the highest.

    operations a second / peak = 2 x MACs of a sample x samples a second / the catalogue's dense rate of ``arithmetic``.
    """

    device: DeviceName
    precision: str
    arithmetic: str
    provenance: Provenance
    n: int
    p25: float
    median: float
    p75: float
    highest: float
    peak_per_s: float


@dataclass(frozen=True, slots=True)
class WorkPerJoule:
    """Units of work that a system did for a joule, by power or energy that was measured; ``how`` says by which."""

    subject: Subject
    device: DeviceName
    provenance: Provenance
    per_joule: float
    power_w: float | None
    throughput_per_s: float | None
    results: int
    how: str


def shares_of_peak(frame: KpiFrame) -> tuple[PeakShare, ...]:
    """Return what share of its peak each device reached, by precision; highest median first.

    Only inference of one device, where the source counted the operations of a sample.
    """
    import numpy as np

    if not {"macs", "throughput_per_s"} <= frame.values.keys():
        return ()
    rate = _OPERATIONS_PER_MAC * frame.values["macs"] * frame.values["throughput_per_s"]
    modes, units, precisions = (frame.texts(name) for name in ("mode", "unit_of_work", "precision"))
    accelerators = np.array([count in (None, 1) for count in frame.rows["accelerators"].to_pylist()], dtype=bool)
    keep = np.flatnonzero(~np.isnan(rate) & (modes == "inference") & (units == "sample") & accelerators)
    provenance = frame.texts("provenance")
    found: dict[tuple[int, str, str], list[float]] = {}
    for row in keep.tolist():
        precision = precisions[row]
        if precision in ARITHMETIC:
            found.setdefault((int(frame.device[row]), precision, provenance[row]), []).append(float(rate[row]))
    shares = []
    for (place, precision, word), rates in found.items():
        device, arithmetic = frame.devices[place], ARITHMETIC[precision]
        peak = None if device.hardware is None else device.hardware.peak(arithmetic)
        if peak is not None:
            p25, median, p75, highest = (float(one) for one in np.percentile(np.array(rates) / peak, [25, 50, 75, 100]))
            shares.append(
                PeakShare(device, precision, arithmetic, Provenance(word), len(rates), p25, median, p75, highest, peak)
            )
    return tuple(sorted(shares, key=lambda one: (-one.median, one.device.label, one.precision)))


def work_per_joule(frame: KpiFrame) -> tuple[WorkPerJoule, ...]:
    """Return the rows whose power or energy was measured, by workload, most work for a joule first."""
    import numpy as np

    energy = frame.values.get("energy_j_per_sample")
    power, rate = frame.values.get("average_power_w"), frame.values.get("throughput_per_s")
    blank = np.full(len(frame), np.nan)
    energy = blank if energy is None else energy
    power, rate = (blank if one is None else one for one in (power, rate))
    provenance, results = frame.texts("provenance") if len(frame) else blank, None
    found: list[WorkPerJoule] = []
    for row in np.flatnonzero(~np.isnan(energy) | ~np.isnan(power + rate)).tolist():
        results = frame.rows["results"][row].as_py()
        is_direct = not np.isnan(energy[row])
        found.append(
            WorkPerJoule(
                subject=frame.subject_of(row),
                device=frame.devices[int(frame.device[row])],
                provenance=Provenance(provenance[row]),
                per_joule=float(1 / energy[row] if is_direct else rate[row] / power[row]),
                power_w=_known(power[row]),
                throughput_per_s=_known(rate[row]),
                results=results,
                how="1 / energy of a unit of work" if is_direct else "throughput / mean power",
            )
        )
    return tuple(sorted(found, key=lambda one: (one.subject.workload, one.subject.label, -one.per_joule)))


def _known(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)
