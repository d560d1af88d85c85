import importlib
import importlib.util
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
from assay.core.words import Mark
from assay.importers.base import ImportFileError
from assay.importers.source import Source
from assay.importers.tools.pyperf import Pyperf

MakeSource = Callable[..., Source]


def read(source: Source) -> list[Any]:
    return list(Pyperf().read(source))


def test_each_process_is_a_series_of_what_was_read(content: Callable[[str], Any], source: MakeSource) -> None:
    facts, note, row = read(source(content("pyperf")))
    assert facts.hardware == "Some CPU"
    assert "time zone" in note.text
    assert (row.place, row.case.workload) == ("/benchmarks/0", "sort")
    assert row.measured_at == datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)
    assert row.samples == (
        SampleSeries("latency_ns", "ns", (200_000, 400_000), calls_per_sample=200, rank=1),
        SampleSeries("latency_ns", "ns", (600_000,), calls_per_sample=200, rank=2),
    )
    values = {(one.name, one.stat, one.phase): one.value for one in row.metrics}
    assert values == pytest.approx({
        ("latency_ns", "mean", "steady"): 2000, ("latency_ns", "median", "steady"): 2000,
        ("latency_ns", "min", "steady"): 1000, ("latency_ns", "max", "steady"): 3000,
        ("latency_ns", "std", "steady"): 1000, ("memory_used_bytes", "max", "process"): 3000,
    })  # fmt: skip
    assert row.metrics[0].n == 3
    assert set(row.marks) == {Mark.DERIVED}
    assert (row.conversions["latency_ns.mean"].factor, row.conversions["latency_ns.mean"].note) == (
        None, "mean of runs/values (s x 1e+09)",
    )  # fmt: skip
    assert row.fields["runs"][0]["warmups"] == [[1, 2e-6]]
    assert "values" not in row.fields["runs"][1]


def test_the_metadata_of_a_run_counts_over_that_of_the_benchmark(
    content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content("pyperf")
    changed["benchmarks"][0]["runs"][1]["metadata"]["loops"] = 10
    assert read(source(changed))[2].samples[0].calls_per_sample == 20


@pytest.mark.parametrize(
    ("unit", "metric", "samples"),
    [("byte", "memory_used_bytes", 0), ("integer", "score", 0), ("second", "latency_ns", 2)],
)
def test_units_are_not_all_times(
    unit: str, metric: str, samples: int, content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content("pyperf")
    changed["metadata"]["unit"] = unit
    row = read(source(changed))[2]
    assert row.metrics[0].name == metric
    assert len(row.samples) == samples
    assert ("values" in row.fields["runs"][1]) == (samples == 0)


def test_a_command_is_a_whole_program(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content("pyperf")
    changed["benchmarks"][0]["metadata"] = {"command": "python -c pass"}
    row = read(source(changed))[2]
    assert (row.case.workload, row.case.options) == ("python -c pass", (("command", "python -c pass"),))
    assert row.metrics[0].name == "wall_time_ns"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"metadata": {}}, "metadata/name is missing."),
        ({"metadata": {"name": "x", "unit": "hour"}}, "metadata/unit is 'hour', expected second, byte or integer."),
        ({"metadata": {"name": "x", "loops": 0}}, "runs/0/metadata/loops is 0: nothing was called."),
        ({"runs": None}, "runs have no values (calibration only, or none ended)."),
        ({"runs": [{"values": []}]}, "runs have no values (calibration only, or none ended)."),
        ({"runs": [5]}, "runs/0 is of type int, expected an object."),
        ({"runs": [{"values": [-1e-6]}]}, "runs/0/values[0] is -1e-06, expected a number of at least 0."),
        ({"runs": [{"values": [float("nan")]}]}, "runs/0/values[0] is nan, expected a number of at least 0."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    change: dict[str, Any], error: str, content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content("pyperf")
    changed["benchmarks"].append({**content("pyperf")["benchmarks"][0], **change})
    refused = read(source(changed))[-1]
    assert (refused.place, refused.error) == ("/benchmarks/1", error)


def test_an_older_format_says_how_to_go_on(content: Callable[[str], Any], source: MakeSource) -> None:
    with pytest.raises(ImportFileError, match=r"format 6, expected '1\.0'") as raised:
        read(source({**content("pyperf"), "version": 6}))
    assert "pyperf convert" in str(raised.value)


@settings(max_examples=60, deadline=None)
@given(
    runs=st.lists(st.lists(st.floats(1e-10, 1e4), min_size=1, max_size=5), min_size=1, max_size=5),
    loops=st.integers(1, 10**5),
)
def test_numbers_written_are_numbers_read(source: MakeSource, runs: list[list[float]], loops: int) -> None:
    written = {"metadata": {"name": "x", "loops": loops}, "runs": [{"values": values} for values in runs]}
    row = read(source({"version": "1.0", "benchmarks": [written]}))[-1]
    assert [series.values for series in row.samples] == [
        tuple(round(value * 1e9 * loops) for value in values) for values in runs
    ]
    flat = [value for values in runs for value in values]
    by_stat = {one.stat: one.value for one in row.metrics}
    assert by_stat["mean"] == pytest.approx(sum(flat) / len(flat) * 1e9, rel=1e-12)
    assert (by_stat["min"], by_stat["max"]) == (min(flat) * 1e9, max(flat) * 1e9)


def test_what_pyperf_itself_writes(tmp_path: Path, source: MakeSource) -> None:
    if importlib.util.find_spec("pyperf") is None:
        pytest.skip("pyperf is not installed")
    out = tmp_path / "out.json"
    options = ["-p", "2", "-n", "3", "--min-time", "0.001", "-q", "-o", str(out)]
    command = [sys.executable, "-m", "pyperf", "timeit", *options, "sorted([2, 1])"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    opened = source(out.read_text(encoding="utf-8"))
    assert Pyperf().recognise(opened)
    row = read(opened)[-1]
    own = importlib.import_module("pyperf").Benchmark.load(str(out))
    by_stat = {one.stat: one.value for one in row.metrics if one.name == "latency_ns"}
    assert by_stat["mean"] == pytest.approx(own.mean() * 1e9, rel=1e-9)
    assert by_stat["median"] == pytest.approx(own.median() * 1e9, rel=1e-9)
    assert by_stat["std"] == pytest.approx(own.stdev() * 1e9, rel=1e-9)
    assert sum(len(series.values) for series in row.samples) == 6
    assert {series.calls_per_sample for series in row.samples} == {own.get_total_loops()}
