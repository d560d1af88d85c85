from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.records import SampleSeries
from assay.core.words import Mark, Status
from assay.importers.base import Facts, ImportedRow, ImportFileError, Note, Refusal
from assay.importers.source import Source
from assay.importers.tools.asv import Asv

ONE = ", expected 1: one for each combination of parameters."
MakeSource = Callable[..., Source]


def read(source: Source) -> list[Any]:
    return list(Asv().read(source))


def test_each_combination_of_parameters_is_a_row(content: Callable[[str], Any], source: MakeSource) -> None:
    facts, *rows = read(source(content("asv")))
    assert (facts.hardware, rows[0].fields["commit_hash"]) == ("Some CPU", "abcdef")
    assert [row.place for row in rows[:4]] == [f"/results/a.Suite.time_it/0/{at}" for at in range(4)]
    environment = ("environment", "virtualenv-py3.12-numpy")
    assert [row.case.options for row in rows[:4]] == [
        (environment, ("param1", n), ("param2", how)) for n in (10, 100) for how in ("x", "y")
    ]
    assert [row.status for row in rows[:4]] == [Status.OK, Status.FAILED, Status.SKIPPED, Status.OK]
    assert rows[0].measured_at == datetime(2023, 11, 14, 22, 13, 21, 500000, tzinfo=UTC)
    values = {one.stat: one.value for one in rows[0].metrics}
    assert values == pytest.approx({"median": 2000, "p25": 1500, "p75": 2500})
    assert {one.n for one in rows[0].metrics} == {3}
    assert rows[0].samples == (SampleSeries("latency_ns", "ns", (10000, 20000, 30000), calls_per_sample=10),)
    assert rows[3].fields["stats_ci_99_b"] == "inf"
    assert "samples" not in rows[0].fields


def test_memory_and_tracked_numbers_are_no_times(content: Callable[[str], Any], source: MakeSource) -> None:
    rows = {row.case.workload: row for row in read(source(content("asv")))[1:]}
    memory, tracked = rows["a.peakmem_it"].metrics[0], rows["a.track_it"].metrics[0]
    assert (memory.name, memory.stat, memory.value) == ("memory_used_bytes", "max", 4096)
    assert (tracked.name, tracked.phase, tracked.value) == ("score", "track_it", 0.5)
    assert "benchmarks.json" in rows["a.track_it"].conversions["score.mean.track_it"].note


def test_a_benchmark_that_failed_is_a_failure(content: Callable[[str], Any], source: MakeSource) -> None:
    row = read(source(content("asv")))[-1]
    assert (row.status, row.metrics) == (Status.FAILED, ())
    assert row.reason == "asv has no value: the benchmark failed or ran out of time"


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("m.time_a", "latency_ns"), ("m.timeraw_a", "wall_time_ns"), ("m.TimeA", "latency_ns"),
        ("m.mem_a", "memory_used_bytes"), ("m.PeakMemA", "memory_used_bytes"), ("m.other", "score"),
        ("m.mem.track_a", "score"),
    ],
)  # fmt: skip
def test_the_name_tells_what_was_measured(
    name: str, metric: str, content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = {**content("asv"), "results": {name: [[1.5], [], "v"]}}
    assert read(source(changed))[1].metrics[0].name == metric


def test_one_repetition_of_one_call_is_marked(content: Callable[[str], Any], source: MakeSource) -> None:
    columns = ["result", "params", "version", "stats_number", "stats_repeat"]
    changed = {**content("asv"), "result_columns": columns, "results": {"m.time_a": [[1.5], [], "v", [1], [1]]}}
    assert set(read(source(changed))[1].marks) == {Mark.SINGLE_SHOT}


def test_a_machine_has_no_rows(files: dict[str, Any], source: MakeSource) -> None:
    facts, note = read(source(files["asv, machine"][2]))
    assert isinstance(facts, Facts)
    assert isinstance(note, Note)
    assert facts.hardware == "Some CPU"


@pytest.mark.parametrize(
    ("values", "place", "error"),
    [
        (7, "/results/b.time_x", "It is of type int, expected the list of columns."),
        ([], "/results/b.time_x", "result is missing."),
        ([[1.0], [["1"], "2"]], "/results/b.time_x", "params is no list of lists."),
        ([[1.0], [["1"] * 1000] * 3], "/results/b.time_x", "params has more than 100000 combinations."),
        ([[1.0, 2.0], [["1"]]], "/results/b.time_x/0/0", f"result has 2 values{ONE}"),
        ([1.0, []], "/results/b.time_x/0/0", f"result has a value of type float{ONE}"),
        ([[-1.0], []], "/results/b.time_x/0/0", "result: -1 s is negative."),
        ([["soon"], []], "/results/b.time_x/0/0", "result: 'soon' is not a number."),
        ([[float("inf")], []], "/results/b.time_x/0/0", "result: inf is not finite."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    values: object, place: str, error: str, content: Callable[[str], Any], source: MakeSource
) -> None:
    changed = {**content("asv"), "results": {"b.time_x": values, "b.track_y": [[1], []]}}
    _, refused, kept = read(source(changed))
    assert isinstance(refused, Refusal)
    assert (refused.place, refused.error) == (place, error)
    assert isinstance(kept, ImportedRow)


def test_another_version_says_how_to_go_on(content: Callable[[str], Any], source: MakeSource) -> None:
    with pytest.raises(ImportFileError, match=r"format 1, expected 2") as raised:
        read(source({**content("asv"), "version": 1}))
    assert "asv update" in str(raised.value)


@settings(max_examples=60, deadline=None)
@given(
    results=st.lists(st.floats(1e-10, 1e4), min_size=1, max_size=10),
    number=st.integers(1, 10**5),
)
def test_numbers_written_are_numbers_read(
    files: dict[str, Any], source: MakeSource, results: list[float], number: int
) -> None:
    columns = ["result", "params", "stats_number", "stats_repeat", "samples"]
    count = len(results)
    params = [[repr(at / 2) for at in range(count)]]
    values = [results, params, [number] * count, [1] * count, [[result] for result in results]]
    rows = read(source({**files["asv"][2], "result_columns": columns, "results": {"m.time_x": values}}))[1:]
    assert [row.metrics[0].value for row in rows] == [result * 1e9 for result in results]
    assert [row.samples[0].values for row in rows] == [(round(result * 1e9 * number),) for result in results]
    assert [dict(row.case.options)["param1"] for row in rows] == [at / 2 for at in range(count)]
