"""Epoch AI's table of machine learning hardware, as of any year: column names changed, so they are known by several.

"Data on Machine Learning Hardware", epoch.ai, CC BY: SI units, a row a device, dates in "Last modified". Memory is in
bytes of 10**9 that makers call GB; peak rates are dense "in most places", in the table's own words. May import: core,
catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from assay.importers.base import Note, Refusal
from assay.importers.hardware.columns import (
    Column,
    NumberColumn,
    WordColumn,
    drop_matrix_rate,
    find_column,
    is_header_again,
    read_statements,
)
from assay.importers.hardware.table import DeviceRow, Item, Statement
from assay.importers.source import Source

_NAME = ("Hardware name", "Name of the hardware", "Name")
_SIGNS = frozenset({"Manufacturer", "Release date", "TDP (W)", "Memory bandwidth (byte/s)"})
_TERA, _GIGA = 1e-12, 1e-9
_GIB = 2**30

COLUMNS: tuple[Column, ...] = (
    WordColumn(("Release date",), "release"),
    NumberColumn(("Release price (USD)",), ("release_price_usd",)),
    NumberColumn(("FP64 (double precision) performance (FLOP/s)",), ("vector_fp64_tflops",), _TERA),
    NumberColumn(("FP32 (single precision) performance (FLOP/s)",), ("vector_fp32_tflops",), _TERA),
    NumberColumn(("FP16 (half precision) performance (FLOP/s)",), ("vector_fp16_tflops",), _TERA),
    NumberColumn(("TF32 (TensorFloat-32) performance (FLOP/s)",), ("tensor_tf32_tflops",), _TERA),
    NumberColumn(("Tensor-FP16/BF16 performance (FLOP/s)",), ("tensor_bf16_tflops", "tensor_fp16_tflops"), _TERA),
    NumberColumn(("FP8 performance (FLOP/s)",), ("tensor_fp8_tflops",), _TERA),
    NumberColumn(("FP4 performance (FLOP/s)",), ("tensor_fp4_tflops",), _TERA),
    NumberColumn(("INT8 performance (OP/s)",), ("tensor_int8_tops", "vector_int8_tops"), _TERA),
    NumberColumn(("INT4 performance (OP/s)",), ("tensor_int4_tops",), _TERA),
    NumberColumn(("Memory (bytes)", "Memory size per board (Byte)"), ("memory_gib",), _GIGA),
    NumberColumn(("Memory bandwidth (byte/s)",), ("memory_bandwidth_gb_s",), _GIGA),
    NumberColumn(("Intranode bandwidth (byte/s)",), ("interconnect_gb_s",), _GIGA),
    NumberColumn(("Die Size (mm^2)",), ("die_mm2",)),
    NumberColumn(("TDP (W)",), ("tdp_w",)),
    NumberColumn(("Base clock (MHz)",), ("base_mhz",)),
    NumberColumn(("Boost clock (MHz)",), ("boost_mhz",)),
    NumberColumn(("Memory bus (bit)",), ("memory_bus_bits",)),
    NumberColumn(("Tensor cores",), ("tensor_units",)),
    NumberColumn(("Process size (nm)",), ("process_nm",)),
    NumberColumn(("Transistors (millions)", "Number of transistors (millions)"), ("transistors_m",)),
    WordColumn(("Foundry",), "foundry"),
)
_VENDORS = {
    "nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "google": "Google", "huawei": "Huawei", "amazon aws": "Amazon",
    "microsoft": "Microsoft", "meta": "Meta", "qualcomm": "Qualcomm", "graphcore": "Graphcore", "baidu": "Baidu",
    "cambricon": "Cambricon", "groq": "Groq", "biren": "Biren",
}  # fmt: skip


class EpochFormat:
    """Reads ``ml_hardware.csv``."""

    name = "epoch"
    title = "Epoch AI, Data on Machine Learning Hardware (CSV)"
    publisher = "Epoch AI"

    def recognise(self, source: Source) -> bool:
        """True for a CSV file with the table's headers."""
        header = source.csv_header
        return set(header) >= _SIGNS and any(name in header for name in _NAME)

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row a device. Raises ImportFileError."""
        yield Note("Epoch AI, 'Data on Machine Learning Hardware', epoch.ai, CC BY.")
        for number, record in source.csv_rows():
            yield _read_row(number, record)


def _read_row(number: int, record: Mapping[str, str]) -> DeviceRow | Refusal:
    if is_header_again(record):
        return Refusal(f"row {number}", "it is the header again.", "")
    column = find_column(record, _NAME)
    name = "" if column is None else " ".join(record[column].split())
    if not name:
        return Refusal(f"row {number}", "it names no device.", str(dict(record))[:2000])
    statements, problems = read_statements(record, COLUMNS)
    statements, wrong = drop_matrix_rate([_in_gib(one) for one in statements])
    return DeviceRow(
        number,
        name,
        tuple(statements),
        as_of=record.get("Last modified", "").strip()[:10],
        vendor=_VENDORS.get(record.get("Manufacturer", "").strip().casefold()),
        problems=(*problems, *wrong),
    )


def _in_gib(statement: Statement) -> Statement:
    """A few rows have bytes of 2**30: they are whole numbers of GiB, which no number of 10**9 bytes is."""
    if statement.fields[0] != "memory_gib" or not isinstance(statement.value, float):
        return statement
    size = round(statement.value * 1e9)
    return replace(statement, value=float(size // _GIB)) if size % _GIB == 0 else statement
