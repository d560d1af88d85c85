"""Collected tables, Parquet and CSV, inference and training: corrected units, minutes, and broken files."""

from __future__ import annotations

import csv
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.words import Mark, Mode
from assay.importers.base import ImportedRow, ImportFileError, Note, Refusal, importers
from assay.importers.source import Source

Read = Callable[[str, Path], tuple[list[ImportedRow], list[Refusal], list[Note]]]
FORMAT = "mlperf-parquet"
INFERENCE: dict[str, Any] = {
    "round": "v4.1",
    "division": "closed",
    "suite": "datacenter",
    "submitter": "Someone",
    "system_name": "Box",
    "platform": "box_fast8",
    "model_used": "resnet50",
    "model": "resnet",
    "scenario": "Offline",
    "result": 800.0,
    "units": "Samples/s",
    "units_fixed": "Samples/s",
    "accuracy": "76.078",
    "power_result": None,
    "power_units": None,
    "accelerator": "Fast Chip",
    "accelerators_per_node": 8.0,
    "nodes": 1,
    "cpu": "Good CPU",
    "software": "TensorRT 10.2.0",
    "inferred": 0,
}
TRAINING: dict[str, Any] = {
    "round": "5.1",
    "division": "closed",
    "submitter": "Someone",
    "system": "Box",
    "benchmark": "bert",
    "minutes_olympic_mean": 5.5,
    "units": "min.",
    "accelerator": "Fast Chip",
    "accelerators_total": 16,
    "cpu": "Good CPU",
    "framework": "PyTorch",
    "n_runs": 10.0,
    "n_success": 9.0,
    "minutes_min": 5.25,
    "minutes_max": 6.0,
    "global_batch_size": 256.0,
    "nodes": 2.0,
}


def write_parquet(folder: Path, base: dict[str, Any], *changes: dict[str, Any]) -> Path:
    path = folder / "table.parquet"
    pq.write_table(pa.Table.from_pylist([base | change for change in changes]), path)
    return path


def write_csv(folder: Path, base: dict[str, Any], *changes: dict[str, Any]) -> Path:
    path = folder / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(base))
        writer.writeheader()
        writer.writerows(base | change for change in changes)
    return path


Write = Callable[..., Path]
both_files = pytest.mark.parametrize("write", [write_parquet, write_csv])


def value(row: ImportedRow, name: str, stat: str = "mean") -> float | None:
    return next(one.value for one in row.metrics if (one.name, one.stat) == (name, stat))


@both_files
def test_inference(read: Read, tmp_path: Path, write: Write, recognised_by: Callable[[Path], list[str]]) -> None:
    path = write(tmp_path, INFERENCE, {}, {"nodes": 4})
    assert recognised_by(path) == [FORMAT]
    rows, refusals, notes = read(FORMAT, path)
    assert not refusals
    assert "several rounds" in notes[1].text
    assert [row.place for row in rows] == ["row 1", "row 2"]
    assert value(rows[0], "throughput_per_s") == 800.0
    assert [value(row, "throughput_per_accelerator_per_s") for row in rows] == [100.0, 25.0]
    assert value(rows[0], "accuracy") == pytest.approx(0.76078)
    assert rows[0].case.mode is Mode.SERVING
    assert rows[0].case.precision is None


@both_files
def test_units_are_corrected_and_the_raw_ones_kept(read: Read, tmp_path: Path, write: Write) -> None:
    changes = [
        {"model": "gptj-99", "round": "v4.0"},
        {"model": "gptj-99", "round": "v4.1", "units_fixed": "Tokens/s"},
        {"model": "gptj-99", "round": "v4.1", "units_fixed": None},
        {"model": "new-model", "units_fixed": "Tokens/s"},
    ]
    rows, _, _ = read(FORMAT, write(tmp_path, INFERENCE, *changes))
    assert [row.unit_of_work for row in rows] == ["sample", "token", "token", "token"]
    assert [Mark.CORRECTED in row.marks for row in rows] == [False, True, True, True]
    assert {row.fields["units"] for row in rows} == {"Samples/s"}
    assert "the collector's column" in rows[3].marks[Mark.CORRECTED]


@both_files
def test_a_wrong_correction_is_not_followed(read: Read, tmp_path: Path, write: Write) -> None:
    change = {"model": "llama2-70b-99", "round": "v4.0", "units_fixed": "Tokens/s"}
    server = change | {"scenario": "Server", "units": "Queries/s"}
    rows, _, _ = read(FORMAT, write(tmp_path, INFERENCE, change, server))
    assert [row.unit_of_work for row in rows] == ["token", "query"]
    assert value(rows[1], "serving_rate_per_s") == 800.0
    assert "which is wrong for Server results of llama2-70b in v4.0" in rows[1].marks[Mark.CORRECTED]


@both_files
def test_cells_that_say_nothing(read: Read, tmp_path: Path, write: Write) -> None:
    change = {"accelerator": "N/A", "accelerators_per_node": 0.0, "accuracy": "None", "software": "-"}
    rows, refusals, _ = read(FORMAT, write(tmp_path, INFERENCE, change))
    assert not refusals
    assert (rows[0].case.device, rows[0].case.engine) == ("Good CPU", None)
    assert all(one.name != "accuracy" for one in rows[0].metrics)


def test_accelerators_of_several_kinds_have_no_share(read: Read, tmp_path: Path) -> None:
    change = {"accelerator": "2 Nodes: Chip x8, 4 Nodes: Other x4", "accelerators_per_node": None}
    rows, _, _ = read(FORMAT, write_parquet(tmp_path, INFERENCE, {}, change))
    share = next(one for one in rows[1].metrics if one.name == "throughput_per_accelerator_per_s")
    assert share.value is None
    assert share.reason is not None
    assert "no number of them" in share.reason


@both_files
def test_training(read: Read, tmp_path: Path, write: Write, recognised_by: Callable[[Path], list[str]]) -> None:
    path = write(tmp_path, TRAINING, {}, {"n_runs": None, "round": "2.0", "minutes_min": None})
    assert recognised_by(path) == [FORMAT]
    rows, refusals, notes = read(FORMAT, path)
    assert not refusals
    assert "marked unverified" in notes[1].text
    computed, published = rows
    assert value(computed, "time_to_train_ns") == 5.5 * 60e9
    assert value(computed, "time_to_train_ns", "min") == 5.25 * 60e9
    assert value(computed, "time_to_train_ns", "max") == 6 * 60e9
    assert {one.n for one in computed.metrics} == {9}
    assert "of 10" in computed.marks[Mark.UNVERIFIED]
    assert "penalties" in computed.marks[Mark.UNVERIFIED]
    assert published.marks == {}
    assert (computed.case.mode, computed.case.workload, computed.case.engine) == (Mode.TRAINING, "bert", "PyTorch")
    assert dict(computed.case.options) == {
        "accelerators": 16,
        "division": "closed",
        "global_batch_size": 256,
        "nodes": 2,
        "round": "v5.1",
        "submitter": "Someone",
        "system": "Box",
    }


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"minutes_olympic_mean": None}, "there is no result"),
        ({"minutes_olympic_mean": 0.0}, "there is no result"),
        ({"minutes_olympic_mean": math.nan}, "there is no result"),
        ({"minutes_olympic_mean": -2.0}, "is negative"),
        ({"units": "hours"}, "is not minutes"),
        ({"benchmark": None}, "names no benchmark"),
        ({"round": "first"}, "is not a round"),
        ({"n_runs": 2.5}, "is not a count"),
    ],
)
def test_a_training_row_that_makes_no_sense_is_refused(
    read: Read, tmp_path: Path, changes: dict[str, Any], error: str
) -> None:
    rows, refusals, _ = read(FORMAT, write_parquet(tmp_path, TRAINING, {}, changes))
    assert [row.place for row in rows] == ["row 1"]
    assert refusals[0].place == "row 2"
    assert error in refusals[0].error


def test_a_parquet_file_cut_off(read: Read, tmp_path: Path, recognised_by: Callable[[Path], list[str]]) -> None:
    path = write_parquet(tmp_path, INFERENCE, {})
    path.write_bytes(path.read_bytes()[:-9])
    assert recognised_by(path) == []
    with pytest.raises(ImportFileError, match="no sound Parquet file"):
        read(FORMAT, path)


def test_a_parquet_file_with_damaged_pages(read: Read, tmp_path: Path) -> None:
    path = write_parquet(tmp_path, INFERENCE, *[{"result": float(number + 1)} for number in range(2000)])
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)
    with pytest.raises(ImportFileError, match="after row 0"):
        read(FORMAT, path)


def test_a_column_that_is_there_twice(read: Read, tmp_path: Path, recognised_by: Callable[[Path], list[str]]) -> None:
    table = pa.Table.from_pylist([INFERENCE])
    path = tmp_path / "table.parquet"
    pq.write_table(table.append_column("result", table.column("nodes")), path)
    assert recognised_by(path) == []
    with pytest.raises(ImportFileError, match="'result' twice"):
        read(FORMAT, path)


def test_other_columns_are_not_its(read: Read, tmp_path: Path, recognised_by: Callable[[Path], list[str]]) -> None:
    for write in (write_csv, write_parquet):
        path = write(tmp_path, {"model": "resnet", "result": 1.0}, {})
        assert recognised_by(path) == []
        with pytest.raises(ImportFileError, match="lacks columns"):
            read(FORMAT, path)


@given(results=st.lists(st.floats(min_value=1e-6, max_value=1e12), min_size=1, max_size=20), as_csv=st.booleans())
def test_inference_numbers_written_are_numbers_read(results: list[float], *, as_csv: bool) -> None:
    write = write_csv if as_csv else write_parquet
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), INFERENCE, *({"result": result} for result in results))
        items = list(importers.get(FORMAT).read(Source(path, path.name, path.stat().st_size)))
    assert [value(row, "throughput_per_s") for row in items if isinstance(row, ImportedRow)] == results


@given(minutes=st.lists(st.floats(min_value=1e-3, max_value=1e6), min_size=1, max_size=20), as_csv=st.booleans())
def test_training_numbers_written_are_numbers_read(minutes: list[float], *, as_csv: bool) -> None:
    write = write_csv if as_csv else write_parquet
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), TRAINING, *({"minutes_olympic_mean": one} for one in minutes))
        items = list(importers.get(FORMAT).read(Source(path, path.name, path.stat().st_size)))
    read_back = [value(row, "time_to_train_ns") for row in items if isinstance(row, ImportedRow)]
    assert read_back == [one * 60e9 for one in minutes]
