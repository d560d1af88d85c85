"""A user's own new device as a data sheet, so that results on it are held against it like any other device's.

May import: standard library, catalog.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from assay.catalog.hardware.entry import Hardware
from assay.catalog.hardware.fields import LISTS, NUMBER_COLUMNS, RATE_COLUMNS, REQUIRED, TEXTS
from assay.catalog.hardware.load import read_devices
from assay.catalog.hardware.own import OwnDevice, load_own_devices, match_own


def own_sheet(device: OwnDevice) -> Hardware:
    """Return the sheet of a new device, every figure of it from its file (source ``own:lab.yaml``)."""
    values = {cell.field: cell.value for cell in device.cells}
    row: dict[str, str] = {"hw_id": device.hw_id, "sources": f"own:{device.file}".replace(" ", "_")}
    for column in (*REQUIRED[1:], *TEXTS, *NUMBER_COLUMNS, *RATE_COLUMNS, *LISTS):
        if (value := values.get(column)) is not None:
            row[column] = value if isinstance(value, str) else f"{value:.17g}"
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(row)
    writer.writerow(row.values())
    (sheet,) = read_devices(out.getvalue().splitlines(), device.file)
    return sheet


def find_own_sheet(text: str, devices: Iterable[OwnDevice] | None = None) -> Hardware | None:
    """Return the sheet of the new own device that an id or a name means; None where it means none.

    ``devices`` are those of the user's folder where none are given. Raises OwnDeviceError for a file that cannot be
    used.
    """
    device = match_own(text, load_own_devices() if devices is None else devices)
    return own_sheet(device) if device is not None and device.is_new else None
