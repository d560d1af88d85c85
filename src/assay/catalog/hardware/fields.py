"""The columns of the data files: unit in the file, unit in memory, and what is plausible.

Files speak as data sheets do (GB/s, TFLOP/s, MiB); the loaded entry has SI units. May import: standard library.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 2**30
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Field:
    """One number of a device: ``column`` in the file times ``scale`` is ``name`` in the entry; bounds in file units."""

    column: str
    name: str
    scale: float
    lowest: float
    highest: float
    meaning: str
    is_whole: bool = False


TEXTS = (
    "codename", "form_factor", "release", "foundry", "memory_kind", "unit_kind", "interconnect", "target", "software",
)  # fmt: skip
"""Columns of words that may be empty."""
REQUIRED = ("hw_id", "vendor", "name", "architecture", "category")

NUMBERS = (
    Field("process_nm", "process_nm", 1, 2, 28, "Class of the manufacturing process (TSMC 4N is of 5)", is_whole=True),
    Field("die_mm2", "die_mm2", 1, 20, 100_000, "Silicon of all compute dies together, without memory stacks"),
    Field("transistors_m", "transistors_m", 1, 500, 5_000_000, "Transistors of the compute dies, in millions"),
    Field("memory_gib", "memory_bytes", GIB, 1, 1024, "Device memory; makers write GB and mean this", is_whole=True),
    Field("memory_bus_bits", "memory_bus_bits", 1, 64, 8192, "Width of the memory interface", is_whole=True),
    Field("memory_bandwidth_gb_s", "memory_bandwidth_bytes_per_s", 1e9, 30, 80_000, "Peak bandwidth of the memory"),
    Field("l2_mib", "l2_bytes", MIB, 0.5, 256, "Second-level cache, all of it", is_whole=True),
    Field("l3_mib", "l3_bytes", MIB, 4, 2048, "Last-level cache, all of it (AMD GPUs: Infinity Cache)", is_whole=True),
    Field("units", "units", 1, 2, 2000, "Compute units, of the kind that unit_kind names", is_whole=True),
    Field("vector_lanes", "vector_lanes", 1, 256, 40_000, "32-bit lanes: CUDA cores, stream processors", is_whole=True),
    Field("tensor_units", "tensor_units", 1, 8, 1000, "Tensor cores", is_whole=True),
    Field("threads", "threads", 1, 2, 512, "Hardware threads", is_whole=True),
    Field("dies", "dies", 1, 2, 4, "Devices that a driver shows for one of these", is_whole=True),
    Field("base_mhz", "base_clock_mhz", 1, 300, 5000, "Clock that is promised"),
    Field("boost_mhz", "boost_clock_mhz", 1, 600, 6300, "Highest clock; of a CPU, of one core"),
    Field("tdp_w", "tdp_w", 1, 5, 1500, "Power that the cooling is laid out for: board, module or package"),
    Field("release_price_usd", "release_price_usd", 1, 30, 100_000, "The maker's price of one device at its release"),
    Field("interconnect_gb_s", "interconnect_bytes_per_s", 1e9, 50, 2000, "Both directions together, all links"),
)

PRECISIONS = ("fp64", "fp32", "tf32", "bf16", "fp16", "fp16_acc16", "fp8", "fp8_acc16", "fp4", "int8", "int4")
RATE_UNITS = ("vector", "tensor", "sparse")
TERA = 1e12
HIGHEST_TERA = 40_000


def rate_column(rate: str) -> str:
    """``tensor_int8`` -> ``tensor_int8_tops``."""
    return f"{rate}_tops" if "_int" in rate else f"{rate}_tflops"


RATES = tuple(f"{unit}_{precision}" for unit in RATE_UNITS for precision in PRECISIONS)
RATE_COLUMNS = {rate_column(rate): rate for rate in RATES}
NUMBER_COLUMNS = {field.column: field for field in NUMBERS}
LISTS = ("also_sold", "aliases")
"""Columns of several words, a semicolon between them."""
COLUMNS = (*REQUIRED, *TEXTS, *NUMBER_COLUMNS, *RATE_COLUMNS, *LISTS, "sources")
"""Every column that a data file may have."""
FACTS = (*TEXTS, *NUMBER_COLUMNS, *RATE_COLUMNS)
"""The columns that say something about a device, and so need a source."""
