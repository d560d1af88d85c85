"""Read the catalogue's data files: one CSV a maker, and the sources.

CSV and not YAML: all of it must load in under 50 ms. It takes 15 to 30 ms; PyYAML with its C loader took 140 ms for
half of the cells, and a file compiled from YAML would be a second truth. A row is a device, so a spreadsheet and a diff
both show what changed. May import: standard library, core.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from assay.catalog.hardware.entry import Hardware, Source, SourceKind
from assay.catalog.hardware.fields import COLUMNS, LISTS, NUMBER_COLUMNS, RATE_COLUMNS, REQUIRED, TERA
from assay.core.errors import AssayError, UnknownNameError

DATA_FILES = ("nvidia", "amd", "intel", "apple", "google", "amazon", "others")
_DATA = Path(__file__).parent / "data"
_SOURCE_COLUMNS = ["source_id", "kind", "publisher", "title", "date"]


@cache
def load_catalogue() -> Mapping[str, Hardware]:
    """Return every device by its id, in the order of the files. Raises AssayError where a file cannot be read."""
    devices: dict[str, Hardware] = {}
    for name in DATA_FILES:
        for device in read_devices(_read(f"{name}.csv"), f"{name}.csv"):
            if device.hw_id in devices:
                raise AssayError(f"{name}.csv: {device.hw_id} is in the catalogue twice; an id names one device.")
            devices[device.hw_id] = device
    return MappingProxyType(devices)


@cache
def load_sources() -> Mapping[str, Source]:
    """Return every source by its id."""
    reader = csv.DictReader(_read("sources.csv"))
    if reader.fieldnames != _SOURCE_COLUMNS:
        raise AssayError(f"sources.csv has the columns {reader.fieldnames}; expected {_SOURCE_COLUMNS}.")
    return MappingProxyType(
        {row["source_id"]: Source(row["source_id"], SourceKind(row["kind"]), *list(row.values())[2:]) for row in reader}
    )


def find_hardware(hw_id: str) -> Hardware:
    """Return one device. Raises UnknownNameError with the nearest ids."""
    devices = load_catalogue()
    if hw_id not in devices:
        raise UnknownNameError("device of the catalogue", hw_id, devices, hint=f"Try: assay catalog match {hw_id!r}.")
    return devices[hw_id]


def find_source(device: Hardware, column: str) -> Source:
    """Return the source of one cell; ``column`` as in the data files (``tdp_w``, ``tensor_bf16_tflops``)."""
    return load_sources()[device.source_id(column)]


def read_devices(lines: Iterable[str], place: str) -> list[Hardware]:
    """Read the rows of one data file. Raises AssayError with place and line for what is not a device."""
    reader = csv.reader(lines)
    header = next(reader, [])
    unknown = [column for column in header if column not in COLUMNS]
    missing = [column for column in (*REQUIRED, "sources") if column not in header]
    if unknown or missing:
        raise AssayError(
            f"{place}: columns {', '.join([*unknown, *missing])} are unknown or missing.",
            hint="The columns are listed in docs/catalogue.md.",
        )
    readers = [_reader_of(column) for column in header]
    devices = []
    for row in reader:
        if len(row) != len(header):
            raise AssayError(f"{place}, line {reader.line_num}: {len(row)} cells, expected {len(header)}.")
        try:
            devices.append(_make(row, readers))
        except (KeyError, ValueError) as error:
            raise AssayError(f"{place}, line {reader.line_num}: {error!r} in {row[0]!r}.") from error
    return devices


_Reader = tuple[str, Callable[[str], Any] | None, bool]
"""Of one column: its name in the entry, how a cell is read (None: as it is written), and whether it is a rate."""


def _reader_of(column: str) -> _Reader:
    """Found once a file and not once a cell: most of the time of loading went into looking columns up."""
    if (rate := RATE_COLUMNS.get(column)) is not None:
        # Whole operations: 133.8 * 1e12 is not 133.8e12 in binary.
        return rate, lambda cell: float(round(float(cell) * TERA)), True
    if (field := NUMBER_COLUMNS.get(column)) is not None:
        scale, is_whole = field.scale, field.is_whole
        return field.name, lambda cell: int(float(cell) * scale) if is_whole else float(cell) * scale, False
    if column in LISTS:
        return column, lambda cell: tuple(cell.split(";")), False
    return column, None, False


def _make(row: Sequence[str], readers: Sequence[_Reader]) -> Hardware:
    given: dict[str, Any] = {}
    rates: dict[str, Any] = {}
    for cell, (name, read, is_rate) in zip(row, readers, strict=True):
        if cell:
            into = rates if is_rate else given
            into[name] = cell if read is None else read(cell)
    for column in REQUIRED:
        if column not in given:
            raise KeyError(column)
    first, *others = given.pop("sources").split()
    rules = [("", first), *((start, source) for start, _, source in (rule.partition(":") for rule in others))]
    return Hardware(**given, rates=MappingProxyType(rates), source_rules=tuple(rules))


def _read(name: str) -> list[str]:
    return (_DATA / name).read_text(encoding="utf-8").splitlines()
