"""The shipped catalogue as rows for the mirror, in Arrow: there are more cells than a row at a time allows.

May import: core, catalog; pyarrow inside functions.
"""

from __future__ import annotations

from typing import Any

from assay.catalog.hardware.facts import view_facts
from assay.catalog.hardware.load import load_catalogue, load_sources


def shipped_tables() -> dict[str, Any]:
    """Return ``known_hardware`` and what belongs to it as ``pyarrow.Table``s, by name."""
    import pyarrow as pa

    devices, facts = load_catalogue().values(), view_facts().values()
    cells = [cell for device in facts for cell in device.cells.values()]
    text, number = pa.string(), pa.float64()
    return {
        "known_hardware": _table(
            {
                name: ([getattr(device, name) for device in devices], text)
                for name in ("hw_id", "vendor", "name", "architecture", "category")
            }
        ),
        "known_hardware_aliases": _table({
            "hw_id": ([device.hw_id for device in devices for _ in dict.fromkeys(device.aliases)], text),
            "alias": ([alias for device in devices for alias in dict.fromkeys(device.aliases)], text),
        }),
        "known_hardware_sources": _table(
            {
                name: ([str(getattr(source, name)) for source in load_sources().values()], text)
                for name in ("source_id", "kind", "publisher", "title", "date")
            }
        ),
        "known_hardware_cells": _table({
            "cell_id": ([f"shipped:{cell.hw_id}:{cell.field}" for cell in cells], text),
            "hw_id": ([cell.hw_id for cell in cells], text),
            "device_text": ([cell.device_text for cell in cells], text),
            "field": ([cell.field for cell in cells], text),
            "number": ([cell.number for cell in cells], number),
            "word": ([cell.text for cell in cells], text),
            "source_id": ([cell.source_id for cell in cells], text),
            "as_of": ([cell.as_of for cell in cells], text),
        }),
    }  # fmt: skip


def _table(columns: dict[str, tuple[list[Any], Any]]) -> Any:
    import pyarrow as pa

    return pa.table({name: pa.array(values, kind) for name, (values, kind) in columns.items()})
