"""One figure of one device as somebody states it, and in which layer of the catalogue that stands.

The layers are never mixed: what this project ships, what a user imported from others' tables, what a user says of own
devices. A view over them (``facts``) answers with one value a cell and leaves the others where they are; what disagrees
is a conflict (``conflicts``). May import: standard library, core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from assay.core.errors import AssayError


class Layer(StrEnum):
    """Whose statement a cell is."""

    OWN = "own"
    """The user's, in a file of own devices."""
    SHIPPED = "shipped"
    """This project's data files, each cell with its source."""
    IMPORTED = "imported"
    """Others' tables that the user imported into a store."""


LEAST_CONFIDENCE = 0.6
"""Below this a statement disagrees with others and never answers: a name or a column that is right too rarely."""
PREFERENCE = (Layer.OWN, Layer.SHIPPED, Layer.IMPORTED)
"""Which layer answers first unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class CatalogueCell:
    """One statement: this device has this value in this column.

    ``field`` is a column of the data files (``tdp_w``, ``memory_gib``, ``tensor_bf16_tflops``, ``release``); own
    devices also have ``name``, ``vendor``, ``architecture``, ``category`` and ``aliases``. ``value`` is a word, or a
    number in the unit that the column's name says. ``hw_id`` is None where the catalogue does not have the device that
    ``device_text`` names, or the name leaves open which. ``source_id`` is the id of a source: of the shipped table, or
    ``epoch:ml_hardware.csv`` of an imported one. ``as_of`` is when the source says so (a day, a month, a year; empty
    where it does not tell). ``source_row`` counts from 1, the header not among them. ``confidence`` is how sure it is
    that the name means the device and the column what it is taken for. Raises AssayError for a number that can be none.
    """

    hw_id: str | None
    device_text: str
    field: str
    value: float | str
    layer: Layer
    source_id: str
    as_of: str
    source_row: int | None = None
    confidence: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.value, int | float) and not math.isfinite(self.value):
            raise AssayError(f"{self.field} of {self.device_text!r} is {self.value!r}; expected a finite number.")

    @property
    def number(self) -> float | None:
        """The value where it is a number, in the unit of the data files."""
        return None if isinstance(self.value, str) else float(self.value)

    @property
    def text(self) -> str | None:
        """The value where it is a word."""
        return self.value if isinstance(self.value, str) else None


def prefer_cells(cells: Sequence[CatalogueCell], prefer: Sequence[Layer] = PREFERENCE) -> CatalogueCell | None:
    """Return the one of several statements on the same cell that answers, None where there is none.

    The first layer of ``prefer`` that says anything; a layer that is not named says nothing, and neither does a
    statement below LEAST_CONFIDENCE. Within a layer the newest
    statement, of the same day the one whose name is surer; what is then left is in the order of the sources' ids, so
    that the answer never hangs on the order of reading.
    """
    for layer in prefer:
        stated = [cell for cell in cells if cell.layer is layer and cell.confidence >= LEAST_CONFIDENCE]
        if stated:
            first = min(stated, key=lambda cell: (cell.source_id, cell.source_row or 0))
            for cell in sorted(stated, key=lambda cell: (cell.source_id, cell.source_row or 0)):
                if (cell.as_of, cell.confidence) > (first.as_of, first.confidence):
                    first = cell
            return first
    return None
