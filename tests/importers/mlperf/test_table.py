"""The downloaded table: byte order mark, repeated headers, thousands marks, and rows that are cut off."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, ImportFileError, Note, Refusal, importers
from assay.importers.source import Source

Read = Callable[[str, Path], tuple[list[ImportedRow], list[Refusal], list[Note]]]
FORMAT = "mlperf-table"
HEADER = [
    "Public ID", "Organization", "Availability", "System Name (click + for details)", "# of Nodes", "Processor",
    "Accelerator", "# of Accelerators", "Benchmark", "Model MLC", "Scenario", "Units", "Valid / Invalid",
    "# of Accelerators", "# of Nodes", "Accelerator", "Availability", "Avg. Result at System Name",
]  # fmt: skip
ROW = [
    "5.0-0007", "Someone", "Preview", "Box, large", "2", "Good CPU", "Fast Chip", "4", "Inference", "resnet", "Offline",
    "Samples/s", "", "4", "2", "Fast Chip", "Preview", "1,014.50",
]  # fmt: skip


def with_changes(**changes: str) -> list[str]:
    """Return the row with other cells, repeated columns kept alike; names are without blanks and signs."""
    keys = ["".join(filter(str.isalpha, name)) for name in HEADER]
    return [changes.get(key, cell) for key, cell in zip(keys, ROW, strict=True)]


def write(folder: Path, *rows: list[str]) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([HEADER, *rows])
    path = folder / "table.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    return path


def value(row: ImportedRow, name: str) -> float | None:
    return next(one.value for one in row.metrics if one.name == name)


def test_a_row_of_the_table(read: Read, tmp_path: Path, recognised_by: Callable[[Path], list[str]]) -> None:
    path = write(tmp_path, ROW)
    assert recognised_by(path) == [FORMAT]
    rows, refusals, notes = read(FORMAT, path)
    assert not refusals
    assert "averages" in notes[1].text
    row = rows[0]
    assert row.place == "row 1"
    assert value(row, "throughput_per_s") == 1014.5
    assert value(row, "throughput_per_accelerator_per_s") == pytest.approx(1014.5 / 8)
    assert row.fields["Public ID"] == "5.0-0007"
    assert row.fields["# of Accelerators.1"] == "4"
    assert (row.case.engine, row.case.precision, row.case.device) == (None, None, "Fast Chip")
    options = dict(row.case.options)
    assert (options["round"], options["system"], options["availability"]) == ("v5.0", "Box, large", "preview")
    assert "division" not in options


def test_a_row_of_a_cpu(read: Read, tmp_path: Path) -> None:
    rows, _, _ = read(FORMAT, write(tmp_path, with_changes(Accelerator="N/A", ofAccelerators="0")))
    assert rows[0].case.device == "Good CPU"
    assert value(rows[0], "throughput_per_accelerator_per_s") is None
    assert rows[0].marks == {}


def test_units_of_language_models_are_corrected(read: Read, tmp_path: Path) -> None:
    rows, _, _ = read(FORMAT, write(tmp_path, with_changes(ModelMLC="llama2-70b-interactive-99")))
    assert rows[0].unit_of_work == "token"
    assert Mark.CORRECTED in rows[0].marks


def test_an_invalid_row_is_a_failure_with_its_numbers(read: Read, tmp_path: Path) -> None:
    rows, _, _ = read(FORMAT, write(tmp_path, with_changes(ValidInvalid="Invalid"), with_changes(ValidInvalid="Valid")))
    assert [row.status for row in rows] == [Status.FAILED, Status.OK]
    assert rows[0].reason == "the source says Invalid"
    assert value(rows[0], "throughput_per_s") == 1014.5


def test_repeated_columns_must_agree(read: Read, tmp_path: Path) -> None:
    broken = [*ROW[:13], "8", *ROW[14:]]
    rows, refusals, _ = read(FORMAT, write(tmp_path, broken, ROW))
    assert [row.place for row in rows] == ["row 2"]
    assert refusals[0].error == "the column '# of Accelerators' is there twice with '4' and '8'."


def test_rows_without_a_result_are_refused(read: Read, tmp_path: Path) -> None:
    empty = with_changes(AvgResultatSystemName="")
    slip = with_changes(AvgResultatSystemName="1,01,4")
    rows, refusals, _ = read(FORMAT, write(tmp_path, empty, ROW, slip, ROW[:11]))
    assert [row.place for row in rows] == ["row 2"]
    assert [refusal.place for refusal in refusals] == ["row 1", "row 3", "row 4"]
    for word, refusal in zip(("no result", "1,01,4", "no unit"), refusals, strict=True):
        assert word in refusal.error


@pytest.mark.parametrize(
    ("tail", "error"),
    [(b'"cut off', "unexpected end of data"), (b"\xff\xfe,1\r\n", "not UTF-8"), (b"," * 20 + b"\r\n", "21 fields")],
)
def test_a_broken_file_is_refused_whole(read: Read, tmp_path: Path, tail: bytes, error: str) -> None:
    path = write(tmp_path, ROW)
    path.write_bytes(path.read_bytes() + tail)
    with pytest.raises(ImportFileError, match=error):
        read(FORMAT, path)


@given(result=st.floats(min_value=1e-6, max_value=1e12), accelerators=st.integers(1, 64), thousands=st.booleans())
def test_numbers_written_are_numbers_read(result: float, accelerators: int, *, thousands: bool) -> None:
    text = f"{result:,.4f}" if thousands and result >= 1 else repr(result)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), with_changes(AvgResultatSystemName=text, ofAccelerators=str(accelerators)))
        *_, row = importers.get(FORMAT).read(Source(path, path.name, path.stat().st_size))
    assert isinstance(row, ImportedRow)
    expected = float(text.replace(",", ""))
    assert value(row, "throughput_per_s") == expected
    assert value(row, "throughput_per_accelerator_per_s") == expected / (accelerators * 2)
