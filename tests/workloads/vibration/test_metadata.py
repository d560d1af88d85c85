"""The table of recordings: the spellings of PHM-Vibench, CSV and XLSX, and what is wrong with wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.core.errors import WorkloadError
from assay.workloads.vibration.metadata import Recording, read_metadata, write_metadata

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data" / "phm_vibench" / "metadata_dummy.csv"


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "metadata.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.skipif(not SHARED.is_file(), reason="the collected data are not here")
def test_the_published_example() -> None:
    one, two = read_metadata(SHARED)
    assert (one.id, one.name, one.label, one.label_description) == ("1", "Dummy_Data", 0, "Normal")
    assert (two.sample_rate_hz, two.length, two.channels) == (2_000.0, 4_096, 6)
    assert two.domain_description == "Variable"
    assert two.extra["Benchmark_Table"] == "Dummy_Table"


def test_spellings_of_columns_and_unknown_ones(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        "ID,Name,LABEL,Sample_rate,Sample_lenth (L),Channel (C),Remark\n"
        "3.0,Rig,2.0,25600,1000,2,left\n"
        "\n"
        "4,Rig,-1,nan,,,\n",
    )
    one, two = read_metadata(path)
    assert one == Recording(
        id="3", name="Rig", label=2, sample_rate_hz=25_600.0, length=1_000, channels=2, extra={"Remark": "left"}
    )
    assert (two.label, two.sample_rate_hz, two.length, two.channels) == (None, None, None, None)


def test_workbooks_say_the_same_as_text(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="needs openpyxl: pip install 'assay[vibration]'")
    book = openpyxl.Workbook()
    book.active.append(["Id", "Name", "Label", "Sample_Rate", None, "Note"])
    book.active.append([1, "Rig", 0, 12000.0, None, None])
    book.active.append([None, None, None, None, None, None])
    book.active.append([2.0, "Rig", 1, 12000, None, "x"])
    book.save(tmp_path / "metadata.xlsx")
    found = read_metadata(tmp_path / "metadata.xlsx")
    text = "Id,Name,Label,Sample_Rate,,Note\n1,Rig,0,12000.0,,\n,,,,,\n2.0,Rig,1,12000,,x\n"
    assert found == read_metadata(_write(tmp_path, text))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    rows = (
        Recording("1", "Rig", label=0, sample_rate_hz=12_000.0, length=5, channels=1, extra={"Load": "2"}),
        Recording("2", "Other", dataset_id="9", type="bearing", label_description="inner, race", domain_id="3"),
    )
    assert read_metadata(write_metadata(tmp_path / "new" / "m.csv", rows)) == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'Id'; it has none"),
        ("Idd,Name\n1,R\n", "no column 'Id'.*Is it 'Idd'"),
        ("Id,Label\n1,0\n", "no column 'Name'"),
        ("Id,Name\n", "lists no recording"),
        ("Id,Name\n1,\n", "row 2: the column 'Name' is empty"),
        ("Id,Name\n1,R\n1,R\n", "row 3: the Id '1' of 'R' is that of row 2 too"),
        ("Id,Name,Label\n1,R,often\n", "row 2: Label is 'often'; expected a number"),
        ("Id,Name,Label\n1,R,1.5\n", "row 2: Label is '1.5'; expected a whole number"),
        ("Id,Name,Length\n1,R,0\n", "row 2: Length is 0; expected 1 or more"),
        ("Id,Name,Sample_Rate\n1,R,-5\n", "row 2: Sample_Rate is -5; expected a rate above 0"),
    ],
)
def test_wrong_tables_say_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        read_metadata(_write(tmp_path, text))


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="There is no metadata file"):
        read_metadata(tmp_path / "none.csv")
    (tmp_path / "m.json").write_text("{}")
    with pytest.raises(WorkloadError, match=r"Expected \.csv or \.xlsx"):
        read_metadata(tmp_path / "m.json")
    (tmp_path / "m.csv").write_bytes(b"Id,Name\n1,\xff\xfe\n")
    with pytest.raises(WorkloadError, match="not UTF-8"):
        read_metadata(tmp_path / "m.csv")
    pytest.importorskip("openpyxl", reason="needs openpyxl: pip install 'assay[vibration]'")
    (tmp_path / "m.xlsx").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(WorkloadError, match="no workbook"):
        read_metadata(tmp_path / "m.xlsx")
