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
from assay.core.words import Mark
from assay.importers.base import Facts, ImportedRow, Refusal
from assay.importers.source import Source
from assay.importers.tools.pytest_benchmark import PytestBenchmark

MakeSource = Callable[..., Source]
LABEL = "pytest-benchmark"


def read(source: Source) -> list[Any]:
    return list(PytestBenchmark().read(source))


def test_a_function_keeps_its_rounds_and_its_parameters(content: Callable[[str], Any], source: MakeSource) -> None:
    facts, row = read(source(content(LABEL)))
    assert isinstance(facts, Facts)
    assert (facts.hardware, row.fields["commit_info"]["id"]) == ("Some CPU", "abc")
    assert (row.place, row.case.workload, row.case.options) == ("/benchmarks/0", "test_a.py::test_sum", (("n", 10),))
    assert row.measured_at == datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)
    values = {(one.name, one.stat): one.value for one in row.metrics}
    assert values == pytest.approx({
        ("latency_ns", "mean"): 2000, ("latency_ns", "std"): 1000, ("latency_ns", "median"): 2000,
        ("latency_ns", "min"): 1000, ("latency_ns", "max"): 3000, ("latency_ns", "p25"): 1500,
        ("latency_ns", "p75"): 2500, ("latency_ns", "iqr"): 1000, ("throughput_per_s", "mean"): 500000,
    })  # fmt: skip
    assert {one.n for one in row.metrics} == {3}
    assert row.samples == (SampleSeries("latency_ns", "ns", (5000, 10000, 15000), calls_per_sample=5),)
    assert "data" not in row.fields["stats"]
    assert row.fields["extra_info"] == {"why": "text"}


def test_rounds_that_were_not_saved_are_no_samples(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    del changed["benchmarks"][0]["stats"]["data"]
    assert read(source(changed))[1].samples == ()


def test_one_round_of_one_call_has_no_spread(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    changed["benchmarks"][0]["stats"] |= {"rounds": 1, "iterations": 1, "data": [1e-6], "stddev": 0, "iqr": 0.0}
    row = read(source(changed))[1]
    assert Mark.SINGLE_SHOT in row.marks
    assert not {"std", "iqr"} & {one.stat for one in row.metrics}


def test_a_parameter_with_an_address_is_known_by_its_word(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    changed["benchmarks"][0]["params"] = {"n": "UNSERIALIZABLE[<object at 0x7f00>]"}
    assert read(source(changed))[1].case.options == (("param", "10"),)


def test_a_test_without_parameters_is_known_by_its_name(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    changed["benchmarks"][0] |= {"params": None, "param": None, "fullname": None, "name": "test_sum"}
    assert (read(source(changed))[1].case.workload, read(source(changed))[1].case.options) == ("test_sum", ())


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("mean", None, "mean is null."),
        ("mean", -1.0, "stats/mean: -1 s is negative."),
        ("iterations", 0, "stats/iterations is 0: nothing was called."),
        ("iterations", 1.5, "stats/iterations: 1.5 is not a count, expected a whole number of at least 0."),
        ("rounds", "many", "stats/rounds: 'many' is not a number."),
        ("data", [1e-6, None], "stats/data[1] is None, expected a number of at least 0."),
    ],
)
def test_what_is_wrong_is_named(
    key: str, value: object, error: str, content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = content(LABEL)
    changed["benchmarks"].append(content(LABEL)["benchmarks"][0])
    changed["benchmarks"][0]["stats"][key] = value
    _, refused, kept = read(source(changed))
    assert isinstance(refused, Refusal)
    assert (refused.place, refused.error) == ("/benchmarks/0", error)
    assert isinstance(kept, ImportedRow)


def test_missing_statistics_are_named(content: Callable[[str], Any], source: MakeSource) -> None:
    changed = content(LABEL)
    del changed["benchmarks"][0]["stats"]
    changed["benchmarks"] += [7]
    assert [one.error for one in read(source(changed))[1:]] == [
        "stats is missing.",
        "It is of type int, expected an object.",
    ]


@settings(max_examples=60, deadline=None)
@given(
    data=st.lists(st.floats(1e-10, 1e3), min_size=1, max_size=20),
    iterations=st.integers(1, 10**6),
    mean=st.floats(1e-10, 1e4),
)
def test_numbers_written_are_numbers_read(
    files: dict[str, Any], source: MakeSource, data: list[float], iterations: int, mean: float
) -> None:
    one = dict(files[LABEL][2]["benchmarks"][0])
    one["stats"] = {"mean": mean, "data": data, "iterations": iterations, "rounds": len(data)}
    row = read(source({**files[LABEL][2], "benchmarks": [one]}))[1]
    assert row.metrics[0].value == mean * 1e9
    assert row.samples[0].values == tuple(round(value * 1e9 * iterations) for value in data)
    assert row.samples[0].calls_per_sample == iterations


def test_what_pytest_benchmark_itself_writes(tmp_path: Path, source: MakeSource) -> None:
    if importlib.util.find_spec("pytest_benchmark") is None:
        pytest.skip("pytest-benchmark is not installed")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', [10, 20])\n"
        "def test_sum(benchmark, n):\n"
        "    benchmark.pedantic(sum, args=(range(n),), rounds=4, iterations=3)\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "--benchmark-json=out.json", "test_it.py"]
    subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=tmp_path)
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    opened = source(text)
    assert PytestBenchmark().recognise(opened)
    _, *rows = read(opened)
    assert [row.case.options for row in rows] == [(("n", 10),), (("n", 20),)]
    for row, written in zip(rows, json.loads(text)["benchmarks"], strict=True):
        assert row.metrics[0].value == written["stats"]["mean"] * 1e9
        assert (len(row.samples[0].values), row.samples[0].calls_per_sample) == (4, 3)
