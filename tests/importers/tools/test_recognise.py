"""One importer knows each file, none knows what is no result, and whatever breaks in a file is told politely."""

import copy
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.records import SampleSeries
from assay.importers.base import Facts, ImportedRow, Importer, ImportFileError, Note, Refusal, importers
from assay.importers.numbers import known_units
from assay.importers.source import Source

MODULES = {
    "asv": "asv",
    "google-benchmark": "google_benchmark",
    "hyperfine": "hyperfine",
    "optimum-benchmark": "optimum_benchmark",
    "pyperf": "pyperf",
    "pytest-benchmark": "pytest_benchmark",
    "timm": "timm",
}
LABELS = (
    "optimum-benchmark", "optimum-benchmark, report", "optimum-benchmark, config", "pytest-benchmark", "asv",
    "asv, machine", "pyperf", "google-benchmark", "hyperfine", "timm, speed", "timm, accuracy",
)  # fmt: skip
JUNK: list[Any] = [
    None, True, 0, -1, -0.5, 1e308, -1e308, 10**400, float("nan"), float("inf"), float("-inf"), "", "text", "1,014.45",
    [], [None], [[]], ["x"], [-1.0], {}, {"a": 1}, "2026-01-02", 9e18,
]  # fmt: skip


def all_importers() -> dict[str, Importer]:
    for module in MODULES.values():
        importlib.import_module(f"assay.importers.tools.{module}")
    return {name: importers.get(name) for name in MODULES}


def test_each_module_registers_one_importer_under_its_name() -> None:
    found = all_importers()
    assert {name: found[name].name for name in found} == {name: name for name in MODULES}
    assert all(found[name].title for name in found)


@pytest.mark.parametrize("label", LABELS)
def test_exactly_one_importer_recognises_a_file(
    label: str, files: dict[str, tuple[str, str, Any]], source: Callable[..., Source]
) -> None:
    expected, name, content = files[label]
    opened = source(content, name)
    assert [name for name, one in all_importers().items() if one.recognise(opened)] == [expected]


def test_every_label_is_tried(files: dict[str, tuple[str, str, Any]]) -> None:
    assert set(LABELS) == set(files)


@pytest.mark.parametrize(
    "content",
    [
        "", "   ", "{", "[", "{}", "[]", "null", "1", "model,pretrain\na,b\n", "model,img_size,ok,params\na,224,1,5\n",
        "infer_samples_per_sec,infer_step_time\n1,2\n", '{"results": []}', '{"results": {}}', '{"results": [1]}',
        '{"benchmarks": []}', '{"benchmarks": [{}]}', '{"context": {}, "benchmarks": [{}]}', '{"report": {}}',
        '{"config": {}, "report": {"a": 1}}', '{"a": {"latency": 1}}', '{"a": {"latency": {}, "other": {}}}',
        '{"version": "1.0", "benchmarks": [{"runs": 1}]}', '{"machine": "m"}', "a\x00b", '"unclosed',
        '{"a.b": {"code": "x", "name": "a.b", "type": "time", "unit": "seconds"}, "version": 2}',
    ],
)  # fmt: skip
def test_what_is_no_result_is_recognised_by_none(content: str, source: Callable[..., Source]) -> None:
    opened = source(content, "some.file")
    assert not [name for name, one in all_importers().items() if one.recognise(opened)]


@pytest.mark.parametrize("name", sorted(MODULES))
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '{"results": 1, "benchmarks": 2}', "a,b\n1,2\n"])
def test_a_file_of_another_kind_is_refused_as_a_whole(name: str, content: str, source: Callable[..., Source]) -> None:
    with pytest.raises(ImportFileError, match=r"some\.file"):
        list(all_importers()[name].read(source(content, "some.file")))


@pytest.mark.parametrize("label", LABELS)
def test_reading_twice_gives_the_same_and_every_number_has_its_conversion(
    label: str, files: dict[str, tuple[str, str, Any]], source: Callable[..., Source]
) -> None:
    importer, name, content = files[label]
    opened = source(content, name)
    first = list(all_importers()[importer].read(opened))
    assert first == list(all_importers()[importer].read(opened))
    for row in rows(first):
        check(row)


@pytest.mark.parametrize("label", [label for label in LABELS if not label.startswith("timm")])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_junk_anywhere_in_a_file_becomes_a_refusal_or_an_error_that_says_so(
    label: str, files: dict[str, tuple[str, str, Any]], source: Callable[..., Source], data: st.DataObject
) -> None:
    importer, name, content = files[label]
    broken = json.loads(json.dumps(content))
    for _ in range(data.draw(st.integers(1, 3))):
        steps = list(paths(broken))
        if not steps:
            return
        holder, key = data.draw(st.sampled_from(steps))
        if data.draw(st.booleans()) or isinstance(holder, list):
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
        else:
            del holder[key]
    opened = source(broken, name)
    for one in all_importers().values():
        one.recognise(opened)
    for item in read_or_nothing(all_importers()[importer], opened):
        assert isinstance(item, (ImportedRow, Refusal, Note, Facts))
        if isinstance(item, ImportedRow):
            check(item)
        elif isinstance(item, Refusal):
            assert item.error
            assert item.raw
        elif isinstance(item, Facts):
            json.dumps(item.values, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), cell=st.sampled_from([str(one) for one in JUNK] + ["a,b", '"', "\n", "é", "0.0"]))
def test_junk_in_a_cell_of_a_table_costs_that_row_only(
    files: dict[str, tuple[str, str, Any]], source: Callable[..., Source], data: st.DataObject, cell: str
) -> None:
    _, name, content = files[data.draw(st.sampled_from(["timm, speed", "timm, accuracy"]))]
    lines = [line.split(",") for line in content.replace('"1,014.45"', "1014.45").splitlines()]
    row, column = data.draw(st.integers(1, len(lines) - 1)), data.draw(st.integers(0, len(lines[0]) - 1))
    lines[row][column] = '"' + cell.replace('"', '""') + '"'
    text = "\n".join(",".join(line) for line in lines)
    items = list(all_importers()["timm"].read(source(text, name)))
    results = [item for item in items if isinstance(item, (ImportedRow, Refusal))]
    assert [result.place for result in results] == [f"row {number}" for number in range(1, len(lines))]
    for result in rows(items):
        check(result)


def read_or_nothing(importer: Importer, opened: Source) -> list[Any]:
    """Read a file; one that is refused as a whole gives nothing, but its name."""
    try:
        return list(importer.read(opened))
    except ImportFileError as error:
        message = error.message
    assert opened.name in message
    return []


def paths(content: Any) -> Iterator[tuple[Any, Any]]:
    """Give every (holder, key) in JSON data."""
    keys = content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield content, key
        yield from paths(content[key])


def rows(items: list[Any]) -> list[ImportedRow]:
    return [item for item in items if isinstance(item, ImportedRow)]


def check(row: ImportedRow) -> None:
    """Check what holds of every row whatever it was read from."""
    keys = [f"{one.name}.{one.stat}" + ("" if one.phase == "steady" else f".{one.phase}") for one in row.metrics]
    assert len(set(keys)) == len(keys)
    assert set(keys) <= set(row.conversions)
    for metric in row.metrics:
        assert (metric.value is None) == (metric.reason is not None)
        assert metric.value is None or abs(metric.value) < float("inf")
        assert metric.unit in known_units(metric.name)
    for series in row.samples:
        check_series(series)
    assert len({(series.name, series.rank) for series in row.samples}) == len(row.samples)
    json.dumps(dict(row.fields), allow_nan=False)
    json.dumps(row.case.to_dict(), allow_nan=False)
    assert row.case.workload
    assert row.reason or row.status == "ok"


def check_series(series: SampleSeries) -> None:
    assert series.unit == "ns"
    assert series.calls_per_sample >= 1
    assert all(isinstance(value, int) and 0 <= value < 2**63 for value in series.values)
