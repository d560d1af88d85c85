import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.records import SampleSeries
from assay.core.words import Mark, Status
from assay.importers.base import Facts, ImportedRow, Note, Refusal
from assay.importers.source import Source
from assay.importers.tools.google_benchmark import GoogleBenchmark

MakeSource = Callable[..., Source]
LABEL = "google-benchmark"


def read(source: Source) -> list[Any]:
    return list(GoogleBenchmark().read(source))


def test_repetitions_and_aggregates_are_one_row(content: Callable[[str], Any], source: MakeSource) -> None:
    facts, row, broken = read(source(content(LABEL)))
    assert isinstance(facts, Facts)
    assert (facts.hardware, facts.values["context"]["num_cpus"]) == (None, 2)
    assert (row.place, row.case.workload, row.case.options) == ("/benchmarks/0", "BM_Copy/64", ())
    assert row.measured_at == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    values = {(one.name, one.stat, one.phase): one.value for one in row.metrics}
    assert values == {
        ("latency_ns", "mean", "steady"): 3000.0, ("cpu_time_ns", "mean", "steady"): 3000.0,
        ("latency_ns", "std", "steady"): 1500.0, ("cpu_time_ns", "std", "steady"): 1500.0,
        ("score", "cv", "real_time"): 0.5, ("score", "cv", "cpu_time"): 0.5,
    }  # fmt: skip
    assert row.samples == (SampleSeries("latency_ns", "ns", (2_000_000, 4_000_000), calls_per_sample=1000),)
    assert row.marks == {}
    assert len(row.fields["records"]) == 5
    assert (broken.place, broken.status) == ("/benchmarks/5", Status.FAILED)
    assert broken.reason == "1 of 1 repetitions: no device"
    assert broken.metrics == broken.samples == ()


def test_repetitions_without_aggregates_are_summed_up_and_marked(
    content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content(LABEL)
    changed["benchmarks"] = changed["benchmarks"][:2]
    row = read(source(changed))[1]
    values = {(one.name, one.stat): one.value for one in row.metrics if one.name == "latency_ns"}
    assert values["latency_ns", "mean"] == 3000.0
    assert values["latency_ns", "std"] == pytest.approx(2000 * 2**0.5 / 2)
    assert set(row.marks) == {Mark.DERIVED}


def test_one_repetition_keeps_rates_and_counters(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    changed["benchmarks"] = changed["benchmarks"][:1]
    row = read(source(changed))[1]
    values = {(one.name, one.stat, one.phase): one.value for one in row.metrics}
    assert values == {
        ("latency_ns", "mean", "steady"): 2000.0, ("cpu_time_ns", "mean", "steady"): 2000.0,
        ("throughput_per_s", "mean", "items"): 5e5, ("throughput_per_s", "mean", "bytes"): 4e6,
        ("score", "mean", "Hits"): 7.0,
    }  # fmt: skip
    assert {one.n for one in row.metrics} == {1000}


def test_one_iteration_is_marked(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    changed["benchmarks"] = [{**changed["benchmarks"][0], "iterations": 1, "repetitions": 1}]
    assert set(read(source(changed))[1].marks) == {Mark.SINGLE_SHOT}


def test_repetitions_of_other_lengths_are_series_of_their_own(
    content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content(LABEL)
    changed["benchmarks"][1]["iterations"] = 500
    assert read(source(changed))[1].samples == (
        SampleSeries("latency_ns", "ns", (2_000_000,), calls_per_sample=1000, rank=0),
        SampleSeries("latency_ns", "ns", (2_000_000,), calls_per_sample=500, rank=1),
    )


def test_a_skip_is_a_skip_and_fits_are_left_out(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    last = changed["benchmarks"][-1]
    del last["error_occurred"]
    last |= {"skipped": True, "skip_message": "no such instruction"}
    changed["benchmarks"] += [{"name": "x_BigO", "run_name": "x", "run_type": "aggregate", "aggregate_name": "BigO"}]
    _, _, row, note = read(source(changed))
    assert (row.status, row.reason) == (Status.SKIPPED, "no such instruction")
    assert isinstance(note, Note)
    assert note.text.startswith("1 records of BigO or RMS")


def test_one_failed_repetition_fails_the_row_and_keeps_the_others(
    content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content(LABEL)
    changed["benchmarks"][1] |= {"error_occurred": True, "error_message": "late"}
    row = read(source(changed))[1]
    assert (row.status, row.reason) == (Status.FAILED, "1 of 2 repetitions: late")
    assert row.samples[0].values == (2_000_000,)


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("time_unit", "fortnight", "time_unit is 'fortnight', expected one of ns, us, µs, ms, s, min, h."),
        ("real_time", -1, "real_time: -1 us is negative."),
        ("real_time", "1 s", "real_time: '1 s' is not a number."),
        ("iterations", 0, "iterations is 0: nothing was called."),
        ("iterations", None, "iterations is null."),
    ],
)
def test_what_is_wrong_is_named(
    key: str, value: object, error: str, content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content(LABEL)
    changed["benchmarks"] = [{**changed["benchmarks"][0], key: value}, changed["benchmarks"][-1]]
    _, refused, kept = read(source(changed))
    assert isinstance(refused, Refusal)
    assert (refused.place, refused.error) == ("/benchmarks/0", error)
    assert isinstance(kept, ImportedRow)


def test_records_without_a_name_are_refused_alone(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    del changed["benchmarks"][0]["run_name"]
    changed["benchmarks"][0]["name"] = None
    changed["benchmarks"] += ["x"]
    items = read(source(changed))
    refused = [(item.place, item.error) for item in items if isinstance(item, Refusal)]
    assert refused == [("/benchmarks/0", "name is null."), ("/benchmarks/6", "It is of type str, expected an object.")]
    assert [item.place for item in items if isinstance(item, ImportedRow)] == ["/benchmarks/1", "/benchmarks/5"]


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=5),
    unit=st.sampled_from([("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]),
    iterations=st.integers(2, 1000),
)
def test_numbers_written_are_numbers_read(
    files: dict[str, Any], source: MakeSource, times: list[float], unit: tuple[str, float], iterations: int
) -> None:
    one = files[LABEL][2]["benchmarks"][0]
    records = [{**one, "real_time": time, "time_unit": unit[0], "iterations": iterations} for time in times]
    row = read(source({**files[LABEL][2], "benchmarks": records}))[1]
    assert row.samples[0].values == tuple(round(time * unit[1] * iterations) for time in times)
    assert row.metrics[0].value == pytest.approx(sum(times) / len(times) * unit[1], rel=1e-12)


def test_what_google_benchmark_itself_writes(tmp_path: Path, source: MakeSource) -> None:
    if importlib.util.find_spec("google_benchmark") is None:
        pytest.skip("google-benchmark (its Python package) is not installed")
    (tmp_path / "bench.py").write_text(
        "import google_benchmark as benchmark\n"
        "@benchmark.register\n"
        "def good(state):\n"
        "    while state: sum(range(10))\n"
        "@benchmark.register\n"
        "def bad(state):\n"
        "    state.skip_with_error('broken')\n"
        "    while state: pass\n"
        "benchmark.main()\n",
        encoding="utf-8",
    )
    flags = ["--benchmark_min_time=0.001s", "--benchmark_repetitions=3", "--benchmark_out=out.json"]
    subprocess.run([sys.executable, "bench.py", *flags], check=True, capture_output=True, timeout=120, cwd=tmp_path)
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    opened = source(text)
    assert GoogleBenchmark().recognise(opened)
    _, good, bad = read(opened)
    written = {one["name"]: one for one in json.loads(text)["benchmarks"]}
    assert (good.status, bad.status) == (Status.OK, Status.FAILED)
    assert good.metrics[0].value == pytest.approx(written["good_mean"]["real_time"])
    assert len(good.samples[0].values) == 3
