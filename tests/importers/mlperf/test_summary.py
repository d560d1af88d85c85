"""summary_results.json: units, derived numbers, power, accuracy, precision, and rows that cannot be taken."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.words import Mark, Mode, Status
from assay.importers.base import ImportedRow, ImportFileError, Note, Refusal, importers
from assay.importers.source import Source

Read = Callable[[str, Path], tuple[list[ImportedRow], list[Refusal], list[Note]]]
FORMAT = "mlperf-summary"
RECORD: dict[str, Any] = {
    "ID": "v4.1-0042",
    "Submitter": "Someone",
    "Availability": "available",
    "Category": "closed",
    "Suite": "datacenter",
    "System": "Box (8x Fast Chip)",
    "Platform": "box_fast8",
    "UsedModel": "resnet50",
    "Model": "resnet",
    "Scenario": "Offline",
    "Accuracy": "acc: 76.078",
    "Nodes": 2,
    "Processor": "Good CPU",
    "Accelerator": "Fast Chip 80GB",
    "a#": 8.0,
    "Software": "TensorRT 10.2.0, CUDA 12.4",
    "version": "v4.1",
    "inferred": 0,
    "weight_data_types": "INT8",
    "Performance_Result": 1600.0,
    "Performance_Units": "Samples/s",
}


def write(folder: Path, *changes: dict[str, Any]) -> Path:
    path = folder / "summary_results.json"
    path.write_text(json.dumps([RECORD | change for change in changes]), encoding="utf-8")
    return path


def read_one(read: Read, folder: Path, **changes: Any) -> ImportedRow:
    rows, refusals, _ = read(FORMAT, write(folder, changes))
    assert not refusals
    return rows[0]


def value(row: ImportedRow, name: str, stat: str = "mean") -> float | None:
    return next(one.value for one in row.metrics if (one.name, one.stat) == (name, stat))


def test_a_result_is_of_the_system_and_its_share_is_derived(read: Read, tmp_path: Path) -> None:
    row = read_one(read, tmp_path)
    assert row.place == "/0"
    assert value(row, "throughput_per_s") == 1600.0
    assert value(row, "throughput_per_accelerator_per_s") == 100.0
    assert row.marks.keys() == {Mark.DERIVED}
    assert row.conversions["throughput_per_accelerator_per_s.mean"].note == "Performance_Result / (a# x Nodes)"
    assert row.unit_of_work == "sample"
    assert row.fields == RECORD
    assert (row.status, row.measured_at, row.simulated) == (Status.OK, None, None)


def test_the_case_holds_what_tells_rows_apart(read: Read, tmp_path: Path) -> None:
    case = read_one(read, tmp_path).case
    assert (case.workload, case.engine, case.device) == ("resnet", "TensorRT 10.2.0, CUDA 12.4", "Fast Chip 80GB")
    assert (case.mode, case.precision, case.batch) == (Mode.SERVING, "int8", None)
    assert dict(case.options) == {
        "accelerators_per_node": 8,
        "availability": "available",
        "division": "closed",
        "model_used": "resnet50",
        "nodes": 2,
        "platform": "box_fast8",
        "round": "v4.1",
        "scenario": "Offline",
        "submitter": "Someone",
        "suite": "datacenter",
        "system": "Box (8x Fast Chip)",
    }


@pytest.mark.parametrize(("scenario", "stat", "samples"), [("SingleStream", "p90", 1), ("MultiStream", "p99", 8)])
def test_stream_results_are_latencies(read: Read, tmp_path: Path, scenario: str, stat: str, samples: int) -> None:
    row = read_one(read, tmp_path, Scenario=scenario, Performance_Units="Latency (ms)", Performance_Result=2.5)
    assert value(row, "latency_ns", stat) == 2.5e6
    assert row.units_per_call == samples
    assert Mark.DERIVED not in row.marks
    assert all(one.name != "throughput_per_accelerator_per_s" for one in row.metrics)


def test_a_server_result_is_the_rate_that_held(read: Read, tmp_path: Path) -> None:
    row = read_one(read, tmp_path, Scenario="Server", Performance_Units="Queries/s")
    assert value(row, "serving_rate_per_s") == 1600.0
    assert value(row, "throughput_per_accelerator_per_s") == 100.0
    assert row.unit_of_work == "query"


def test_a_server_result_in_tokens_is_a_throughput(read: Read, tmp_path: Path) -> None:
    row = read_one(read, tmp_path, Scenario="Server", Model="llama2-70b-99", Performance_Units="Tokens/s")
    assert (value(row, "throughput_per_s"), row.unit_of_work) == (1600.0, "token")
    assert Mark.CORRECTED not in row.marks


def test_a_wrong_unit_is_corrected_and_kept(read: Read, tmp_path: Path) -> None:
    row = read_one(read, tmp_path, Model="llama2-70b-99.9", UsedModel="someones-7b")
    assert row.unit_of_work == "token"
    assert row.marks[Mark.CORRECTED] == "labelled Samples/s; results of llama2-70b count tokens since v4.0"
    assert row.fields["Performance_Units"] == "Samples/s"


@pytest.mark.parametrize("nothing", ["", None, 0, "N/A"])
def test_without_accelerators_there_is_no_share(read: Read, tmp_path: Path, nothing: object) -> None:
    row = read_one(read, tmp_path, Accelerator="", **{"a#": nothing})
    assert (row.case.device, row.hardware) == ("Good CPU", "Good CPU")
    share = next(one for one in row.metrics if one.name == "throughput_per_accelerator_per_s")
    assert share.value is None
    assert share.reason is not None
    assert "names none" in share.reason
    assert Mark.DERIVED not in row.marks


def test_power_is_watts_or_energy_of_a_query(read: Read, tmp_path: Path) -> None:
    row = read_one(read, tmp_path, Power_Result=4613.5, Power_Units="Watts")
    assert value(row, "average_power_w") == 4613.5
    stream = {"Scenario": "SingleStream", "Performance_Units": "Latency (ms)"}
    row = read_one(read, tmp_path, Power_Result=61.0, Power_Units="millijoules", **stream)
    assert value(row, "energy_j_per_call") == pytest.approx(0.061)


@pytest.mark.parametrize(
    ("model", "text", "share"),
    [
        ("resnet", "acc: 76.078", 0.76078),
        ("3d-unet-99", "DICE: 0.86112", 0.86112),
        ("rnnt", "92.25", 0.9225),
        ("3d-unet-99", "0.86346", 0.86346),
        ("gptj-99", "43.1", None),
        ("gptj-99", "ROUGE1: 43.1  ROUGE2: 20.1  ROUGEL: 29.97  GEN_LEN: 4114386", None),
        ("stable-diffusion-xl", "CLIP_SCORE: 31.7  FID_SCORE: 23.6", None),
        ("resnet", None, None),
    ],
)
def test_accuracy_only_where_it_is_one_share(
    read: Read, tmp_path: Path, model: str, text: str | None, share: float | None
) -> None:
    row = read_one(read, tmp_path, Model=model, Accuracy=text)
    found = [one.value for one in row.metrics if one.name == "accuracy"]
    assert found == ([] if share is None else [pytest.approx(share)])
    assert row.fields["Accuracy"] == text


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("INT8", "int8"),
        ("float8", "fp8"),
        ("{'weights': 'FP16', 'kv': 'fp16'}", "fp16"),
        ("{'weights': 'int4', 'kv': 'fp8'}", None),
        ("{broken", None),
        ("fp8, int8", None),
        ("", None),
    ],
)
def test_precision_is_one_word_or_none(read: Read, tmp_path: Path, text: str, word: str | None) -> None:
    assert read_one(read, tmp_path, weight_data_types=text).case.precision == word


def test_long_software_is_no_engine(read: Read, tmp_path: Path) -> None:
    software = "a whole sentence about everything that was installed on the machine and why"
    case = read_one(read, tmp_path, Software=software).case
    assert (case.engine, dict(case.options)["software"]) == (None, software)


def test_inferred_results_say_so(read: Read, tmp_path: Path) -> None:
    row = read_one(read, tmp_path, inferred=1, **{"a#": ""})
    assert "another scenario" in row.marks[Mark.DERIVED]
    assert dict(row.case.options)["inferred"] is True


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"Performance_Result": None}, "there is no result"),
        ({"Performance_Result": 0}, "there is no result"),
        ({"Performance_Result": math.nan}, "there is no result"),
        ({"Performance_Result": -1.0}, "is negative"),
        ({"Performance_Result": "fast"}, "'fast' is not a number"),
        ({"Performance_Result": math.inf}, "is not finite"),
        ({"Performance_Units": "Streams"}, "'Streams' is not a unit"),
        ({"Performance_Units": None}, "has no unit"),
        ({"Performance_Units": "Latency (ms)"}, "does not go with the scenario Offline"),
        ({"Scenario": "Online"}, "'Online' is not a scenario"),
        ({"Model": ""}, "names no model"),
        ({"version": "newest"}, "is not a round"),
        ({"a#": 2.5}, "is not a count"),
        ({"Nodes": 1e300}, "1e+300 is more than any system has"),
        ({"Accuracy": "acc: 760.78"}, "more than all"),
        ({"Power_Result": 5.0, "Power_Units": "horses"}, "is no unit of power"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_alone(
    read: Read, tmp_path: Path, changes: dict[str, Any], error: str
) -> None:
    rows, refusals, _ = read(FORMAT, write(tmp_path, {}, changes, {}))
    assert [row.place for row in rows] == ["/0", "/2"]
    assert refusals[0].place == "/1"
    assert error in refusals[0].error
    assert "v4.1-0042" in refusals[0].raw


def test_something_else_in_the_list_is_refused(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "summary_results.json"
    path.write_text(json.dumps([RECORD, 5, None]))
    rows, refusals, notes = read(FORMAT, path)
    assert len(rows) == 1
    assert [refusal.error for refusal in refusals] == ["a int, expected an object.", "a NoneType, expected an object."]
    assert "trademark" in notes[0].text


def test_a_file_cut_off_is_refused_whole(read: Read, tmp_path: Path) -> None:
    path = write(tmp_path, {}, {})
    path.write_text(path.read_text()[:-40])
    with pytest.raises(ImportFileError, match="line 1"):
        read(FORMAT, path)


def test_only_a_list_of_results_is_read(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "summary_results.json"
    path.write_text(json.dumps(RECORD))
    with pytest.raises(ImportFileError, match="expected a list"):
        read(FORMAT, path)


def test_only_its_own_files_are_recognised(recognised_by: Callable[[Path], list[str]], tmp_path: Path) -> None:
    assert recognised_by(write(tmp_path, {})) == [FORMAT]
    other = tmp_path / "other.json"
    for text in ("[]", "[1]", "{}", '[{"Submitter": 1}]', json.dumps(RECORD)):
        other.write_text(text)
        assert recognised_by(other) == []


@given(
    result=st.floats(min_value=1e-6, max_value=1e12),
    accelerators=st.integers(1, 64),
    nodes=st.integers(1, 64),
    power=st.floats(min_value=1e-3, max_value=1e9),
)
def test_numbers_written_are_numbers_read(result: float, accelerators: int, nodes: int, power: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        changes = {
            "Performance_Result": result,
            "a#": accelerators,
            "Nodes": nodes,
            "Power_Result": power,
            "Power_Units": "Watts",
        }
        path = write(Path(folder), changes)
        _, row = importers.get(FORMAT).read(Source(path, path.name, path.stat().st_size))
    assert isinstance(row, ImportedRow)
    assert value(row, "throughput_per_s") == result
    assert value(row, "average_power_w") == power
    assert value(row, "throughput_per_accelerator_per_s") == result / (accelerators * nodes)


def test_a_file_may_be_read_twice(tmp_path: Path) -> None:
    path = write(tmp_path, {}, {"Performance_Result": None})
    source = Source(path, path.name, path.stat().st_size)
    assert list(importers.get(FORMAT).read(source)) == list(importers.get(FORMAT).read(source))
