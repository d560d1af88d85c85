"""What no importer can see from one row: numbers that cannot be, measurements that repeat, devices that are none.

Impossible rows are refused with both numbers in the message; odd ones are taken, marked where the mark is known to be
right. May import: core, stats, importers.base.
"""

from __future__ import annotations

import itertools
import math
import re
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

from assay.core.ids import content_hash
from assay.core.units import format_duration_ns, format_significant
from assay.core.words import Mode, Status
from assay.importers.base import ImportedRow
from assay.stats.fallback import FEWEST_PAIRS, FallbackSuspicion, suspect_fallback

SLIP = 1000.0
"""Latency and throughput of one row that disagree so far are in different units than the row says."""
_SLIP_OF_UNKNOWN_BATCH = 1e6
"""Where it is not known how many units a call does, or how many calls go at once, only this is beyond doubt."""
_LONGEST_NS = 1e15
_SPREADS = frozenset({"std", "iqr", "mad"})
"""Statistics of a latency that are none: a steady benchmark has a spread of 0."""
_SHORTEST_NS = 0.1
"""Half a cycle of a 5 GHz processor. Loops of microbenchmarks do take 0.3 ns an iteration."""
_LARGEST_INT = 2**63 - 1
_COUNTED_AS_BATCH = frozenset({None, "sample", "image", "item", "query", "sequence"})
_STATS = ("median", "mean", "min")
_WORDS = re.compile(r"[a-z]+")
_ACCELERATORS = frozenset(
    (
        *("cuda", "gpu", "rocm", "hip", "mps", "metal", "xpu", "npu", "tpu", "hpu", "ane", "directml", "dml", "vulkan"),
        *("webgpu", "webnn", "openvino", "tensorrt", "coreml", "qnn", "qualcomm", "hexagon", "gaudi", "habana"),
        *("nvidia", "geforce", "rtx", "gtx", "quadro", "tesla", "amd", "radeon", "instinct"),
    )
)


def find_fault(row: ImportedRow) -> str | None:
    """Say why a row cannot be kept or cannot be true; None where nothing speaks against it."""
    return _unstorable(row) or _impossible(row) or _unit_slip(row)


def fingerprint(row: ImportedRow) -> str | None:
    """Hash what was measured and what came out, wherever it stands; None for a row without a number.

    Failures have none: the same case failing twice is two failures.
    """
    numbers = sorted([one.name, one.stat, one.phase, one.value] for one in row.metrics if one.value is not None)
    readings = [[series.name, series.calls_per_sample, list(series.values)] for series in row.samples if series.values]
    if not numbers and not readings:
        return None
    return content_hash([row.case.to_dict(), numbers, readings])


def _unstorable(row: ImportedRow) -> str | None:
    if not row.case.workload:
        return "the row names no workload"
    counts = [("batch", row.case.batch), ("parameters", row.parameters), *row.case.shape]
    counts += [(f"n of {one.name}", one.n) for one in row.metrics]
    for name, count in counts:
        if count is not None and not 0 <= count <= _LARGEST_INT:
            return f"{name} is {count:.6g}, which is no count"
    numbers = [(f"option {name}", value) for name, value in row.case.options if isinstance(value, float)]
    numbers += [(one.name, value) for one in row.metrics for value in (one.value, one.ci_lo, one.ci_hi) if value]
    for name, number in [*numbers, ("units_per_call", row.units_per_call or 0.0)]:
        if not math.isfinite(number):
            return f"{name} is {number}, which is no measurement"
    for series in row.samples:
        if any(not 0 <= reading <= _LARGEST_INT for reading in series.values):
            return f"a raw reading of {series.name} is negative or beyond what a clock can say"
    return None


def _impossible(row: ImportedRow) -> str | None:
    for one in row.metrics:
        if one.name != "latency_ns" or one.value is None or one.stat in _SPREADS:
            continue
        if one.value <= 0:
            return f"a latency of {one.value:g} ns ({one.stat}) cannot be"
        if one.value > _LONGEST_NS:
            days = one.value / 86400e9
            return f"a latency of {one.value / 1e9:.4g} s ({one.stat}), {days:.3g} days a call, cannot be: is it in ns?"
        if one.value < _SHORTEST_NS:
            return f"a latency of {one.value:.4g} ns ({one.stat}) cannot be: is it in another unit?"
    return None


def _unit_slip(row: ImportedRow) -> str | None:
    latency, throughput = headline(row, "latency_ns"), headline(row, "throughput_per_s")
    if not latency or not throughput:
        return None
    units = row.units_per_call
    if units is None and row.unit_of_work in _COUNTED_AS_BATCH:
        units = row.case.batch
    is_certain = bool(units) and row.case.mode is not Mode.SERVING
    expected = (units or 1.0) * 1e9 / latency
    factor = max(throughput / expected, expected / throughput)
    if factor < (SLIP if is_certain else _SLIP_OF_UNKNOWN_BATCH):
        return None
    shown = format_significant(units or 1)
    return (
        f"its latency of {format_duration_ns(latency)} and its throughput of {format_significant(throughput)}/s "
        f"disagree {factor:.1e}-fold ({shown} units a call would be {format_significant(expected)}/s): "
        "one of them is in another unit"
    )


def headline(row: ImportedRow, name: str) -> float | None:
    """Return one number of a row, steady phase, the best statistic there is; None where it is not known."""
    values = {one.stat: one.value for one in row.metrics if one.name == name and one.phase == "steady"}
    return next((values[stat] for stat in _STATS if values.get(stat) is not None), None)


@dataclass(frozen=True, slots=True)
class Fallback:
    """An accelerator whose rows are too equal to the CPU's, and the files in which that was seen."""

    device: str
    cpu: str
    files: frozenset[int]
    suspicion: FallbackSuspicion

    @property
    def text(self) -> str:
        """Why the rows are marked."""
        return f"{self.device} and {self.cpu}: {self.suspicion.text}"


Times = dict[tuple[int, str], list[float]]
"""What one case took: by file and device."""


class DevicePairs:
    """Collects what CPU and accelerators took for the same cases, over all files of an import."""

    def __init__(self) -> None:
        self._times: dict[str, Times] = defaultdict(lambda: defaultdict(list))

    def add(self, file: int, row: ImportedRow) -> None:
        """Take in a row, if it can be used and says its device and how long a call took (or how many it did)."""
        device = row.case.device
        if row.status is not Status.OK or device is None or any(mark.excludes for mark in row.marks):
            return
        if not (is_cpu(device) or is_accelerator(device)):
            return
        latency, throughput = headline(row, "latency_ns"), headline(row, "throughput_per_s")
        time = latency or (1 / throughput if throughput else None)
        if time is not None:
            self._times[replace(row.case, device=None).case_id][file, device].append(time)

    def find(self) -> list[Fallback]:
        """Return the accelerators under suspicion.

        A file that has enough cases on both devices is judged by itself: it is one machine in one state, and another's
        speed says nothing of it. The others are judged together.
        """
        found = []
        for (cpu, device), cases in sorted(self._pair_up().items()):
            by_file: dict[int, list[Pair]] = defaultdict(list)
            for one in cases:
                for file in one.files:
                    by_file[file].append(one)
            alone = {file for file, met in by_file.items() if sum(one.is_within for one in met) >= FEWEST_PAIRS}
            for file in sorted(alone):
                own = [one.times for one in by_file[file] if one.is_within]
                found.append(Fallback(device, cpu, frozenset({file}), suspect_fallback(own)))
            rest = [one for one in cases if alone.isdisjoint(one.files)]
            files = frozenset(file for one in rest for file in one.files)
            found.append(Fallback(device, cpu, files, suspect_fallback([one.times for one in rest])))
        return [one for one in found if one.suspicion.is_suspect]

    def _pair_up(self) -> dict[tuple[str, str], list[Pair]]:
        """Return what each case took on a CPU and an accelerator, by the two."""
        pairs: dict[tuple[str, str], list[Pair]] = defaultdict(list)
        for times in self._times.values():
            devices = sorted({device for _, device in times})
            for cpu, device in itertools.product(filter(is_cpu, devices), filter(is_accelerator, devices)):
                of_cpu = {file: found for (file, name), found in times.items() if name == cpu}
                of_device = {file: found for (file, name), found in times.items() if name == device}
                pairs[cpu, device] += _meetings(of_cpu, of_device)
        return pairs


@dataclass(frozen=True, slots=True)
class Pair:
    """The median times of one case on a CPU and an accelerator, and the files with the accelerator's rows."""

    times: tuple[float, float]
    files: frozenset[int]
    is_within: bool
    """True where one file has both."""


def _meetings(of_cpu: Mapping[int, list[float]], of_device: Mapping[int, list[float]]) -> list[Pair]:
    """Pair the medians of each file that has both devices; where none has, those over all files."""
    both = sorted(of_cpu.keys() & of_device.keys())
    if both:
        return [
            Pair(
                (statistics.median(of_cpu[file]), statistics.median(of_device[file])), frozenset({file}), is_within=True
            )
            for file in both
        ]
    medians = statistics.median(chain(*of_cpu.values())), statistics.median(chain(*of_device.values()))
    return [Pair(medians, frozenset(of_device), is_within=False)]


def is_cpu(device: str) -> bool:
    """True where a source's word for a device means the CPU (``cpu``, ``openvino:CPU``)."""
    return "cpu" in _WORDS.findall(device.lower())


def is_accelerator(device: str) -> bool:
    """True where a source's word for a device is known to mean something other than the CPU."""
    words = _WORDS.findall(device.lower())
    return "cpu" not in words and not _ACCELERATORS.isdisjoint(words)
