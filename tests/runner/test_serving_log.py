"""Reading LoadGen's logs where they are not as they should be; whole ones are read by test_serving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import EngineError
from assay.core.records import MetricValue
from assay.runner.loadgen_log import read_latencies, read_log
from assay.runner.modes import merge_launch_metrics


def write_log(folder: Path, values: dict[str, Any], errors: tuple[str, ...] = ()) -> Path:
    entries = [(key, value, False) for key, value in values.items()] + [
        ("error_runtime", text, True) for text in errors
    ]
    lines = [
        ":::MLLOG " + json.dumps({"key": key, "value": value, "metadata": {"is_error": bad, "is_warning": False}})
        for key, value, bad in entries
    ]
    folder.joinpath("mlperf_log_detail.txt").write_text("\n".join(["a line of something else", *lines]))
    folder.joinpath("mlperf_log_summary.txt").write_text("Result is : whatever\n")
    return folder


FIGURES = {
    "result_validity": "INVALID",
    "result_query_count": 70,
    "result_mean_latency_ns": 5,
    "result_50.00_percentile_latency_ns": 4,
    "early_stopping_met": True,
}


def test_reasons_are_errors_then_advice_then_early_stopping(tmp_path: Path) -> None:
    found = read_log(
        write_log(
            tmp_path,
            {
                **FIGURES,
                "result_invalid_reason": "Reduce target QPS. ",
                "early_stopping_met": False,
                "early_stopping_result": " * Run unsuccessful.\n * Processed 70 queries.",
            },
            errors=("Ending early: Too many outstanding queries.",),
        )
    )
    assert found.reasons == (
        "Ending early: Too many outstanding queries.",
        "Reduce target QPS.",
        "early stopping: Run unsuccessful. Processed 70 queries.",
    )


def test_an_invalid_run_without_a_reason_says_that(tmp_path: Path) -> None:
    assert read_log(write_log(tmp_path, FIGURES)).reasons == ("LoadGen gives no reason",)


def test_a_run_without_a_verdict_is_a_failure_with_what_loadgen_said(tmp_path: Path) -> None:
    write_log(tmp_path, {"loadgen_version": "6"}, errors=("no samples",))
    with pytest.raises(EngineError, match=r"LoadGen left no verdict\. It said: no samples\."):
        read_log(tmp_path)


@pytest.mark.parametrize("text", [":::MLLOG {", ":::MLLOG 5", ":::MLLOG {}", None])
def test_a_log_that_cannot_be_read_is_a_failure(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        tmp_path.joinpath("mlperf_log_detail.txt").write_text(text)
    with pytest.raises(EngineError, match="detail log cannot be read"):
        read_log(tmp_path)


def test_a_query_ends_with_its_last_sample(tmp_path: Path) -> None:
    entry = '{{"name":"Sample","ph":"b","args":{{"sample_seq":{0},"query_seq":{1},"sample_idx":0,"complete_ns":{2}}}}},'
    lines = [entry.format(*one) for one in ((1, 0, 30), (0, 0, 20), (2, 1, 7), (3, 1, 9))]
    tmp_path.joinpath("mlperf_log_trace.json").write_text("\n".join(['{"name":"Query"}', *lines]))
    assert read_latencies(tmp_path) == (30, 9)


# --- launches -------------------------------------------------------------------------------------------------


def metric(value: float | None, reason: str | None = None, name: str = "serving_rate_per_s") -> MetricValue:
    return MetricValue(name, value, "1/s", n=1, reason=reason)


def test_launches_become_their_median_with_an_interval_from_three_on() -> None:
    (one,) = merge_launch_metrics([[metric(10.0)], [metric(30.0)], [metric(20.0)]])
    assert (one.value, one.n) == (20.0, 3)
    assert one.ci_lo is not None
    assert one.ci_hi is not None
    assert one.ci_lo < 20 < one.ci_hi
    (two,) = merge_launch_metrics([[metric(10.0)], [metric(30.0)]])
    assert (two.value, two.ci_lo, two.n) == (20.0, None, 2)


def test_what_a_launch_lacks_the_result_lacks() -> None:
    (merged,) = merge_launch_metrics([[metric(10.0)], [metric(None, "no rate holds")]])
    assert (merged.value, merged.reason, merged.n) == (None, "1 of 2 launches: no rate holds", 1)
    (alone,) = merge_launch_metrics([[metric(None, "no rate holds")]])
    assert alone.reason == "no rate holds"
    first, second = merge_launch_metrics([[metric(1.0)], [metric(1.0), metric(2.0, name="other")]])
    assert first.value == 1.0
    assert (second.value, second.reason) == (None, "1 of 2 launches: not every launch has it")
