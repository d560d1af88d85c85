"""Results of optimum-benchmark: ``benchmark.json`` (configuration and report), or either half of it alone.

Fields as ``trackers/{latency,memory,energy}.py`` and ``scenarios/*/scenario.py`` of 0.6 write them. A report has
targets (``load_model``, ``prefill``, ``decode``, ``forward``, ``train``, ...), each with latency, throughput, memory,
energy and efficiency, or null for what was not measured. May import: core, importers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.records import SampleSeries
from assay.core.words import Mark
from assay.importers.base import Conversion, Facts, ImportedRow, ImportFileError, Item, Note, RowError, importers
from assay.importers.numbers import Numbers, read_number
from assay.importers.plain import plain, pointer
from assay.importers.source import Source
from assay.importers.tools.optimum_config import Work, read_case, read_hardware
from assay.importers.tools.records import (
    checked_unit,
    count_of,
    make_series,
    object_of,
    optional_list,
    optional_object,
    read_readings,
    refuse,
    require_some,
    without,
)

_GROUPS = frozenset({"memory", "latency", "throughput", "energy", "efficiency"})
_STATS = {"mean": "mean", "p50": "median", "p90": "p90", "p95": "p95", "p99": "p99", "stdev": "std"}
_LATENCIES = {
    "load_model": ("load_ns", "steady"), "first_generate": ("first_infer_ns", "steady"),
    "first_call": ("first_infer_ns", "steady"), "first_forward": ("first_infer_ns", "steady"),
    "forward": ("latency_ns", "steady"), "call": ("latency_ns", "steady"), "train": ("latency_ns", "steady"),
    "generate": ("generation_ns", "steady"), "prefill": ("prefill_ns", "steady"),
    "per_token": ("inter_token_latency_ns", "steady"),
}  # fmt: skip
"""Targets whose time has a metric of its own; any other is a latency in a phase of the target's name."""
_STEADY = frozenset({"forward", "call", "train"})
_PER_CALL = frozenset({"forward", "call", "prefill", "generate", "decode"})
"""Targets whose energy was divided by the calls; that of the others is of all they did."""
_MEMORIES = {
    "max_ram": ("memory_used_bytes", ""), "max_allocated": ("device_memory_peak_bytes", ""),
    "max_global_vram": ("device_memory_driver_bytes", ""), "max_process_vram": ("memory_used_bytes", "process_vram"),
    "max_reserved": ("memory_used_bytes", "reserved"),
}  # fmt: skip
_JOULES_PER_KWH = 3.6e6


class OptimumBenchmark:
    """One run: a row with the numbers of all targets."""

    name = "optimum-benchmark"
    title = "optimum-benchmark JSON"

    def recognise(self, source: Source) -> bool:
        """True for a report, a configuration, or both."""
        content = source.json_or_none()
        if not isinstance(content, dict):
            return False
        if "report" in content and "config" in content:
            return _is_report(content["report"]) and _is_config(content["config"])
        return _is_report(content) or _is_config(content)

    def read(self, source: Source) -> Iterator[Item]:
        """Give the machine and one row; a configuration alone has no row, a report alone does not name its model."""
        content = object_of(source, self.title)
        config, report, place = content, content, ""
        if "report" in content and "config" in content:
            config, report, place = content["config"], content["report"], pointer("report")
        elif _is_config(content):
            yield Facts({"config": plain(content)}, read_hardware(content))
            yield Note("It is a configuration and holds no results; those are in benchmark.json beside it.")
            return
        elif _is_report(content):
            config = {}
        else:
            raise ImportFileError(f"{source.name} is neither a report nor a configuration of {self.title}.")
        if not isinstance(config, dict) or not isinstance(report, dict) or not report:
            raise ImportFileError(f"{source.name}: config and report are no objects, expected those of {self.title}.")
        if config:
            yield Facts({"environment": plain(config.get("environment"))}, read_hardware(config))
        else:
            yield Note(
                "A report alone does not say which model was measured; import benchmark.json where there is one."
            )
        try:
            if config:
                case, work = read_case(config)
            else:
                case = ForeignCase.make(workload="unnamed", options={"report": source.sha256[:12]})
                work = Work(None, None)
            yield _read(place, case, work, config, report)
        except RowError as error:
            yield refuse(place, error, {"config": config, "report": report} if config else report)


def _is_report(content: object) -> bool:
    if not isinstance(content, dict) or not content:
        return False
    groups = [target.items() if isinstance(target, dict) else [("", target)] for target in content.values()]
    said = [group for target in groups for group in target]
    known = all(name in _GROUPS and (group is None or isinstance(group, dict)) for name, group in said)
    return known and any(isinstance(group, dict) and "unit" in group for _, group in said)


def _is_config(content: object) -> bool:
    return isinstance(content, dict) and content.keys() >= {"backend", "scenario", "launcher", "environment"}


def _read(
    place: str, case: ForeignCase, work: Work, config: Mapping[str, Any], report: Mapping[str, Any]
) -> ImportedRow:
    numbers = Numbers()
    marks: dict[Mark, str] = {}
    samples: list[SampleSeries] = []
    for target in report:
        try:
            content = optional_object(report, target)
            samples += _add_latency(numbers, target, optional_object(content, "latency"))
            corrected = _add_throughput(numbers, target, content, work)
            _add_memory(numbers, target, optional_object(content, "memory"))
            _add_energy(numbers, target, optional_object(content, "energy"))
            derived = _add_efficiency(numbers, target, optional_object(content, "efficiency"))
        except RowError as error:
            raise RowError(f"{target}: {error.message}") from None
        marks |= {Mark.CORRECTED: corrected} if corrected else {}
        marks |= {Mark.DERIVED: derived} if derived else {}
    require_some(numbers)
    if samples and all(len(series.values) == 1 for series in samples):
        marks[Mark.SINGLE_SHOT] = "one timed call of each target"
    return ImportedRow(
        place,
        case,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields={
            "config": without(config, "environment"),
            "report": {target: _without_values(content) for target, content in report.items()},
        },
        units_per_call=float(work.batch) if work.batch else None,
        unit_of_work="sample",
        samples=tuple(samples),
        marks=marks,
    )


def _without_values(content: Any) -> Any:
    if isinstance(content, dict) and isinstance(content.get("latency"), dict):
        return {**without(content, "latency"), "latency": without(content["latency"], "values")}
    return plain(content)


def _phase(target: str, part: str = "") -> str:
    """Return the phase that a target stands for, and a part of what was measured in it: ``prefill.gpu``, ``gpu``."""
    words = [word for word in ("" if target in _STEADY else target, part) if word]
    return ".".join(words) or "steady"


def _add_latency(numbers: Numbers, target: str, latency: dict[str, Any]) -> tuple[SampleSeries, ...]:
    if not latency:
        return ()
    metric, phase = _LATENCIES.get(target, ("latency_ns", target))
    unit = checked_unit(metric, latency.get("unit"), "latency/unit")
    values = read_readings(optional_list(latency, "values") or (), "latency/values")
    count = count_of(latency.get("count"), "latency/count")
    for field, stat in _STATS.items():
        # The spread of a single reading is written as 0, and is none.
        if field in latency and not (stat == "std" and count == 1):
            numbers.add(
                metric, latency[field], field=f"{target}/latency/{field}", unit=unit, stat=stat, phase=phase, n=count,
                zero_is_unknown=stat != "std",
            )  # fmt: skip
    name = metric if phase == "steady" else f"{phase}_{metric}"
    return make_series(name, ((value, 1) for value in values), unit=unit)


def _add_throughput(numbers: Numbers, target: str, content: Mapping[str, Any], work: Work) -> str | None:
    """Add a rate, and return what was put right in it.

    Where tokens are timed one by one, 0.6 divides the decoded *tokens* by the time of a generation and calls the
    result samples/s (``run_per_token_text_generation_latency_tracking``): too high by the tokens of a sample.
    """
    throughput, latency = optional_object(content, "throughput"), optional_object(content, "latency")
    if not throughput:
        return None
    unit, metric, phase = throughput.get("unit"), "throughput_per_s", _phase(target)
    if not isinstance(unit, str) or not unit.endswith("/s"):
        raise RowError(f"throughput/unit is {unit!r:.40}, expected something per s.")
    if (target, unit) == ("decode", "tokens/s"):
        metric, phase = "decode_tokens_per_s", "steady"
    field = f"{target}/throughput/value"
    numbers.add(metric, throughput.get("value"), field=field, unit="1/s", phase=phase, note=f"in {unit}")
    value, mean = numbers.metrics[-1].value, read_number(latency.get("mean"))
    tokens = work.decoded_tokens
    if target != "generate" or unit != "samples/s" or not (value and mean and work.batch and tokens and tokens > 1):
        return None
    if not math.isclose(value * mean, work.batch * tokens, rel_tol=1e-6):
        return None
    numbers.metrics.pop()
    key = "throughput_per_s.mean.generate"
    numbers.conversions.pop(key)
    how = f"{value:g} counts {tokens} decoded tokens of each sample; divided by them"
    numbers.derive("throughput_per_s", value / tokens, field=field, how=how, phase="generate")
    numbers.conversions[key] = Conversion(field, "tokens/s", 1 / tokens, how)
    return f"generate/throughput is {value:g} samples/s in the file, which counts tokens; read as {value / tokens:g}"


def _add_memory(numbers: Numbers, target: str, memory: dict[str, Any]) -> None:
    for field, (metric, part) in _MEMORIES.items():
        if memory.get(field) is not None:
            unit = checked_unit(metric, memory.get("unit"), "memory/unit")
            numbers.add(
                metric,
                memory[field],
                field=f"{target}/memory/{field}",
                unit=unit,
                stat="max",
                phase=_phase(target, part),
            )


def _add_energy(numbers: Numbers, target: str, energy: dict[str, Any]) -> None:
    if not energy:
        return
    metric = "energy_j_per_call" if target in _PER_CALL else "energy_j"
    unit = checked_unit(metric, energy.get("unit"), "energy/unit")
    for part in ("total", "cpu", "gpu", "ram"):
        if part in energy:
            phase = _phase(target, "" if part == "total" else part)
            numbers.add(metric, energy[part], field=f"{target}/energy/{part}", unit=unit, phase=phase)


def _add_efficiency(numbers: Numbers, target: str, efficiency: dict[str, Any]) -> str | None:
    if not efficiency:
        return None
    unit, field = efficiency.get("unit"), f"{target}/efficiency/value"
    if not isinstance(unit, str) or not unit.endswith("/kWh"):
        raise RowError(f"efficiency/unit is {unit!r:.40}, expected something per kWh.")
    try:
        value = read_number(efficiency.get("value"))
    except RowError as error:
        raise RowError(f"efficiency/value: {error.message}") from None
    if value is not None and value < 0:
        raise RowError(f"efficiency/value: {value:g} {unit} is negative.")
    numbers.derive(
        "energy_j_per_sample", _JOULES_PER_KWH / value if value else None, field=field,
        how=f"3.6e6 J/kWh over efficiency in {unit}", phase=_phase(target),
    )  # fmt: skip
    return "energy of a sample is the inverse of the file's efficiency"


importers.add(OptimumBenchmark.name, OptimumBenchmark())
