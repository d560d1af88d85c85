"""What share of its data sheet's peak a generation reaches, where somebody counted the operations of the work.

Only throughput without a limit on latency (MLPerf's Offline, or what has no rules), and only work whose operations
``catalog.benchmark_operations`` or the source itself knows. Most work has no such count; how generations compare on all
of it is ``datasheet_bias``. May import: core, catalog, analysis; scipy inside functions.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from assay.analysis.datasheet_bias import NOT_STATED
from assay.analysis.datasheet_values import Basis, SheetEvidence, SheetValue
from assay.catalog.benchmark_operations import BENCHMARK_OPERATIONS, Operations
from assay.core.words import Provenance

_FEWEST_WITNESSES = 3
_UNLIMITED = "Offline"


@dataclass(frozen=True, slots=True)
class SheetShare:
    """The share of the peak that devices of a generation reached at one work: the geometric mean over witnesses.

    A witness counts once, with the mean of the logarithms of its values. ``lo`` and ``hi`` bound the mean at ``level``
    (Student's t over witnesses); with fewer than three witnesses they are None. ``lowest`` and ``highest`` are single
    values. ``is_bound`` says that the true share is at least this, and ``reason`` why.
    """

    vendor: str
    architecture: str
    precision: str
    workload: str
    provenance: Provenance
    share: float
    lo: float | None
    hi: float | None
    level: float
    lowest: float
    highest: float
    n: int
    witnesses: int
    devices: int
    operations: Operations
    is_bound: bool
    reason: str | None


def find_shares(evidence: SheetEvidence, *, level: float = 0.95) -> tuple[SheetShare, ...]:
    """Return the shares of every generation, precision and work that can be told, by work, highest first.

    A value whose source states no precision is held against the faster of the 8- and 16-bit peaks, so its share is a
    bound from below.
    """
    found: dict[tuple[str, str, str, str, Provenance], list[tuple[SheetValue, float]]] = {}
    for one in evidence.values:
        share = _share(one)
        if share is not None:
            key = (
                one.workload, one.hardware.vendor, one.hardware.architecture, one.precision or NOT_STATED,
                one.provenance,
            )  # fmt: skip
            found.setdefault(key, []).append((one, share))
    shares = [_gather(key, values, level) for key, values in found.items()]
    return tuple(sorted(shares, key=lambda one: (one.workload, one.precision == NOT_STATED, -one.share)))


def _share(one: SheetValue) -> float | None:
    operations = BENCHMARK_OPERATIONS.get((one.workload, one.subject.unit_of_work or ""))
    if operations is None or one.subject.options.get("scenario", _UNLIMITED) != _UNLIMITED:
        return None
    if one.precision is not None:
        peak = one.promised(Basis.STATED)
    else:
        peak = max((rate for basis in (Basis.PEAK16, Basis.PEAK8) if (rate := one.promised(basis))), default=None)
    return None if not peak else operations.operations * one.rate_per_s / peak


def _gather(
    key: tuple[str, str, str, str, Provenance], values: Sequence[tuple[SheetValue, float]], level: float
) -> SheetShare:
    from scipy.special import stdtrit

    workload, vendor, architecture, precision, provenance = key
    by_witness: dict[str, list[float]] = {}
    for one, share in values:
        by_witness.setdefault(one.witness, []).append(math.log(share))
    logs = [statistics.fmean(own) for own in by_witness.values()]
    middle, count = statistics.fmean(logs), len(logs)
    half = None
    if count >= _FEWEST_WITNESSES:
        half = float(stdtrit(count - 1, 0.5 + level / 2)) * statistics.stdev(logs) / math.sqrt(count)
    operations = BENCHMARK_OPERATIONS[workload, values[0][0].subject.unit_of_work or ""]
    reasons = [
        "a unit of work takes at least the operations counted" if operations.is_bound else None,
        "no precision stated: against the faster of the 8- and 16-bit peaks" if precision == NOT_STATED else None,
    ]
    few = f"no interval: {count} witnesses, expected {_FEWEST_WITNESSES}" if half is None else None
    return SheetShare(
        vendor, architecture, precision, workload, provenance, math.exp(middle),
        None if half is None else math.exp(middle - half), None if half is None else math.exp(middle + half), level,
        min(share for _, share in values), max(share for _, share in values), len(values), count,
        len({one.device.label for one, _ in values}), operations, any(reasons),
        "; ".join(filter(None, [*reasons, few])) or None,
    )  # fmt: skip
