"""The two logs of LoadGen as one set of names: those of the detail log, which the summary for people is brought to.

Nothing here judges; it reads. May import: core, importers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.importers.base import ImportFileError
from assay.importers.source import Source, parse_json

MARK = ":::MLLOG "
BANNER = "MLPerf Results Summary"
_MAX_LINE = 1 << 20
_MAX_REPEATS = 100
_PAIR = re.compile(r"([^:]+?)\s*:\s*(.*)")
_SECTION = re.compile(r"(Recommendations|Early Stopping Result):")
_UNMET = re.compile(r"(.+ satisfied)\s*:\s*NO")
_PERCENTILE = re.compile(r"(\d+\.\d+) percentile latency \(ns\)")
_ESTIMATE = re.compile(r"Early stopping (\d+\.\d+)th percentile estimate: (\d+)")
_LABELS = {
    "SUT name": "sut_name",
    "Scenario": "effective_scenario",
    "Mode": "effective_test_mode",
    "Result is": "result_validity",
    "Samples per second": "result_samples_per_second",
    "Tokens per second": "result_tokens_per_second",
    "Completed samples per second": "result_completed_samples_per_sec",
    "Completed tokens per second": "result_completed_tokens_per_second",
    "Scheduled samples per second": "result_scheduled_samples_per_sec",
    "QPS w/ loadgen overhead": "result_qps_with_loadgen_overhead",
    "QPS w/o loadgen overhead": "result_qps_without_loadgen_overhead",
    "Min latency (ns)": "result_min_latency_ns",
    "Max latency (ns)": "result_max_latency_ns",
    "Mean latency (ns)": "result_mean_latency_ns",
    "target_latency (ns)": "effective_target_latency_ns",
    "min_duration (ms)": "effective_min_duration_ms",
    "max_duration (ms)": "effective_max_duration_ms",
}
_SETTINGS = frozenset({
    "samples_per_query", "target_qps", "max_async_queries", "min_query_count", "max_query_count",
    "performance_sample_count", "accuracy_sample_count",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunLog:
    """What one log says of one run, under the names of LoadGen's detail log.

    ``own_names`` are the names that the log itself has for them, ``fields`` all that it says under those. ``reasons``
    are its own words why the run is INVALID, ``estimates`` its early-stopping bounds by percentile, in ns.
    """

    values: Mapping[str, Any]
    fields: Mapping[str, Any]
    own_names: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    estimates: Mapping[str, float] = field(default_factory=dict)

    def own_name(self, name: str) -> str:
        """What the log itself calls something."""
        return self.own_names.get(name, name)


def read_detail(source: Source) -> RunLog:
    """Read ``mlperf_log_detail.txt``. Raises ImportFileError where a line of it is broken."""
    values: dict[str, Any] = {}
    errors: list[str] = []
    for number, line in _lines(source):
        if not line.startswith(MARK):
            continue
        entry = parse_json(line.removeprefix(MARK), f"{source.name}, line {number}", depth=source.limits.depth)
        if not isinstance(entry, dict) or not isinstance(entry.get("key"), str) or "value" not in entry:
            raise ImportFileError(f"{source.name}, line {number}: not an entry of LoadGen's log (key, value).")
        values[entry["key"]] = entry["value"]
        metadata = entry.get("metadata")
        if isinstance(metadata, dict) and metadata.get("is_error") is True and len(errors) < _MAX_REPEATS:
            errors.append(one_line(entry["value"]))
    if not values:
        raise ImportFileError(f"{source.name} has no entry of LoadGen's log.")
    return RunLog(values, values, reasons=_find_reasons(values, errors), estimates=_find_estimates(values))


def read_summary(source: Source) -> RunLog:
    """Read ``mlperf_log_summary.txt``. Raises ImportFileError where it is none."""
    fields: dict[str, Any] = {}
    said: dict[str, list[str]] = {"Recommendations": [], "Early Stopping Result": []}
    unmet: list[str] = []
    section: str | None = None
    for line in source.text().splitlines():
        if hit := _SECTION.fullmatch(line.strip()):
            section = hit[1]
        elif section is not None and line.startswith(" "):
            said[section].append(line)
        else:
            section = None
            if hit := _UNMET.fullmatch(line.strip()):
                unmet.append(f"{one_line(hit[1])}: NO")
            if hit := _PAIR.fullmatch(line.strip()):
                fields.setdefault(hit[1], hit[2])
    own_names = {name: label for label in fields if (name := _name_in_detail(label)) is not None}
    values = {name: fields[label] for name, label in own_names.items()}
    if "effective_scenario" not in values:
        raise ImportFileError(f"{source.name} names no scenario.", hint="It is cut off, or not LoadGen's summary.")
    texts = {name: one_line(" ".join(lines)) for name, lines in said.items()}
    reasons = [*unmet, texts["Recommendations"]]
    if any(text.startswith("Early stopping") for text in unmet):
        reasons.append(texts["Early Stopping Result"])
    estimates = {
        percentile: float(value)
        for line in said["Early Stopping Result"]
        for percentile, value in _ESTIMATE.findall(line)
    }
    fields |= {name: text for name, text in texts.items() if text}
    return RunLog(values, fields, own_names, tuple(filter(None, reasons)), estimates)


def one_line(text: object) -> str:
    """Return what LoadGen says over several lines, marked with asterisks, as one."""
    return " ".join(str(text).replace("*", " ").split())


def _name_in_detail(label: str) -> str | None:
    """What the detail log calls a line of the summary; None for a line that is read nowhere."""
    if hit := _PERCENTILE.fullmatch(label):
        return f"result_{hit[1]}_percentile_latency_ns"
    return f"effective_{label}" if label in _SETTINGS else _LABELS.get(label)


def _find_reasons(values: Mapping[str, Any], errors: list[str]) -> tuple[str, ...]:
    reasons = [*errors, one_line(values.get("result_invalid_reason", ""))]
    if values.get("early_stopping_met") is False:
        reasons.append(f"early stopping: {one_line(values.get('early_stopping_result', ''))}")
    return tuple(filter(None, reasons))


def _find_estimates(values: Mapping[str, Any]) -> dict[str, float]:
    """The bounds that LoadGen's text about early stopping gives."""
    found = _ESTIMATE.findall(one_line(values.get("early_stopping_result", "")))
    return {percentile: float(value) for percentile, value in found}


def _lines(source: Source) -> Iterator[tuple[int, str]]:
    try:
        with source.path.open(encoding="utf-8-sig") as file:
            number = 0
            while line := file.readline(_MAX_LINE):
                number += 1
                if len(line) == _MAX_LINE and not line.endswith("\n"):
                    raise ImportFileError(f"{source.name}, line {number} is longer than {_MAX_LINE} characters.")
                yield number, line
    except UnicodeDecodeError as error:
        raise ImportFileError(f"{source.name} is not UTF-8: {error.reason} at byte {error.start}.") from None
