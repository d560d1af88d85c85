"""What a format of hardware tables is, and what reading a table gives.

A format says which columns mean what; finding the device, refusing what cannot be right and counting is ``read``'s. May
import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from assay.catalog.hardware.cells import CatalogueCell
from assay.catalog.hardware.prices import Price
from assay.importers.base import Note, Refusal
from assay.importers.source import Source


@dataclass(frozen=True, slots=True)
class Statement:
    """One cell of a row. ``fields`` are the columns of the catalogue that it may mean, the likeliest first.

    Which one it is hangs on the device: a table's "FP16/BF16" of a device that has no bf16 is fp16. ``place`` is the
    table's own name of the cell, ``confidence`` how surely it means what it is taken for.
    """

    fields: tuple[str, ...]
    value: float | str
    place: str
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class StreetPrice:
    """What a row says the device costs in a shop, in USD."""

    usd: float
    place: str


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One row about one device. ``number`` counts from 1; ``as_of`` is empty where the row does not say.

    ``vendor``, ``kind`` and ``memory_bytes`` help where the name alone means several devices; a vendor that the
    catalogue writes otherwise is left out by the format. ``problems`` are cells that could not be read.
    """

    number: int
    device_text: str
    statements: tuple[Statement, ...]
    as_of: str = ""
    vendor: str | None = None
    kind: str | None = None
    memory_bytes: float | None = None
    price: StreetPrice | None = None
    problems: tuple[str, ...] = ()


Item = DeviceRow | Refusal | Note


class HardwareFormat(Protocol):
    """One format. ``title`` is what people call it, ``name`` what ``--as`` takes, ``publisher`` whose table it is."""

    name: str
    title: str
    publisher: str

    def recognise(self, source: Source) -> bool:
        """True where the content, not the name, is of this format. Must be cheap and must not raise."""
        ...

    def read(self, source: Source) -> Iterator[Item]:
        """Give the rows in the order of the file. Raises ImportFileError where the file as a whole is broken."""
        ...


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name of the table that means no one device. ``candidates`` are those it may mean; ``rows`` of the table."""

    text: str
    rows: int
    reason: str
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HardwareTable:
    """A table as it was read. Every row is taken or refused; ``refused_cells`` are cells of rows that were taken.

    ``cells`` are of devices of the catalogue and of names that mean none (``hw_id`` is None); ``repeated`` counts cells
    that an earlier row of the same device has already. ``devices`` maps a device of the catalogue to the names of it.
    """

    source: str
    sha256: str
    format: str
    title: str
    rows_seen: int
    rows_taken: int
    cells: tuple[CatalogueCell, ...]
    prices: tuple[Price, ...]
    refused: tuple[Refusal, ...]
    refused_cells: tuple[Refusal, ...]
    repeated: int
    devices: Mapping[str, tuple[str, ...]]
    ambiguous: tuple[UnknownName, ...]
    unknown: tuple[UnknownName, ...]
    notes: tuple[str, ...]
