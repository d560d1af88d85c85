"""LoadGen's logs: real ones, made here with a system that answers at once, and composed ones that are not whole."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.words import Mark, Mode, Status
from assay.importers.base import Facts, ImportedRow, ImportFileError, Note, Refusal, importers
from assay.importers.source import Source

Read = Callable[[str, Path], tuple[list[ImportedRow], list[Refusal], list[Note]]]
FORMAT = "mlperf-loadgen"
DETAIL, SUMMARY = "mlperf_log_detail.txt", "mlperf_log_summary.txt"
SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")
# Run in a process of its own: LoadGen keeps one logger for a whole process.
RUN = """
import sys
import mlperf_loadgen as lg

scenario, folder, queries, target_ns = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
settings = lg.TestSettings()
settings.scenario = getattr(lg.TestScenario, scenario)
settings.mode = lg.TestMode.PerformanceOnly
settings.min_duration_ms = 1
settings.min_query_count = queries
settings.single_stream_expected_latency_ns = 1000
settings.multi_stream_expected_latency_ns = 1000
settings.server_target_qps = 20000
settings.server_target_latency_ns = target_ns
settings.offline_expected_qps = 1e5
log = lg.LogSettings()
log.log_output.outdir = folder
log.log_output.copy_summary_to_stdout = False
answer = lambda queries: lg.QuerySamplesComplete([lg.QuerySampleResponse(one.id, 0, 0) for one in queries])
sut = lg.ConstructSUT(answer, lambda: None)
qsl = lg.ConstructQSL(8, 8, lambda _: None, lambda _: None)
lg.StartTestWithLogSettings(sut, qsl, settings, log)
"""


def run_loadgen(folder: Path, scenario: str, *, queries: int, target_ns: int = 10**9) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", RUN, scenario, str(folder), str(queries), str(target_ns)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of logs a scenario, and ``invalid``: a Server run whose target no system holds."""
    pytest.importorskip("mlperf_loadgen", reason="mlcommons-loadgen is not installed (the extra 'mlperf')")
    root = tmp_path_factory.mktemp("loadgen")
    for scenario in SCENARIOS:
        run_loadgen(root / scenario, scenario, queries=700)
    run_loadgen(root / "invalid", "Server", queries=700, target_ns=1)
    return root


def detail_values(folder: Path) -> dict[str, Any]:
    lines = (folder / DETAIL).read_text().splitlines()
    entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in lines if line.startswith(":::MLLOG ")]
    return {entry["key"]: entry["value"] for entry in entries}


def numbers(row: ImportedRow) -> dict[str, float | None]:
    return {f"{one.name}.{one.stat}": one.value for one in row.metrics}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_real_detail_log(logs: Path, read: Read, scenario: str, recognised_by: Callable[[Path], list[str]]) -> None:
    path = logs / scenario / DETAIL
    assert recognised_by(path) == [FORMAT]
    rows, refusals, notes = read(FORMAT, path)
    assert (len(rows), refusals) == (1, [])
    assert "unverified" in notes[1].text
    row, said = rows[0], detail_values(logs / scenario)
    assert (row.status is Status.OK) == (said["result_validity"] == "VALID")
    assert dict(row.case.options)["scenario"] == scenario
    assert dict(row.case.options)["sut"] == "PySUT"
    assert (row.case.mode, row.case.workload) == (Mode.SERVING, "loadgen")
    infix, tail = ("_query", "_percentile_per_query") if scenario == "MultiStream" else ("", "_percentile")
    found = numbers(row)
    assert found["serving_latency_ns.mean"] == said[f"result_mean{infix}_latency_ns"]
    assert found["serving_latency_ns.min"] == said[f"result_min{infix}_latency_ns"]
    assert found["serving_latency_ns.max"] == said[f"result_max{infix}_latency_ns"]
    for percentile, stat in (("50.00", "p50"), ("90.00", "p90"), ("99.90", "p99.9")):
        assert found[f"serving_latency_ns.{stat}"] == said[f"result_{percentile}{tail}_latency_ns"]
    assert found["serving_queries.mean"] == said["result_query_count"]
    assert row.units_per_call == said["effective_samples_per_query"]
    assert row.measured_at is not None
    assert row.measured_at.tzinfo is UTC
    assert row.fields["result_validity"] == said["result_validity"]
    assert "in all)" in row.fields["loadgen_file_sha1"]


def test_the_rates_and_bounds_of_each_scenario(logs: Path, read: Read) -> None:
    found = {scenario: numbers(read(FORMAT, logs / scenario / DETAIL)[0][0]) for scenario in SCENARIOS}
    said = {scenario: detail_values(logs / scenario) for scenario in SCENARIOS}
    single = said["SingleStream"]
    assert found["SingleStream"]["serving_samples_per_s.mean"] == single["result_qps_with_loadgen_overhead"]
    bound = found["SingleStream"]["serving_early_stopping_latency_ns.p90"]
    assert bound == single["early_stopping_latency_ss"]
    bound = found["MultiStream"]["serving_early_stopping_latency_ns.p99"]
    assert bound == said["MultiStream"]["early_stopping_latency_ms"]
    server = said["Server"]
    assert found["Server"]["serving_scheduled_rate_per_s.mean"] == server["result_scheduled_samples_per_sec"]
    assert found["Server"]["serving_completed_rate_per_s.mean"] == server["result_completed_samples_per_sec"]
    assert found["Server"]["serving_latency_target_ns.mean"] == 10**9
    assert found["Offline"]["serving_samples_per_s.mean"] == said["Offline"]["result_samples_per_second"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_real_summary_says_what_the_detail_log_says(
    logs: Path, read: Read, scenario: str, recognised_by: Callable[[Path], list[str]]
) -> None:
    path = logs / scenario / SUMMARY
    assert recognised_by(path) == [FORMAT]
    detail = read(FORMAT, logs / scenario / DETAIL)[0][0]
    rows, _, _ = read(FORMAT, path)
    row = rows[0]
    assert row.case == detail.case
    assert row.status == detail.status
    expected = numbers(detail)
    assert set(numbers(row)) == set(expected) - {"serving_queries.mean"}
    for name, value in numbers(row).items():
        assert value == pytest.approx(expected[name], rel=1e-5)
    assert row.marks[Mark.REPEATED] == "mlperf_log_detail.txt beside it has the same run, more exactly"
    assert row.conversions["serving_latency_ns.mean"].field == "Mean latency (ns)"
    assert row.fields["SUT name"] == "PySUT"


def test_a_summary_alone_is_not_repeated(logs: Path, read: Read, tmp_path: Path) -> None:
    path = tmp_path / SUMMARY
    path.write_bytes((logs / "Server" / SUMMARY).read_bytes())
    assert read(FORMAT, path)[0][0].marks == {}


@pytest.mark.parametrize("name", [DETAIL, SUMMARY])
def test_an_invalid_run_is_a_failure_with_reasons_and_numbers(logs: Path, read: Read, name: str) -> None:
    row = read(FORMAT, logs / "invalid" / name)[0][0]
    assert row.status is Status.FAILED
    assert row.reason is not None
    assert row.reason.startswith("INVALID: ")
    assert "Reduce target QPS to improve latency." in row.reason
    assert "Run unsuccessful." in row.reason
    assert numbers(row)["serving_latency_target_ns.mean"] == 1


def test_the_folders_of_a_submission_name_the_model(logs: Path, read: Read, tmp_path: Path) -> None:
    folder = tmp_path / "closed" / "Someone" / "results" / "box" / "resnet50" / "Server" / "performance" / "run_1"
    folder.mkdir(parents=True)
    (folder / DETAIL).write_bytes((logs / "Server" / DETAIL).read_bytes())
    case = read(FORMAT, folder / DETAIL)[0][0].case
    assert case.workload == "resnet50"
    options = dict(case.options)
    assert (options["division"], options["submitter"], options["platform"]) == ("closed", "Someone", "box")


def test_what_the_log_says_of_loadgen(logs: Path) -> None:
    path = logs / "Offline" / DETAIL
    facts = [
        one for one in importers.get(FORMAT).read(Source(path, "log", path.stat().st_size)) if isinstance(one, Facts)
    ]
    assert facts == [Facts({"loadgen_version": detail_values(logs / "Offline")["loadgen_version"]})]


def test_a_log_that_ends_before_the_verdict_is_a_failure(logs: Path, read: Read, tmp_path: Path) -> None:
    lines = (logs / "Offline" / DETAIL).read_text().splitlines(keepends=True)
    path = tmp_path / DETAIL
    path.write_text("".join(line for line in lines if '"result_' not in line))
    row = read(FORMAT, path)[0][0]
    assert row.status is Status.FAILED
    assert row.reason is not None
    assert row.reason.startswith("LoadGen left no verdict")
    assert numbers(row) == {}


def write_detail(folder: Path, values: dict[str, Any], *more: str) -> Path:
    entries = [{"key": key, "value": value, "metadata": {"is_error": False}} for key, value in values.items()]
    path = folder / DETAIL
    path.write_text("\n".join([*(f":::MLLOG {json.dumps(entry)}" for entry in entries), *more]) + "\n")
    return path


HEAD = {"loadgen_version": "6.0", "effective_scenario": "Offline", "effective_test_mode": "PerformanceOnly"}


def test_a_line_cut_off_refuses_the_file(read: Read, tmp_path: Path) -> None:
    path = write_detail(tmp_path, HEAD, ':::MLLOG {"key": "result_val')
    with pytest.raises(ImportFileError, match="line 4, line 1, column"):
        read(FORMAT, path)


@pytest.mark.parametrize("line", [":::MLLOG 5", ":::MLLOG {}", ':::MLLOG {"key": 5, "value": 1}'])
def test_a_line_that_is_no_entry_refuses_the_file(read: Read, tmp_path: Path, line: str) -> None:
    with pytest.raises(ImportFileError, match="line 4"):
        read(FORMAT, write_detail(tmp_path, HEAD, line))


def test_a_line_without_end_refuses_the_file(read: Read, tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="longer than"):
        read(FORMAT, write_detail(tmp_path, HEAD, "x" * 2_000_000))


def test_bytes_that_are_no_text_refuse_the_file(read: Read, tmp_path: Path) -> None:
    path = write_detail(tmp_path, HEAD)
    path.write_bytes(path.read_bytes() + b"\xff\xfe")
    with pytest.raises(ImportFileError, match="not UTF-8"):
        read(FORMAT, path)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"effective_test_mode": "AccuracyOnly"}, "made for AccuracyOnly"),
        ({"effective_scenario": "Online"}, "'Online' is not a scenario"),
        ({"result_mean_latency_ns": -5}, "is negative"),
        ({"result_mean_latency_ns": [5]}, "is a list"),
        ({"test_datetime": "yesterday"}, "is no time"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(read: Read, tmp_path: Path, values: dict[str, Any], error: str) -> None:
    rows, refusals, _ = read(FORMAT, write_detail(tmp_path, HEAD | {"result_validity": "VALID"} | values))
    assert not rows
    assert error in refusals[0].error


def test_tokens_per_second_are_a_throughput(read: Read, tmp_path: Path) -> None:
    values = {"result_validity": "VALID", "result_samples_per_second": 4.0, "result_tokens_per_second": 1200.5}
    row = read(FORMAT, write_detail(tmp_path, HEAD | values))[0][0]
    assert numbers(row) == {"serving_samples_per_s.mean": 4.0, "throughput_per_s.mean": 1200.5}
    assert row.unit_of_work == "token"


def test_logs_of_training_are_not_recognised(
    tmp_path: Path, recognised_by: Callable[[Path], list[str]], read: Read
) -> None:
    path = tmp_path / "result_0.txt"
    entry = {"namespace": "", "key": "submission_benchmark", "value": "bert", "metadata": {"lineno": 1}}
    path.write_text(f":::MLLOG {json.dumps(entry)}\n")
    assert recognised_by(path) == []
    path.write_text("MLPerf Results Summary\n")
    with pytest.raises(ImportFileError, match="names no scenario"):
        read(FORMAT, path)


latencies = st.integers(min_value=1, max_value=10**15)


@given(mean=latencies, p90=latencies, rate=st.floats(min_value=1e-3, max_value=1e9))
def test_numbers_written_are_numbers_read(mean: int, p90: int, rate: float) -> None:
    values = HEAD | {
        "result_validity": "VALID",
        "result_mean_latency_ns": mean,
        "result_90.00_percentile_latency_ns": p90,
        "result_samples_per_second": rate,
    }
    summary = (
        "====\nMLPerf Results Summary\n====\nSUT name : A SUT\nScenario : Offline\nMode     : PerformanceOnly\n"
        f"Samples per second: {rate!r}\nResult is : VALID\n\nMean latency (ns)  : {mean}\n"
        f"90.00 percentile latency (ns)   : {p90}\n"
    )
    expected = {"serving_latency_ns.mean": mean, "serving_latency_ns.p90": p90, "serving_samples_per_s.mean": rate}
    with tempfile.TemporaryDirectory() as folder:
        detail = write_detail(Path(folder), values)
        (Path(folder) / SUMMARY).write_text(summary)
        for path in (detail, Path(folder) / SUMMARY):
            *_, row = importers.get(FORMAT).read(Source(path, path.name, path.stat().st_size))
            assert isinstance(row, ImportedRow)
            assert numbers(row) == expected
            assert row.status is Status.OK
