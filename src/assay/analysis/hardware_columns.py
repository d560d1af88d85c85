"""Figures of data sheets that devices are held against each other by: each a rule over the catalogue's columns.

A figure is the best of some columns of the catalogue (the 16-bit rate is that of bf16 or fp16, of whichever unit), or
one figure over another. The rule is data, so listings print it. Rates are dense; a rate with 2:4 sparsity is in none
of these. May import: core, catalog.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from assay.catalog.hardware.fields import NUMBER_COLUMNS, RATE_COLUMNS, TERA, rate_column
from assay.core.errors import UnknownNameError
from assay.core.words import Direction

YEAR, PRICE = "year", "price"
"""Figures that no column of numbers has: the time of release, and what one has to pay."""


@dataclass(frozen=True, slots=True)
class HardwareColumn:
    """One figure of a device, in base units.

    ``best_of`` are columns of the catalogue's files, of which the highest counts; or ``over`` names two figures, the
    first divided by the second. ``beside`` are columns that count too, but only beside one of ``best_of``. ``unless``
    is a column and a word: what has that word there has no such figure. ``direction`` says what is better, NEITHER
    where nothing is.
    """

    key: str
    title: str
    unit: str | None
    direction: Direction
    best_of: tuple[str, ...] = ()
    over: tuple[str, str] | None = None
    beside: tuple[str, ...] = ()
    unless: tuple[str, str] | None = None

    @property
    def formula(self) -> str:
        """The rule in words: ``highest of tensor_bf16_tflops, vector_bf16_tflops``; ``peak16 / tdp``."""
        if self.over is not None:
            return " / ".join(self.over)
        if self.key == YEAR:
            return "release, as a fraction of years"
        if self.key == PRICE:
            return "the price asked for: at release, in the cloud or in the street"
        said = self.best_of[0] if len(self.best_of) == 1 else f"highest of {', '.join(self.best_of)}"
        if self.beside:
            said += f"; where one of these is known, {', '.join(self.beside)} counts too"
        return said if self.unless is None else f"{said}; none where {' is '.join(self.unless)}"


def _rates(units: Sequence[str], *precisions: str) -> tuple[str, ...]:
    names = [rate_column(f"{unit}_{precision}") for precision in precisions for unit in units]
    return tuple(name for name in names if name in RATE_COLUMNS)


def _base(key: str, title: str, unit: str | None, direction: Direction, *best_of: str) -> HardwareColumn:
    return HardwareColumn(key, title, unit, direction, best_of)


def _ratio(key: str, title: str, unit: str, above: str, below: str) -> HardwareColumn:
    return HardwareColumn(key, title, unit, Direction.HIGHER, over=(above, below))


_BOTH = ("tensor", "vector")
_UP, _DOWN, _NEITHER = Direction.HIGHER, Direction.LOWER, Direction.NEITHER

_ALL = (
    _base(YEAR, "year of release", "1", _NEITHER),
    _base("peak64", "peak, 64 bit", "FLOP/s", _UP, *_rates(_BOTH, "fp64")),
    _base("peak32", "peak, 32 bit", "FLOP/s", _UP, *_rates(_BOTH, "fp32")),
    # Pascal's GeForce cards run fp16 at 1/64 of fp32, so nobody does: numbers of 16 bits are widened on their way.
    HardwareColumn(
        "peak16", "peak, 16 bit", "FLOP/s", _UP, _rates(_BOTH, "bf16", "fp16"), beside=_rates(_BOTH, "fp32")
    ),
    _base("peak8", "peak, 8 bit", "OP/s", _UP, *_rates(_BOTH, "fp8", "int8")),
    _base("peak4", "peak, 4 bit", "OP/s", _UP, *_rates(_BOTH, "fp4", "int4")),
    # What only has SRAM on the die has no memory that a model could be read from.
    HardwareColumn(
        "bandwidth", "memory bandwidth", "B/s", _UP, ("memory_bandwidth_gb_s",), unless=("memory_kind", "SRAM")
    ),
    _base("memory", "memory size", "B", _UP, "memory_gib"),
    _base("l2", "L2 cache", "B", _UP, "l2_mib"),
    _base("interconnect", "interconnect", "B/s", _UP, "interconnect_gb_s"),
    _base("tdp", "TDP", "W", _DOWN, "tdp_w"),
    _base("units", "compute units", None, _NEITHER, "units"),
    _base("boost", "highest clock", "MHz", _NEITHER, "boost_mhz"),
    _base("die", "die area", "mm2", _NEITHER, "die_mm2"),
    _base("transistors", "transistors", "M", _NEITHER, "transistors_m"),
    _base("process", "process class", "nm", _NEITHER, "process_nm"),
    _base(PRICE, "price", "USD", _DOWN),
    _ratio("peak32_per_w", "32-bit rate per watt", "FLOP/s/W", "peak32", "tdp"),
    _ratio("peak16_per_w", "16-bit rate per watt", "FLOP/s/W", "peak16", "tdp"),
    _ratio("peak8_per_w", "8-bit rate per watt", "OP/s/W", "peak8", "tdp"),
    _ratio("bandwidth_per_w", "bandwidth per watt", "B/s/W", "bandwidth", "tdp"),
    _ratio("bytes_per_flop", "bytes per FLOP, 16 bit", "B/FLOP", "bandwidth", "peak16"),
    _ratio("reads_per_s", "times its memory is read a second", "1/s", "bandwidth", "memory"),
    _ratio("peak32_per_usd", "32-bit rate per dollar", "FLOP/s/USD", "peak32", PRICE),
    _ratio("peak16_per_usd", "16-bit rate per dollar", "FLOP/s/USD", "peak16", PRICE),
    _ratio("bandwidth_per_usd", "bandwidth per dollar", "B/s/USD", "bandwidth", PRICE),
    _ratio("memory_per_usd", "memory per dollar", "B/USD", "memory", PRICE),
)
COLUMNS: Mapping[str, HardwareColumn] = MappingProxyType({column.key: column for column in _ALL})
"""Every figure by its key."""


def find_column(key: str) -> HardwareColumn:
    """Return one figure. Raises UnknownNameError with the nearest."""
    if key not in COLUMNS:
        raise UnknownNameError("figure of devices", key, COLUMNS, hint="docs/kpi.md lists them with their rules.")
    return COLUMNS[key]


EXACT = frozenset({"memory", YEAR})
"""Figures that sources do not differ about: sizes of memory are sold by the number."""


def parts_of(key: str) -> frozenset[str]:
    """The figure itself and all that it is computed from: of ``peak16_per_w`` also ``peak16`` and ``tdp``."""
    column = find_column(key)
    return frozenset({key}).union(*(parts_of(part) for part in column.over or ()))


def in_base_unit(column: str, value: float) -> float:
    """Turn a number of the catalogue's files into base units, as loading the catalogue does."""
    if column in RATE_COLUMNS:
        # Whole operations: 133.8 * 1e12 is not 133.8e12 in binary.
        return float(round(value * TERA))
    return value * NUMBER_COLUMNS[column].scale
