"""Devices composed for tests: facts with cells of one's own, in the units of the catalogue's files."""

from __future__ import annotations

from collections.abc import Mapping

from assay.catalog.hardware.cells import CatalogueCell, Layer
from assay.catalog.hardware.facts import DeviceFacts


def device(
    hw_id: str,
    *,
    vendor: str = "ACME",
    architecture: str = "First",
    category: str = "datacentre gpu",
    **cells: float | str | None,
) -> DeviceFacts:
    """One device; a cell that is None is not known."""
    known = {
        column: CatalogueCell(hw_id, hw_id, column, value, Layer.SHIPPED, "test", "2026-01-01")
        for column, value in cells.items()
        if value is not None
    }
    return DeviceFacts(hw_id, hw_id.upper(), vendor, architecture, category, known)


def facts(*devices: DeviceFacts) -> Mapping[str, DeviceFacts]:
    """Devices by their ids, in the order given."""
    return {one.hw_id: one for one in devices}
