"""The table that says what the recordings of a vibration data set are: CSV or XLSX, one row a recording.

Columns are those of PHM-Vibench (Id, Dataset_id, Name, Type, File, Label, Label_Description, Domain_id, Sample_Rate,
Length, Channels), spelled in any of the ways its releases spell them; others are kept as text. May import: core;
openpyxl inside functions.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from assay.core.errors import WorkloadError, nearest_names

_MOST_ROWS = 2_000_000
_NOTHING = frozenset({"", "nan", "none", "null", "n/a", "na"})
_COLUMNS = {
    "id": "id",
    "dataset_id": "dataset_id",
    "name": "name",
    "type": "type",
    "file": "file",
    "label": "label",
    "label_description": "label_description",
    "domain_id": "domain_id",
    "domain_description": "domain_description",
    "working_condition_description": "domain_description",
    "sample_rate": "sample_rate_hz",
    "length": "length",
    "sample_length": "length",
    "sample_lenth": "length",  # as several of its releases have it
    "sample_lenth (l)": "length",
    "sample_length (l)": "length",
    "channels": "channels",
    "channel": "channels",
    "channel (c)": "channels",
}
_NEEDED = ("id", "name")
_WHOLE = frozenset({"label", "length", "channels"})


@dataclass(frozen=True, slots=True)
class Recording:
    """One row. ``id`` is the key in ``<name>.h5``; what the table leaves out is None; ``extra`` has other columns."""

    id: str
    name: str
    dataset_id: str | None = None
    type: str | None = None
    file: str | None = None
    label: int | None = None
    label_description: str | None = None
    domain_id: str | None = None
    domain_description: str | None = None
    sample_rate_hz: float | None = None
    length: int | None = None
    channels: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


def read_metadata(path: Path) -> tuple[Recording, ...]:
    """Read every row, in order. Raises WorkloadError naming file, row and column where something is wrong.

    Rows without an Id are an error, but wholly empty rows are not; a label below 0 means "not labelled", as it does
    there.
    """
    if not path.is_file():
        raise WorkloadError(f"There is no metadata file {path}.", hint="Expected a .csv or .xlsx, one row a recording.")
    kind = path.suffix.lower()
    if kind not in (".csv", ".xlsx"):
        raise WorkloadError(f"{path.name} is metadata of no known kind.", hint="Expected .csv or .xlsx.")
    rows = _csv_rows(path) if kind == ".csv" else _xlsx_rows(path)
    header = next(rows, (0, []))[1]
    names = _match_columns(path.name, header)
    recordings: list[Recording] = []
    seen: dict[tuple[str, str], int] = {}
    for number, cells in rows:
        if not any(cell for cell in cells):
            continue
        if len(recordings) >= _MOST_ROWS:
            raise WorkloadError(f"{path.name} has more than {_MOST_ROWS} rows.", hint="Split it.")
        one = _read_row(f"{path.name}, row {number}", dict(zip(header, cells, strict=False)), names)
        first = seen.setdefault((one.name, one.id), number)
        if first != number:
            raise WorkloadError(
                f"{path.name}, row {number}: the Id {one.id!r} of {one.name!r} is that of row {first} too.",
                hint="An Id is the key of one recording.",
            )
        recordings.append(one)
    if not recordings:
        raise WorkloadError(f"{path.name} lists no recording: it has a header and nothing below.")
    return tuple(recordings)


def write_metadata(path: Path, recordings: Iterable[Recording]) -> Path:
    """Write a CSV that `read_metadata` and PHM-Vibench read: its columns first, then those of ``extra``."""
    rows = tuple(recordings)
    extra = sorted({name for one in rows for name in one.extra})
    columns = {
        "Id": "id",
        "Dataset_id": "dataset_id",
        "Name": "name",
        "Type": "type",
        "File": "file",
        "Label": "label",
        "Label_Description": "label_description",
        "Domain_id": "domain_id",
        "Domain_description": "domain_description",
        "Sample_Rate": "sample_rate_hz",
        "Length": "length",
        "Channels": "channels",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*columns, *extra])
        for one in rows:
            known = [getattr(one, attribute) for attribute in columns.values()]
            writer.writerow(
                ["" if value is None else value for value in (*known, *(one.extra.get(name) for name in extra))]
            )
    return path


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, cells in enumerate(csv.reader(file), start=1):
                yield number, [cell.strip() for cell in cells]
    except UnicodeDecodeError as error:
        raise WorkloadError(f"{path.name} is not UTF-8 text: {error.reason}.", hint="Convert it first.") from error
    except csv.Error as error:
        raise WorkloadError(f"{path.name} is no CSV that can be read: {error}.") from error


def _xlsx_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise WorkloadError(
            "Reading .xlsx needs the package openpyxl.", hint="pip install 'assay[vibration]', or save it as CSV."
        ) from error
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # a workbook can be broken in as many ways as there are parts in it
        raise WorkloadError(f"{path.name} is no workbook that can be read: {error}.") from error
    try:
        sheet = book.worksheets[0]
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            yield number, ["" if cell is None else str(cell).strip() for cell in cells]
    finally:
        book.close()


def _match_columns(file: str, header: list[str]) -> dict[str, str]:
    """From the attributes of `Recording` to the columns that hold them."""
    names: dict[str, str] = {}
    for column in header:
        attribute = _COLUMNS.get(column.casefold())
        if attribute is not None:
            names.setdefault(attribute, column)
    for needed in _NEEDED:
        if needed not in names:
            near = nearest_names(needed, [column for column in header if column])
            meant = f" Is it {near[0]!r}?" if near else ""
            raise WorkloadError(
                f"{file} has no column {needed.capitalize()!r}; it has {', '.join(filter(None, header)) or 'none'}."
                f"{meant}",
                hint="docs/contrastive.md lists the columns.",
            )
    return names


def _read_row(where: str, cells: Mapping[str, str], names: Mapping[str, str]) -> Recording:
    given = {attribute: cells.get(column, "") for attribute, column in names.items()}
    present = {attribute: cell for attribute, cell in given.items() if cell.casefold() not in _NOTHING}
    for needed in _NEEDED:
        if needed not in present:
            raise WorkloadError(f"{where}: the column {names[needed]!r} is empty; every recording needs one.")
    numbers = {attribute: _read_number(where, names.get(attribute), present.get(attribute)) for attribute in _WHOLE}
    for attribute in ("length", "channels"):
        value = numbers[attribute]
        if value is not None and value < 1:
            raise WorkloadError(f"{where}: {names[attribute]} is {value}; expected 1 or more.")
    rate = _read_float(where, names.get("sample_rate_hz", ""), present.get("sample_rate_hz"))
    if rate is not None and rate <= 0:
        raise WorkloadError(f"{where}: {names['sample_rate_hz']} is {rate:g}; expected a rate above 0, in Hz.")
    label = numbers["label"]
    used = set(names.values())
    return Recording(
        id=_whole_text(present["id"]),
        name=present["name"],
        dataset_id=_whole_text(present.get("dataset_id")),
        type=present.get("type"),
        file=present.get("file"),
        label=None if label is None or label < 0 else label,
        label_description=present.get("label_description"),
        domain_id=_whole_text(present.get("domain_id")),
        domain_description=present.get("domain_description"),
        sample_rate_hz=rate,
        length=numbers["length"],
        channels=numbers["channels"],
        extra={column: cell for column, cell in cells.items() if column and column not in used and cell},
    )


def _read_float(where: str, column: str, cell: str | None) -> float | None:
    if cell is None:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise WorkloadError(f"{where}: {column} is {cell!r}; expected a number.")
    return value


def _read_number(where: str, column: str | None, cell: str | None) -> int | None:
    """Read a whole number; a spreadsheet may have made 3.0 of 3."""
    value = _read_float(where, column or "", cell)
    if value is not None and not value.is_integer():
        raise WorkloadError(f"{where}: {column} is {cell!r}; expected a whole number.")
    return None if value is None else int(value)


@overload
def _whole_text(cell: str) -> str: ...
@overload
def _whole_text(cell: None) -> None: ...
def _whole_text(cell: str | None) -> str | None:
    """Undo what spreadsheets do to an Id: ``12.0`` is ``12``."""
    return cell[:-2] if cell is not None and cell.endswith(".0") and cell[:-2].isdecimal() else cell
