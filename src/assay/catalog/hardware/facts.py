"""What is known of each device, over all layers of the catalogue: one value a cell, with its layer, source and date.

The shipped table needs no store; imported cells and own devices are handed in, so this stays below the store. May
import: standard library, core, catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from assay.catalog.hardware.cells import PREFERENCE, CatalogueCell, Layer, prefer_cells
from assay.catalog.hardware.entry import Hardware, kind_of
from assay.catalog.hardware.fields import FACTS, NUMBERS, RATE_COLUMNS, REQUIRED, TERA, TEXTS
from assay.catalog.hardware.load import find_hardware, load_catalogue, load_sources
from assay.core.errors import UnknownNameError

IDENTITY = (*REQUIRED[1:], "aliases")
"""What says which device it is. Only own devices have cells of these."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device and the cell that answers for each column. A column that nobody states is absent."""

    hw_id: str
    name: str
    vendor: str
    architecture: str
    category: str
    cells: Mapping[str, CatalogueCell]

    def number(self, column: str) -> float | None:
        """Return the number in a column, in the unit of the data files; None where it is unknown or a word."""
        cell = self.cells.get(column)
        return None if cell is None else cell.number

    def text(self, column: str) -> str | None:
        """Return the word in a column; None where it is unknown or a number."""
        cell = self.cells.get(column)
        return None if cell is None else cell.text

    def layer(self, column: str) -> Layer | None:
        """Return whose statement answers for a column; None where nobody states it."""
        cell = self.cells.get(column)
        return None if cell is None else cell.layer

    @property
    def kind(self) -> str:
        """``cpu``, ``gpu``, ``soc`` (both, in one name) or ``accelerator``."""
        return kind_of(self.category)


def view_facts(
    cells: Iterable[CatalogueCell] = (), *, prefer: Sequence[Layer] = PREFERENCE
) -> Mapping[str, DeviceFacts]:
    """Return what is known of every device, by its id: the shipped ones in their order, then own ones.

    ``cells`` are imported and own statements; those without a ``hw_id`` are left out. An id that the shipped table
    lacks is a device of its own only where the own layer names it. Cells of layers that ``prefer`` does not name are
    left out, and a device with nothing left stays, without cells.
    """
    given = _group(cells)
    shipped = _shipped()
    if not given and Layer.SHIPPED in prefer:
        return shipped
    found = {hw_id: _merge(device, given.get(hw_id, {}), prefer) for hw_id, device in shipped.items()}
    if Layer.OWN in prefer:
        for hw_id, columns in given.items():
            if hw_id not in found and any(cell.layer is Layer.OWN for cell in columns.get("name", ())):
                found[hw_id] = _merge(_identify(hw_id, columns), columns, prefer)
    return MappingProxyType(found)


def facts_of(hw_id: str, cells: Iterable[CatalogueCell] = (), *, prefer: Sequence[Layer] = PREFERENCE) -> DeviceFacts:
    """Return what is known of one device. Raises UnknownNameError with the nearest ids."""
    known = view_facts([cell for cell in cells if cell.hw_id == hw_id], prefer=prefer)
    if hw_id not in known:
        raise UnknownNameError("device of the catalogue", hw_id, known, hint=f"Try: assay catalog match {hw_id!r}.")
    return known[hw_id]


def shipped_cell(hw_id: str, column: str) -> CatalogueCell | None:
    """Return what the shipped table says in one column; None where it says nothing. Raises UnknownNameError."""
    return _shipped()[find_hardware(hw_id).hw_id].cells.get(column)


def _group(cells: Iterable[CatalogueCell]) -> dict[str, dict[str, list[CatalogueCell]]]:
    found: dict[str, dict[str, list[CatalogueCell]]] = {}
    for cell in cells:
        if cell.hw_id is not None:
            found.setdefault(cell.hw_id, {}).setdefault(cell.field, []).append(cell)
    return found


def _merge(device: DeviceFacts, columns: Mapping[str, Sequence[CatalogueCell]], prefer: Sequence[Layer]) -> DeviceFacts:
    if not columns and Layer.SHIPPED in prefer:
        return device
    merged: dict[str, CatalogueCell] = {}
    for column in (*FACTS, *IDENTITY):
        stated = list(columns.get(column, ()))
        if (shipped := device.cells.get(column)) is not None:
            stated.append(shipped)
        if (cell := prefer_cells(stated, prefer)) is not None:
            merged[column] = cell
    return DeviceFacts(
        device.hw_id, device.name, device.vendor, device.architecture, device.category, MappingProxyType(merged)
    )


def _identify(hw_id: str, columns: Mapping[str, Sequence[CatalogueCell]]) -> DeviceFacts:
    words = {
        column: cell.text or ""
        for column in REQUIRED[1:]
        if (cell := prefer_cells(columns.get(column, ()), (Layer.OWN,))) is not None
    }
    return DeviceFacts(
        hw_id, words["name"], words.get("vendor", ""), words.get("architecture", ""), words.get("category", ""), {}
    )


@cache
def _shipped() -> Mapping[str, DeviceFacts]:
    return MappingProxyType({hw_id: _read(device) for hw_id, device in load_catalogue().items()})


def _read(device: Hardware) -> DeviceFacts:
    values: dict[str, float | str] = {
        column: value for column in TEXTS if (value := getattr(device, column)) is not None
    }
    for field in NUMBERS:
        if (number := getattr(device, field.name)) is not None:
            values[field.column] = _in_file_unit(number, field.scale)
    for column, rate in RATE_COLUMNS.items():
        if (number := device.rates.get(rate)) is not None:
            values[column] = _in_file_unit(number, TERA)
    # As Hardware.source_id, with the rules in order once and not for each of some thousands of cells.
    rules = sorted(device.source_rules, key=lambda rule: -len(rule[0]))
    sources = load_sources()
    cells = {}
    for column, value in values.items():
        source = sources[next(source_id for start, source_id in rules if column.startswith(start))]
        cells[column] = CatalogueCell(
            device.hw_id, device.name, column, value, Layer.SHIPPED, source.source_id, source.date
        )
    return DeviceFacts(
        device.hw_id, device.name, device.vendor, device.architecture, device.category, MappingProxyType(cells)
    )


def _in_file_unit(value: float, scale: float) -> float:
    # What the file says, again: 1555.2 * 1e9 / 1e9 is not 1555.2 in binary.
    return float(f"{value / scale:.12g}") if scale != 1 else float(value)
