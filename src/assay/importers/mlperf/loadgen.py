"""LoadGen's logs of one run: ``mlperf_log_detail.txt`` and the summary for people, ``mlperf_log_summary.txt``.

Both say the same of a run, the detail log more exactly. Neither names the model; the folders of a submission do.
May import: core, catalog, importers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Mode, Status
from assay.importers.base import Facts, ImportedRow, Item, Note, RowError, importers
from assay.importers.mlperf.entry import CITATION
from assay.importers.mlperf.fields import read_text, refuse
from assay.importers.mlperf.loadgen_text import BANNER, MARK, RunLog, read_detail, read_summary
from assay.importers.mlperf.units import JUDGED_PERCENTILE, OPEN_LOOP, read_scenario
from assay.importers.numbers import Numbers, read_count, read_number
from assay.importers.source import Source

_UNVERIFIED = (
    "LoadGen's log of a run. It is a result verified by MLCommons only if MLCommons published it; any other is to be "
    "called unverified."
)
_DETAIL_FILE = "mlperf_log_detail.txt"
_IN_DETAIL = f"{_DETAIL_FILE} beside it has the same run, more exactly"
_HEAD_CHARACTERS = 2000
_LONG_FIELD = 500
_PERCENTILE = re.compile(r"result_(\d+\.\d+)_percentile_latency_ns")
_QUERY_PERCENTILE = re.compile(r"result_(\d+\.\d+)_percentile_per_query_latency_ns")
_SUBMISSION = re.compile(
    r"(?:^|/)(?P<division>closed|open|network)/(?P<submitter>[^/]+)/results/(?P<platform>[^/]+)/(?P<model>[^/]+)/[^/]+/"
    r"performance/run_\d+/[^/]+$"
)
"""Where a submission keeps its logs (submission_rules.adoc, section Inference)."""
_RATES = {
    "result_scheduled_samples_per_sec": "serving_scheduled_rate_per_s",
    "result_completed_samples_per_sec": "serving_completed_rate_per_s",
    "result_samples_per_second": "serving_samples_per_s",
    "result_qps_with_loadgen_overhead": "serving_samples_per_s",
}
_TOKEN_RATES = ("result_tokens_per_second", "result_completed_tokens_per_second")
_DETAIL_PLACE, _SUMMARY_PLACE = "result_validity", "Result is"


class LoadGenImporter:
    """Reads either log of a run."""

    name = "mlperf-loadgen"
    title = "MLPerf LoadGen logs (mlperf_log_detail.txt, mlperf_log_summary.txt)"

    def recognise(self, source: Source) -> bool:
        """True for a log of LoadGen; MLPerf Training writes logs with the same mark, which are none of it."""
        return _is_detail(source) or BANNER in source.head_text[:_HEAD_CHARACTERS]

    def read(self, source: Source) -> Iterator[Item]:
        """Give the one run of the log. Raises ImportFileError."""
        is_detail = _is_detail(source)
        log = read_detail(source) if is_detail else read_summary(source)
        place = _DETAIL_PLACE if is_detail else _SUMMARY_PLACE
        yield Note(CITATION)
        yield Note(_UNVERIFIED)
        if version := read_text(log.values.get("loadgen_version")):
            yield Facts({"loadgen_version": version})
        try:
            row = _make_row(source.name, place, log)
        except RowError as error:
            yield refuse(place, error, _cut(log.fields))
        else:
            has_better = not is_detail and source.path.with_name(_DETAIL_FILE).is_file()
            yield replace(row, marks={Mark.REPEATED: _IN_DETAIL}) if has_better else row


def _is_detail(source: Source) -> bool:
    head = source.head_text
    return MARK in head[:_HEAD_CHARACTERS] and ("loadgen_version" in head or "mlperf::logging" in head)


def _make_row(name: str, place: str, log: RunLog) -> ImportedRow:
    values = log.values
    mode = read_text(values.get("effective_test_mode"))
    if mode not in (None, "PerformanceOnly", "FindPeakPerformance", "SubmissionRun"):
        raise RowError(f"the run was made for {mode}; its times say nothing.")
    scenario = read_scenario(read_text(values.get("effective_scenario", values.get("requested_scenario"))))
    numbers = Numbers()
    _add_latencies(numbers, log, scenario)
    unit_of_work = _add_rates(numbers, log)
    status, reason = _judge(log)
    samples = read_count(values.get("effective_samples_per_query"))
    return ImportedRow(
        place=place,
        case=_make_case(name, values, scenario),
        status=status,
        reason=reason,
        measured_at=_read_time(values.get("test_datetime")),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=_cut(log.fields),
        units_per_call=float(samples) if samples else None,
        unit_of_work=unit_of_work,
    )


def _judge(log: RunLog) -> tuple[Status, str | None]:
    verdict = log.values.get("result_validity")
    if verdict == "VALID":
        return Status.OK, None
    said = "; ".join(log.reasons) or "LoadGen gives no reason"
    if verdict is None:
        return Status.FAILED, f"LoadGen left no verdict, the run ended before: {said}"
    return Status.FAILED, f"{read_text(verdict)}: {said}"


def _make_case(name: str, values: Mapping[str, Any], scenario: str) -> ForeignCase:
    layout = _SUBMISSION.search(name.replace("\\", "/").replace("!", "/"))
    folders = layout.groupdict() if layout else {}
    is_open_loop = scenario in OPEN_LOOP
    return ForeignCase.make(
        workload=folders.get("model") or "loadgen",
        mode=Mode.SERVING,
        options={
            "division": folders.get("division"),
            "platform": folders.get("platform"),
            "samples_per_query": read_count(values.get("effective_samples_per_query")),
            "scenario": scenario,
            "submitter": folders.get("submitter"),
            "sut": read_text(values.get("sut_name")),
            "target_latency_ns": read_count(values.get("effective_target_latency_ns")) if is_open_loop else None,
            "target_qps": read_number(values.get("effective_target_qps")) if is_open_loop else None,
        },
    )


def _add_latencies(numbers: Numbers, log: RunLog, scenario: str) -> None:
    """Latencies of queries; of MultiStream those of whole queries where the log has them, not of their samples."""
    values = log.values
    per_query = any(_QUERY_PERCENTILE.fullmatch(key) for key in values)
    pattern, infix = (_QUERY_PERCENTILE, "_query") if per_query else (_PERCENTILE, "")
    n = read_count(values.get("result_query_count"))
    for stat in ("mean", "min", "max"):
        key = f"result_{stat}{infix}_latency_ns"
        if key in values:
            numbers.add("serving_latency_ns", values[key], field=log.own_name(key), unit="ns", stat=stat, n=n)
    for key in values:
        if hit := pattern.fullmatch(key):
            stat = f"p{float(hit[1]):g}"
            numbers.add("serving_latency_ns", values[key], field=log.own_name(key), unit="ns", stat=stat, n=n)
    for percentile, bound in log.estimates.items():
        stat = f"p{float(percentile):g}"
        if stat == JUDGED_PERCENTILE.get(scenario):
            numbers.add("serving_early_stopping_latency_ns", bound, field="early_stopping_result", unit="ns", stat=stat)
    if scenario in OPEN_LOOP and "effective_target_latency_ns" in values:
        key = "effective_target_latency_ns"
        numbers.add("serving_latency_target_ns", values[key], field=log.own_name(key), unit="ns")
    if n is not None:
        numbers.add("serving_queries", n, field="result_query_count", unit="1")


def _add_rates(numbers: Numbers, log: RunLog) -> str:
    """Add what was done per second; return the unit of work."""
    for key, metric in _RATES.items():
        if key in log.values:
            numbers.add(metric, log.values[key], field=log.own_name(key), unit="1/s")
    tokens = next((key for key in _TOKEN_RATES if key in log.values), None)
    if tokens is None:
        return "sample"
    numbers.add("throughput_per_s", log.values[tokens], field=log.own_name(tokens), unit="1/s")
    return "token"


def _cut(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The log's own names; what is too long for a table (sets of samples, hashes of files) only by its length."""
    short: dict[str, Any] = {}
    for key, value in fields.items():
        text = value if isinstance(value, str) else str(value)
        is_long = isinstance(value, (list, dict, str)) and len(text) > _LONG_FIELD
        short[key] = f"{text[:_LONG_FIELD]}... ({len(value)} in all)" if is_long else value
    return short


def _read_time(text: object) -> datetime | None:
    """LoadGen writes UTC with a Z. Raises RowError for anything else."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        raise RowError(f"test_datetime: {str(text)[:40]!r} is no time.") from None
    return time if time.tzinfo is not None else None


importers.add(LoadGenImporter.name, LoadGenImporter())
